"""The config of a call: checked, merged, and inherited by the runnables that are called inside it."""

from contextvars import ContextVar

from lessons.lesson3_concurrency_limits.limits import check_limit

DEFAULTS = {"max_concurrency": None, "tags": [], "metadata": {}, "recursion_limit": 25}

inherited = ContextVar("inherited", default=DEFAULTS)  # the config of the call that is under way


def merge(*configs):
    """Return one config: tags add up, each once and sorted, and so does metadata; else the last wins."""
    merged = {}
    for config in configs:
        for key, value in config.items():
            if key == "tags":
                value = sorted({*merged.get("tags", []), *value})
            elif key == "metadata":
                value = {**merged.get("metadata", {}), **value}
            merged[key] = value
    return merged


def smallest(limits):
    """Return the smallest of some limits; None, for no limit, only if all are None."""
    return min((limit for limit in limits if limit is not None), default=None)


def is_limited(config):
    """Whether a limit holds: then a plain function gets a thread of its own, and the limit alone decides.

    The threads of the loop's executor are shared by the whole program, and there may be fewer.
    """
    return config["max_concurrency"] is not None


def config_for_call(own, config):
    """Return the config that holds for a call, with all keys of DEFAULTS.

    own: what `with_config` has set; it wins over what is inherited. config: what the call is given; it
    wins over both. But of an inherited limit and an own one the smaller holds.
    """
    given = check_config(config)
    if not own and not given:
        return inherited.get()  # as it is: most calls say nothing of their own
    merged = merge(inherited.get(), own, given)
    if "max_concurrency" not in given:
        merged["max_concurrency"] = smallest(each.get("max_concurrency") for each in (inherited.get(), own))
    return merged


def check_config(config):
    """Return `config`, a dict with none but the keys of DEFAULTS; an empty dict for None.

    Raises TypeError or ValueError that names the value and says what is allowed.
    """
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise TypeError(f"config is a {type(config).__name__}; it must be a dict")
    for key in config:
        if key not in DEFAULTS:
            raise ValueError(f"config has the key {key!r}; the keys are {', '.join(DEFAULTS)}")
    check_limit(config.get("max_concurrency"))
    tags, metadata = config.get("tags", []), config.get("metadata", {})
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise TypeError(f"tags is {tags!r}; it must be a list of str")
    if not isinstance(metadata, dict):
        raise TypeError(f"metadata is {metadata!r}; it must be a dict")
    depth = config.get("recursion_limit", 0)
    if type(depth) is not int or depth < 0:
        raise ValueError(f"recursion_limit is {depth!r}; it must be an int of 0 or more")
    return config


def config_for_each(inputs, config):
    """Return a list with the config of each input, from one config for all or a list of configs.

    Raises TypeError if `inputs` is no list, ValueError if a list of configs has another length.
    """
    if not isinstance(inputs, list):
        raise TypeError(f"inputs is a {type(inputs).__name__}; it must be a list")
    configs = config if isinstance(config, list) else [config] * len(inputs)
    if len(configs) != len(inputs):
        raise ValueError(f"config is a list of {len(configs)} for {len(inputs)} inputs; give one for each")
    for each in [*configs, None if isinstance(config, list) else config]:  # also if there are no inputs
        check_config(each)
    return configs
