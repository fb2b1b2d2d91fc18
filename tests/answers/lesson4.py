"""Right and wrong answers to the exercises and steps of lesson 4."""

import asyncio
import inspect
from contextlib import closing, suppress
from contextvars import copy_context
from copy import deepcopy
from functools import partial

from answers import Right, Wrong, prediction, row
from lessons.lesson2_thread_pools.threads import run_on_threads
from lessons.lesson4_execution_model.config import (
    check_config,
    config_for_each,
    inherited,
    is_limited,
    merge,
    smallest,
)
from lessons.lesson4_execution_model.in_thread import run_in_thread
from lessons.lesson4_execution_model.notes import noting
from lessons.lesson4_execution_model.runnable import Runnable
from lessons.lesson4_execution_model.runnable_lambda import RunnableLambda, call_with
from lessons.lesson4_execution_model.runnable_parallel import RunnableParallel, coerce_to_runnable

# --- the review that is given


async def mask_a_copy_of_the_dict(review):
    masked = dict(review)
    masked["text"] = masked["text"].replace("poor", "****")
    return masked


async def mask_a_deep_copy(review):
    masked = deepcopy(review)
    masked.update(text=masked["text"].replace("poor", "****"))
    return masked


async def mask_in_place(review):
    review["text"] = review["text"].replace("poor", "****")
    return review


async def mask_in_place_and_copy(review):
    review["text"] = review["text"].replace("poor", "****")
    return dict(review)


async def mask_the_text_only(review):
    return {"text": review["text"].replace("poor", "****")}


async def mask_the_first(review):
    return {**review, "text": review["text"].replace("poor", "****", 1)}


async def mask_if_there_is_one(review):
    return {**review, "text": review["text"].replace("poor", "****")} if review["text"] else review


# --- cancel_all


def asked_as_a_list(self):
    for task in list(self.tasks):
        if not task.cancelling() or self.stopping:
            task.cancel()
    self.stopping = True


def asked_in_two_ways(self):
    again, self.stopping = self.stopping, True
    for task in self.tasks:
        if again or task.cancelling() == 0:
            task.cancel()


def only_the_flag(self):
    self.stopping = True


def asked_and_no_flag(self):
    for task in self.tasks:
        if self.stopping or not task.cancelling():
            task.cancel()


def all_but_the_first(self):
    for task in self.tasks[1:]:
        if self.stopping or not task.cancelling():
            task.cancel()
    self.stopping = True


def asked_and_forgotten(self):
    while self.tasks:
        task = self.tasks.pop()
        if self.stopping or not task.cancelling():
            task.cancel()
    self.stopping = True


def asked_whoever_it_is(self):
    for task in self.tasks:
        task.cancel()
    self.stopping = True


def never_asked_twice(self):
    for task in self.tasks:
        if not task.cancelling():
            task.cancel()
    self.stopping = True


def asked_while_the_flag_is_set(self):
    self.stopping = True
    for task in self.tasks:
        if self.stopping or not task.cancelling():
            task.cancel()


def flag_in_the_loop(self):
    again = self.stopping
    for task in self.tasks:
        if again or not task.cancelling():
            task.cancel()
        self.stopping = True


def ended_ones_dropped(self):
    asked_as_a_list(self)
    self.tasks = [task for task in self.tasks if not task.done()]


# --- Siblings.run


async def run_in_another_order(self, call):
    try:
        result = await call()
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt | SystemExit):
            failed = self.is_failure(error)
            if not self.stopping:
                self.cancel_all()
            if failed:
                self.failed.append(error)
        raise
    return result


async def run_with_two_branches(self, call):
    try:
        return await call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except asyncio.CancelledError as error:
        if self.is_failure(error):
            self.failed.append(error)
        if not self.stopping:
            self.cancel_all()
        raise
    except BaseException as error:
        self.failed.append(error)
        if not self.stopping:
            self.cancel_all()
        raise error


def run_that(on_error, catch=BaseException, result=lambda each: each):
    """A run that lets KeyboardInterrupt and SystemExit through, and does `on_error` at any other."""

    async def run(self, call):
        try:
            return result(await call())
        except (KeyboardInterrupt, SystemExit):
            raise
        except catch as error:
            on_error(self, error)
            raise

    return run


def note_and_stop(self, error):
    if self.is_failure(error):
        self.failed.append(error)
    if not self.stopping:
        self.cancel_all()


def note_whatever_it_is(self, error):
    self.failed.append(error)
    if not self.stopping:
        self.cancel_all()


def stop_first_and_ask_then(self, error):
    if not self.stopping:
        self.cancel_all()
    if self.is_failure(error):
        self.failed.append(error)


def note_only(self, error):
    if self.is_failure(error):
        self.failed.append(error)


def stop_only(self, error):
    if not self.stopping:
        self.cancel_all()


def stop_again(self, error):
    if self.is_failure(error):
        self.failed.append(error)
    self.cancel_all()


async def run_and_give_nothing(self, call):
    try:
        await call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        note_and_stop(self, error)
        raise


async def run_and_swallow(self, call):
    try:
        return await call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        note_and_stop(self, error)


async def run_twice(self, call):
    await call()
    return await run_in_another_order(self, call)


async def run_and_stop_whatever_comes(self, call):
    try:
        return await run_in_another_order(self, call)
    finally:
        if not self.stopping:
            self.cancel_all()


async def run_and_note_what_stops_the_loop(self, call):
    try:
        return await call()
    except BaseException as error:
        note_and_stop(self, error)
        raise


# --- wait_for_all


async def wait_for_those_left(futures, when_cancelled):
    cancelled, left = None, set(futures)
    while left:
        try:
            _, left = await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
            when_cancelled()
    return cancelled


async def wait_behind_a_shield(futures, when_cancelled):
    cancelled, together = None, asyncio.gather(*futures, return_exceptions=True)
    while not together.done():
        try:
            await asyncio.shield(together)
        except asyncio.CancelledError as error:
            if cancelled is None:
                cancelled = error
            when_cancelled()
    return cancelled


async def wait_for_each_once(futures, when_cancelled):
    """After a cancellation it goes on with the next."""
    cancelled = None
    for future in futures:
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
            when_cancelled()
    return cancelled


async def wait_and_keep_the_last(futures, when_cancelled):
    cancelled = None
    for future in futures:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
                when_cancelled()
    return cancelled


async def wait_and_call_once(futures, when_cancelled):
    cancelled = None
    for future in futures:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                if cancelled is None:
                    when_cancelled()
                cancelled = cancelled or error
    return cancelled


async def wait_and_say_nothing(futures, when_cancelled):
    cancelled = await wait_for_those_left(futures, lambda: None)
    if cancelled:
        when_cancelled()
    return cancelled


async def wait_and_give_results(futures, when_cancelled):
    cancelled = await wait_for_those_left(futures, when_cancelled)
    return cancelled or [future.result() for future in futures] or None


async def wait_by_await(futures, when_cancelled):
    cancelled = None
    for future in futures:
        while not future.done():
            try:
                await future
            except asyncio.CancelledError as error:
                cancelled = cancelled or error
                when_cancelled()
    return cancelled


async def wait_by_await_and_ignore(futures, when_cancelled):
    cancelled = None
    for future in futures:
        try:
            await future
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
            when_cancelled()
        except Exception:
            pass
    return cancelled


async def wait_by_gather(futures, when_cancelled):
    try:
        await asyncio.gather(*futures, return_exceptions=True)
    except asyncio.CancelledError as error:
        when_cancelled()
        return error


async def wait_and_leave(futures, when_cancelled):
    try:
        if futures:
            await asyncio.wait(futures)
    except asyncio.CancelledError as error:
        when_cancelled()
        return error


async def wait_and_raise(futures, when_cancelled):
    if cancelled := await wait_for_those_left(futures, when_cancelled):
        raise cancelled


async def wait_for_the_first(futures, when_cancelled):
    if futures:
        await asyncio.wait(futures, return_when="FIRST_COMPLETED")


async def wait_for_none(futures, when_cancelled):
    cancelled = None
    while True:
        try:
            await asyncio.wait(futures)
            return cancelled
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
            when_cancelled()


# --- ask, and close


async def close_on_every_way(connection):
    try:
        reply = await connection.answer()
    except BaseException:
        connection.close()
        raise
    connection.close()
    return reply


async def with_closing(connection):
    with closing(connection):
        return await connection.answer()


async def with_a_task(connection):
    try:
        return await asyncio.create_task(connection.answer())
    finally:
        connection.close()


async def caught_and_raised_again(connection):
    try:
        return await connection.answer()
    except asyncio.CancelledError:
        raise
    finally:
        connection.close()


async def closed_first(connection):
    connection.close()
    return await connection.answer()


async def closed_twice(connection):
    try:
        reply = await connection.answer()
        connection.close()
        return reply
    finally:
        connection.close()


async def closed_if_all_goes_well(connection):
    reply = await connection.answer()
    connection.close()
    return reply


async def closed_on_an_exception(connection):
    try:
        reply = await connection.answer()
    except Exception:
        connection.close()
        raise
    connection.close()
    return reply


async def asked_again(connection):
    try:
        await connection.answer()
        return await connection.answer()
    finally:
        connection.close()


async def asked_again_if_empty(connection):
    try:
        return await connection.answer() or await connection.answer()
    finally:
        connection.close()


async def none_if_empty(connection):
    try:
        return await connection.answer() or None
    finally:
        connection.close()


async def error_swallowed(connection):
    try:
        return await connection.answer()
    except Exception:
        return None
    finally:
        connection.close()


async def a_new_error(connection):
    try:
        return await connection.answer()
    except Exception as error:
        raise ValueError(str(error)) from error
    finally:
        connection.close()


async def return_in_finally(connection):
    reply = None
    try:
        reply = await connection.answer()
    finally:
        connection.close()
        return reply  # noqa: B012


async def cancellation_swallowed(connection):
    try:
        return await connection.answer()
    except asyncio.CancelledError:
        return None
    finally:
        connection.close()


async def cancellation_made_an_error(connection):
    try:
        return await connection.answer()
    except asyncio.CancelledError:
        raise RuntimeError("cancelled") from None
    finally:
        connection.close()


async def shielded(connection):
    try:
        return await asyncio.shield(connection.answer())
    finally:
        connection.close()


async def only_waited_for(connection):
    """asyncio.wait passes no cancellation on."""
    answering = asyncio.ensure_future(connection.answer())
    try:
        await asyncio.wait([answering])
        return answering.result()
    finally:
        connection.close()


async def cancelled_and_not_waited_for(connection):
    answering = asyncio.ensure_future(connection.answer())
    try:
        await asyncio.wait([answering])
        return answering.result()
    finally:
        answering.cancel()
        connection.close()


# --- collect, and sort


async def with_a_group(calls):
    results, errors = {}, {}

    async def run(name, call):
        try:
            results[name] = await call()
        except Exception as error:
            errors[name] = error

    async with asyncio.TaskGroup() as group:
        for name, call in calls.items():
            group.create_task(run(name, call))
    return results, errors


async def with_wait(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    try:
        if tasks:
            await asyncio.wait(tasks.values())
    except asyncio.CancelledError:
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values())
        raise
    errors = {name: task.exception() for name, task in tasks.items() if task.exception()}
    return {name: task.result() for name, task in tasks.items() if name not in errors}, errors


async def with_as_completed(calls):
    async def run(name, call):
        try:
            return name, await call(), None
        except Exception as error:
            return name, None, error

    tasks = [asyncio.create_task(run(*item)) for item in calls.items()]
    results, errors = {}, {}
    try:
        for next_one in asyncio.as_completed(tasks):
            name, result, error = await next_one
            if error is None:
                results[name] = result
            else:
                errors[name] = error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return results, errors


async def awaited_in_order(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    results, errors = {}, {}
    try:
        for name, task in tasks.items():
            try:
                results[name] = await task
            except Exception as error:
                errors[name] = error
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return results, errors


def changed(change):
    """with_a_group, and then something done to the two dicts."""

    async def collect(calls):
        return change(*await with_a_group(calls))

    return collect


async def names_as_they_come(calls):
    results = []

    async def run(call):
        results.append(await call())

    await asyncio.gather(*map(run, calls.values()), return_exceptions=True)
    return dict(zip(calls, results)), {}


async def stops_at_a_failure(calls):
    return dict(zip(calls, await asyncio.gather(*(call() for call in calls.values())))), {}


async def failures_among_results(calls):
    outcomes = await asyncio.gather(*(call() for call in calls.values()), return_exceptions=True)
    return dict(zip(calls, outcomes)), {}


async def another_error(calls):
    results, errors = await with_a_group(calls)
    return results, {name: RuntimeError(str(error)) for name, error in errors.items()}


async def in_turn(calls):
    results, errors = {}, {}
    for name, call in calls.items():
        try:
            results[name] = await call()
        except Exception as error:
            errors[name] = error
    return results, errors


async def two_at_a_time(calls):
    names, results, errors = list(calls), {}, {}
    while names:
        more, failed = await with_a_group({name: calls[name] for name in names[:2]})
        results, errors, names = results | more, errors | failed, names[2:]
    return results, errors


async def made_twice(calls):
    await with_a_group(calls)
    return await with_a_group(calls)


async def waits_for_nothing(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    await asyncio.wait(tasks.values())
    return sort(tasks)


def sort(tasks):
    errors = {name: task.exception() for name, task in tasks.items() if task.exception()}
    return {name: task.result() for name, task in tasks.items() if name not in errors}, errors


async def left_running_when_cancelled(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    if tasks:
        await asyncio.wait(tasks.values())
    return sort(tasks)


async def cancellations_as_errors(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    results, errors = {}, {}
    for name, task in tasks.items():
        try:
            results[name] = await task
        except BaseException as error:
            errors[name] = error
    return results, errors


async def only_the_first_is_cancelled(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    results, errors = {}, {}
    for name, task in tasks.items():
        try:
            results[name] = await task
        except Exception as error:
            errors[name] = error
    return results, errors


async def cancelled_and_left(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    try:
        if tasks:
            await asyncio.wait(tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
    return sort(tasks)


async def only_the_first_is_waited_for(calls):
    """gather without return_exceptions: cancelled, it ends with its first child."""

    async def run(call):
        try:
            return await call(), None
        except Exception as error:
            return None, error

    pairs = dict(zip(calls, await asyncio.gather(*map(run, calls.values()))))
    errors = {name: error for name, (_, error) in pairs.items() if error}
    return {name: result for name, (result, error) in pairs.items() if not error}, errors


async def waited_for_and_swallowed(calls):
    with suppress(asyncio.CancelledError):
        return await with_a_group(calls)
    return {}, {}


# --- config_for_call


def config_without_a_short_way(own, config):
    given = check_config(config)
    above = inherited.get()
    merged = merge(above, own, given)
    if "max_concurrency" not in given:
        merged["max_concurrency"] = smallest([above["max_concurrency"], own.get("max_concurrency")])
    return merged


def config_limit_first(own, config):
    given = check_config(config)
    above = inherited.get()
    limit = {"max_concurrency": smallest([above["max_concurrency"], own.get("max_concurrency")])}
    return merge(above, own, limit, given)


def config_in_another_order(own, config):
    given = check_config(config)
    merged = merge(inherited.get(), given, own)
    limits = [inherited.get()["max_concurrency"], own.get("max_concurrency")]
    merged["max_concurrency"] = given.get("max_concurrency", smallest(limits))
    return merged


def config_later_wins(own, config):
    return merge(inherited.get(), own, check_config(config))


def config_smallest_of_all(own, config):
    given = check_config(config)
    merged = merge(inherited.get(), own, given)
    merged["max_concurrency"] = smallest(
        each.get("max_concurrency") for each in (inherited.get(), own, given)
    )
    return merged


def config_none_is_no_limit(own, config):
    given = check_config(config)
    merged = merge(inherited.get(), own, given)
    if given.get("max_concurrency") is None:
        merged["max_concurrency"] = smallest(each.get("max_concurrency") for each in (inherited.get(), own))
    return merged


def config_falsy_left_out(own, config):
    given = {key: value for key, value in check_config(config).items() if value or "max" in key}
    return config_limit_first(own, given)


def config_unchecked(own, config):
    given = config or {}
    limit = {"max_concurrency": smallest([inherited.get()["max_concurrency"], own.get("max_concurrency")])}
    return merge(inherited.get(), own, limit, given)


def config_not_inherited(own, config):
    given = check_config(config)
    return merge({"max_concurrency": None, "tags": [], "metadata": {}, "recursion_limit": 25}, own, given)


def config_written_into_own(own, config):
    result = config_limit_first(own, config)
    own.update(result)
    return result


def config_written_into_inherited(own, config):
    result = config_limit_first(own, config)
    inherited.get().update(result)
    return result


# --- batch


def batch_of(*, limit=True, alone=True, where=True, caught=Exception, each_config=True, checked=True):
    """The course's batch, with something missing."""

    def batch(self, inputs, config=None, *, return_exceptions=False):
        configs = config_for_each(inputs if checked else list(inputs), config)

        def call(number):
            place = f"in inputs[{number}]" if where else None
            try:
                return self._run(inputs[number], configs[number if each_config else 0], place)
            except caught as error:
                if return_exceptions:
                    return error
                raise

        calls = {number: partial(call, number) for number in range(len(inputs))}
        with noting():
            if len(calls) == 1 and alone:
                return [copy_context().run(call, 0)]
            return run_on_threads(calls, self._limit(configs) if limit else None)

    return batch


def batch_by_value(self, inputs, config=None, *, return_exceptions=False):
    configs = config_for_each(inputs, config)

    def call(value, config, where):
        try:
            return self._run(value, config, where)
        except Exception as error:
            if not return_exceptions:
                raise
            return error

    calls = {}
    for number, (value, each) in enumerate(zip(inputs, configs)):
        calls[f"input {number}"] = partial(call, value, each, f"in inputs[{number}]")
    if len(inputs) == 1:
        (single,) = calls.values()
        return [copy_context().run(single)]
    return run_on_threads(calls, self._limit(configs))


def batch_in_turn(self, inputs, config=None, *, return_exceptions=False):
    """One after another, each in a context of its own."""
    configs, results = config_for_each(inputs, config), []
    for number, value in enumerate(inputs):
        try:
            where = f"in inputs[{number}]"
            results.append(copy_context().run(self._run, value, configs[number], where))
        except Exception as error:
            if not return_exceptions:
                raise
            results.append(error)
    return results


def batch_alone_without_a_copy(self, inputs, config=None, *, return_exceptions=False):
    if isinstance(inputs, list) and len(inputs) == 1:
        return [self._run(inputs[0], config_for_each(inputs, config)[0], "in inputs[0]")]
    return batch_of()(self, inputs, config, return_exceptions=return_exceptions)


def batch_then(change):
    """The course's batch, and then something done to its list."""

    def batch(self, inputs, config=None, *, return_exceptions=False):
        return change(batch_of()(self, inputs, config, return_exceptions=return_exceptions))

    return batch


def batch_none_for_none(self, inputs, config=None, *, return_exceptions=False):
    return batch_of()(self, inputs, config, return_exceptions=return_exceptions) or None


def batch_twice(self, inputs, config=None, *, return_exceptions=False):
    batch_of()(self, inputs, config, return_exceptions=True)
    return batch_of()(self, inputs, config, return_exceptions=return_exceptions)


def batch_always_collects(self, inputs, config=None, *, return_exceptions=False):
    return batch_of()(self, inputs, config, return_exceptions=True)


def batch_single_by_invoke(self, inputs, config=None, *, return_exceptions=False):
    if len(inputs) == 1:
        return [self.invoke(inputs[0], config_for_each(inputs, config)[0])]
    return batch_of()(self, inputs, config, return_exceptions=return_exceptions)


# --- acall


def acall_of(
    *,
    thread=run_in_thread,
    own_thread=is_limited,
    awaited=True,
    chosen=True,
    config_of=lambda takes, config: config if takes else None,
    call=call_with,
    result_of=lambda result: result,
    deeper=True,
    prefer_afunc=True,
):
    """The course's acall, with something missing."""

    async def acall(self, value, config):
        if self.afunc is not None and (prefer_afunc or self.func is None):
            result = await call(self.afunc, value, config_of(self.afunc_takes_config, config))
        else:
            plain = partial(call, self.func, value, config_of(self.func_takes_config, config))
            result = await thread(plain, own_thread=own_thread(config))
            if awaited and inspect.iscoroutine(result):
                result = await result
        if chosen and isinstance(result, Runnable):
            return await result.ainvoke(value, self._one_deeper(config) if deeper else None)
        return result_of(result)

    return acall


async def acall_one_call(self, value, config):
    function, takes = (
        (self.func, self.func_takes_config) if self.afunc is None else (self.afunc, self.afunc_takes_config)
    )
    call = partial(call_with, function, value, config if takes else None)
    result = call() if self.afunc else await run_in_thread(call, own_thread=is_limited(config))
    if inspect.isawaitable(result):
        result = await result
    if isinstance(result, Runnable):
        result = await result.ainvoke(value, self._one_deeper(config))
    return result


async def on_the_loops_thread(call, own_thread):
    return call()


async def to_thread(call, own_thread):
    if own_thread:
        return await run_in_thread(call, own_thread=True)
    return await asyncio.to_thread(call)


def without_a_copy(function, value, config):
    return function(value) if config is None else function(value, config=config)


async def acall_with_another_error(self, value, config):
    try:
        return await acall_of()(self, value, config)
    except Exception as error:
        raise ValueError(str(error)) from error


# --- coerce_to_runnable


def coerce_dict_first(thing):
    if isinstance(thing, dict):
        return RunnableParallel(thing)
    if not isinstance(thing, Runnable) and callable(thing):
        return RunnableLambda(thing)
    if not isinstance(thing, Runnable):
        kind = type(thing).__name__
        raise TypeError(f"an object of type {kind} cannot run; it must be a runnable, a function or a dict")
    return thing


def coerce_by_match(thing):
    match thing:
        case Runnable():
            return thing
        case dict():
            return RunnableParallel(thing)
        case _ if callable(thing):
            return RunnableLambda(thing)
    kind = type(thing).__name__
    raise TypeError(f"an object of type {kind} cannot run; it must be a runnable, a function or a dict")


def coerce_callables_first(thing):
    return RunnableLambda(thing) if callable(thing) else coerce_to_runnable(thing)


def coerce_functions_only(thing):
    if not isinstance(thing, Runnable) and callable(thing) and isinstance(thing, type):
        raise TypeError("a class")
    return coerce_to_runnable(thing)


def coerce_sorted(thing):
    return coerce_to_runnable({"all": thing} if isinstance(thing, dict) and thing else thing)


def coerce_what_counts(thing):
    if isinstance(thing, dict) and not thing:
        raise TypeError("nothing to run")
    return coerce_to_runnable(thing)


def coerce_anything(thing):
    if not isinstance(thing, Runnable | dict) and not callable(thing):
        return RunnableLambda(lambda value: thing)
    return coerce_to_runnable(thing)


def coerce_without_words(thing):
    if not isinstance(thing, Runnable | dict) and not callable(thing):
        raise TypeError(thing)
    return coerce_to_runnable(thing)


def coerce_makes_a_new_one(thing):
    return RunnableLambda(thing.invoke) if isinstance(thing, Runnable) else coerce_to_runnable(thing)


# --- the lost config


def ask_in_a_lambda(pool, runnable, value):
    context = copy_context()
    return pool.submit(lambda: context.run(runnable.invoke, value))


def ask_with_the_config(pool, runnable, value):
    return pool.submit(runnable.invoke, value, dict(inherited.get()))


def ask_without_config(pool, runnable, value):
    return pool.submit(runnable.invoke, value)


def ask_with_a_copy_in_the_pool(pool, runnable, value):
    return pool.submit(lambda: copy_context().run(runnable.invoke, value))


def ask_and_wait(pool, runnable, value):
    future = pool.submit(copy_context().run, runnable.invoke, value)
    future.exception()
    return future


def ask_and_give_the_result(pool, runnable, value):
    return pool.submit(copy_context().run, runnable.invoke, value).result()


def ask_in_one_context(pool, runnable, value):
    """The copies are kept by what is inherited, so calls of one caller share theirs."""
    key = id(inherited.get())
    context = CONTEXTS.setdefault(key, copy_context())
    return pool.submit(context.run, runnable.invoke, value)


CONTEXTS: dict = {}


def ask_none_for_empty(pool, runnable, value):
    return pool.submit(copy_context().run, lambda: runnable.invoke(value) or None)


def ask_and_swallow(pool, runnable, value):
    def call():
        with suppress(ValueError):
            return runnable.invoke(value)

    return pool.submit(copy_context().run, call)


def ask_twice(pool, runnable, value):
    def call():
        runnable.invoke(value)
        return runnable.invoke(value)

    return pool.submit(copy_context().run, call)


# --- Fallback


def fallback_of(
    caught=Exception,
    value_for_second=lambda value, error: value,
    result_of=lambda result: result,
    after=lambda self, value: None,
    config_for=lambda: None,
):
    """A Fallback, with something else than it should be."""

    class Fallback(Runnable):
        def __init__(self, first, second):
            self.first, self.second = first, second

        def _invoke(self, value, config):
            try:
                result = result_of(self.first.invoke(value, config_for()))
            except caught as error:
                return self.second.invoke(value_for_second(value, error), config_for())
            after(self, value)
            return result

        async def _ainvoke(self, value, config):
            try:
                result = result_of(await self.first.ainvoke(value, config_for()))
            except caught as error:
                return await self.second.ainvoke(value_for_second(value, error), config_for())
            after(self, value)
            return result

    return Fallback


class FallbackInALoop(Runnable):
    def __init__(self, *runnables):
        self.runnables = runnables

    def _invoke(self, value, config):
        error = None
        for runnable in self.runnables:
            try:
                return runnable.invoke(value)
            except Exception as failed:
                error = failed
        raise error

    async def _ainvoke(self, value, config):
        error = None
        for runnable in self.runnables:
            try:
                return await runnable.ainvoke(value)
            except Exception as failed:
                error = failed
        raise error


class FallbackOnAThread(Runnable):
    """Without an `_ainvoke` of its own."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def _invoke(self, value, config):
        try:
            return self.first.invoke(value)
        except Exception:
            return self.second.invoke(value)


def none_counts_as_failure(result):
    if not result:
        raise ValueError("nothing")
    return result


class FallbackToNothing(fallback_of()):
    """If both fail, it gives None."""

    def _invoke(self, value, config):
        with suppress(Exception):
            return super()._invoke(value, config)

    async def _ainvoke(self, value, config):
        with suppress(Exception):
            return await super()._ainvoke(value, config)


# --- span


def span_by_match(tree):
    match tree:
        case dict():
            return max(map(span_by_match, tree.values()), default=0)
        case list():
            return sum(map(span_by_match, tree))
    return tree


def span_with_a_zero(tree):
    if isinstance(tree, dict):
        return max([0, *(span_with_a_zero(branch) for branch in tree.values())])
    if isinstance(tree, list):
        return sum([span_with_a_zero(step) for step in tree])
    return tree


def work_again(tree):
    if isinstance(tree, dict):
        return sum(work_again(branch) for branch in tree.values())
    return sum(map(work_again, tree)) if isinstance(tree, list) else tree


def longest_step(tree):
    if isinstance(tree, dict):
        return max(map(longest_step, tree.values()), default=0)
    return max(map(longest_step, tree), default=0) if isinstance(tree, list) else tree


def span_one_level(tree):
    if isinstance(tree, dict):
        return max((each for each in tree.values() if not isinstance(each, dict | list)), default=0)
    return sum(each for each in tree if not isinstance(each, dict | list)) if isinstance(tree, list) else tree


def span_of_something(tree):
    if isinstance(tree, dict):
        return max(map(span_of_something, tree.values()))
    return sum(map(span_of_something, tree)) if isinstance(tree, list) else tree


def span_at_least_one(tree):
    return span_by_match(tree) or 1


ANSWERS = {
    "WORK_AND_SPAN": prediction((4, 10, 5), "4, 10, 5", "span 4\nwork 10\nleast 5", [4.0, 10.0, 5.0]),
    "WHICH_ERROR": prediction("ac", "a, c", "A\nC", ["a", "c"], ("A", "C")),
    "LET_IT_THROUGH": row(
        {
            "other right shapes": [
                Right(close_on_every_way),
                Right(with_closing),
                Right(with_a_task),
                Right(caught_and_raised_again),
            ],
            "order": [Wrong(closed_first, "a reply")],
            "failure": [
                Wrong(error_swallowed, "an error"),
                Wrong(a_new_error, "an error"),
                Wrong(return_in_finally, "an error"),
            ],
            "cancellation from outside": [
                Wrong(cancellation_swallowed, "a cancellation"),
                Wrong(cancellation_made_an_error, "a cancellation"),
                Wrong(shielded, "a cancellation"),
                Wrong(only_waited_for, "a cancellation"),
            ],
            "falsy results": [
                Wrong(asked_again_if_empty, "an empty reply"),
                Wrong(none_if_empty, "an empty reply"),
            ],
            "the resource really used": [Wrong(asked_again, "a reply")],
            "clean-up": [
                Wrong(closed_if_all_goes_well, "an error"),
                Wrong(closed_on_an_exception, "a cancellation"),
                Wrong(closed_twice, "a reply"),
                Wrong(cancelled_and_not_waited_for, "a cancellation"),
            ],
        },
        empty_input="its input is one connection",
        one_straggler="it makes one call",
        the_limit_at_three_values="it has no limit",
    ),
    "COLLECT": row(
        {
            "other right shapes": [
                Right(with_a_group),
                Right(with_wait),
                Right(with_as_completed),
                Right(awaited_in_order),
            ],
            "order": [Wrong(names_as_they_come, "the last comes first")],
            "failure": [
                Wrong(stops_at_a_failure, "a failure"),
                Wrong(failures_among_results, "a failure"),
                Wrong(another_error, "a failure"),
                Wrong(changed(lambda results, errors: (results, {})), "a failure"),
            ],
            "cancellation from outside": [
                Wrong(left_running_when_cancelled, "a cancellation"),
                Wrong(cancellations_as_errors, "a cancellation"),
                Wrong(only_the_first_is_cancelled, "a cancellation"),
                Wrong(waited_for_and_swallowed, "a cancellation"),
            ],
            "empty input": [Wrong(waits_for_nothing, "no calls")],
            "falsy results": [
                Wrong(
                    changed(
                        lambda results, errors: ({n: each for n, each in results.items() if each}, errors)
                    ),
                    "count as false",
                )
            ],
            "one straggler": [
                Wrong(in_turn, "the last comes first", patience=0.1),
                Wrong(two_at_a_time, "the last comes first", patience=0.1),
            ],
            "the resource really used": [Wrong(made_twice, "the last comes first")],
            "clean-up": [
                Wrong(cancelled_and_left, "a cancellation"),
                Wrong(only_the_first_is_waited_for, "a cancellation"),
            ],
        },
        the_limit_at_three_values="it has no limit",
    ),
    "LIFE": prediction(
        "ready, running, waiting, ready, running, done",
        ["ready", "running", "waiting", "ready", "running", "done"],
        "Ready\nRunning\nWaiting\nReady\nRunning\nDone",
    ),
    "WHICH_POLICY": prediction("ecd", "E, C, D", "E\nC\nD", ["e", "c", "d"]),
    "WHICH_LIMIT": prediction((4, 3, 4, 6), "4, 3, 4, 6", [4.0, 3, 4, 6]),
    "MASK_A_COPY": row(
        {
            "other right shapes": [Right(mask_a_copy_of_the_dict), Right(mask_a_deep_copy)],
            "falsy results": [Wrong(mask_if_there_is_one, "an empty text")],
            "the resource really used": [
                Wrong(mask_the_text_only, "other keys"),
                Wrong(mask_the_first, "two poor words"),
            ],
            "clean-up": [
                Wrong(mask_in_place, "the review that was given"),
                Wrong(mask_in_place_and_copy, "the review that was given"),
            ],
        },
        order="its input is one review",
        failure="it calls nothing that could fail",
        cancellation_from_outside="it has no `await`",
        empty_input="its input is one review; an empty text is among the falsy ones",
        one_straggler="it makes no calls",
        the_limit_at_three_values="it has no limit",
    ),
    "CANCEL_ALL": row(
        {
            "other right shapes": [Right(asked_as_a_list), Right(asked_in_two_ways)],
            "order": [Wrong(asked_while_the_flag_is_set, "was asked before")],
            "cancellation from outside": [
                Wrong(asked_whoever_it_is, "was asked before"),
                Wrong(never_asked_twice, "asked again"),
            ],
            "empty input": [Wrong(flag_in_the_loop, "no tasks")],
            "falsy results": [Wrong(ended_ones_dropped, "have ended")],
            "one straggler": [Wrong(all_but_the_first, "three tasks", patience=0.1)],
            "the resource really used": [
                Wrong(only_the_flag, "three tasks", patience=0.1),
                Wrong(asked_and_no_flag, "three tasks"),
            ],
            "clean-up": [Wrong(asked_and_forgotten, "three tasks")],
        },
        failure="it asks, and looks at no result",
        the_limit_at_three_values="it has no limit",
    ),
    "RUN_ONE": row(
        {
            "other right shapes": [
                Right(run_in_another_order),
                Right(run_with_two_branches),
                Right(run_that(note_and_stop)),
            ],
            "order": [Wrong(run_that(stop_first_and_ask_then), "nobody here has asked for")],
            "failure": [
                Wrong(run_and_swallow, "a failure"),
                Wrong(run_that(stop_only), "a failure"),
                Wrong(run_that(note_and_stop, catch=Exception), "nobody here has asked for"),
                Wrong(run_and_note_what_stops_the_loop, "KeyboardInterrupt"),
            ],
            "cancellation from outside": [Wrong(run_that(note_whatever_it_is), "three siblings")],
            "falsy results": [Wrong(run_that(note_and_stop, result=lambda each: each or None), "as false")],
            "one straggler": [Wrong(run_that(note_only), "a failure")],
            "the resource really used": [
                Wrong(run_and_give_nothing, "a result"),
                Wrong(run_twice, "a result"),
            ],
            "clean-up": [
                Wrong(run_and_stop_whatever_comes, "a result"),
                Wrong(run_that(stop_again), "have been asked to stop"),
            ],
        },
        empty_input="its input is one call",
        the_limit_at_three_values="it has no limit",
    ),
    "WAIT_FOR_ALL": row(
        {
            "other right shapes": [Right(wait_for_those_left), Right(wait_behind_a_shield)],
            "order": [Wrong(wait_and_keep_the_last, "cancelled twice")],
            "failure": [
                Wrong(wait_by_await, "a failure"),
                Wrong(wait_by_await_and_ignore, "somebody else has cancelled"),
            ],
            "cancellation from outside": [
                Wrong(wait_and_say_nothing, "hands it on"),
                Wrong(wait_and_raise, "hands it on"),
                Wrong(wait_and_call_once, "cancelled twice"),
                Wrong(wait_by_gather, "its tasks go on"),
            ],
            "empty input": [Wrong(wait_for_none, "no tasks")],
            "falsy results": [Wrong(wait_and_give_results, "the last ends first")],
            "one straggler": [Wrong(wait_for_the_first, "the last ends first")],
            "clean-up": [
                Wrong(wait_for_each_once, "its tasks go on"),
                Wrong(wait_and_leave, "hands it on"),
            ],
        },
        the_limit_at_three_values="it has no limit",
        the_resource_really_used="it only looks on",
    ),
    "CONFIG_FOR_CALL": row(
        {
            "other right shapes": [Right(config_without_a_short_way), Right(config_limit_first)],
            "order": [Wrong(config_in_another_order, "in all three places")],
            "failure": [Wrong(config_unchecked, "a misspelt key")],
            "empty input": [Wrong(config_not_inherited, "says nothing")],
            "falsy results": [
                Wrong(config_falsy_left_out, "in all three places"),
                Wrong(config_none_is_no_limit, "also None"),
            ],
            "the limit at three values": [
                Wrong(config_later_wins, "one of with_config"),
                Wrong(config_smallest_of_all, "also None"),
            ],
            "clean-up": [
                Wrong(config_written_into_own, "afterwards"),
                Wrong(config_written_into_inherited, "afterwards"),
            ],
        },
        cancellation_from_outside="it has no `await`",
        one_straggler="it makes no calls",
        the_resource_really_used="it makes no calls",
    ),
    "BATCH": row(
        {
            "other right shapes": [Right(batch_of()), Right(batch_by_value)],
            "order": [Wrong(batch_then(lambda results: results[::-1]), "the last ends first")],
            "failure": [
                Wrong(batch_always_collects, "the failure of one"),
                Wrong(batch_of(where=False), "the failure of one"),
                Wrong(batch_of(caught=KeyError), "return_exceptions"),
                Wrong(batch_single_by_invoke, "a single input that fails"),
                Wrong(batch_of(checked=False), "no list"),
            ],
            "empty input": [Wrong(batch_none_for_none, "no inputs")],
            "falsy results": [
                Wrong(batch_then(lambda results: [each or "" for each in results]), "count as false")
            ],
            "one straggler": [Wrong(batch_in_turn, "the last ends first", patience=0.1)],
            "the limit at three values": [Wrong(batch_of(limit=False), "the most at a time")],
            "the resource really used": [
                Wrong(batch_twice, "the last ends first"),
                Wrong(batch_of(alone=False), "a single input"),
                Wrong(batch_of(each_config=False), "one config for each"),
            ],
            "clean-up": [Wrong(batch_alone_without_a_copy, "a single input")],
        },
        cancellation_from_outside="it runs on threads, which nobody cancels",
    ),
    "ACALL": row(
        {
            "other right shapes": [Right(acall_of()), Right(acall_one_call)],
            "order": [Wrong(acall_of(prefer_afunc=False), "beside a plain one")],
            "failure": [Wrong(acall_with_another_error, "that fail")],
            "cancellation from outside": [Wrong(acall_of(thread=to_thread), "a cancellation")],
            "falsy results": [Wrong(acall_of(result_of=lambda result: result or None), "as false")],
            "one straggler": [Wrong(acall_of(thread=on_the_loops_thread), "where it runs")],
            "the limit at three values": [
                Wrong(acall_of(own_thread=lambda config: False), "whose thread"),
                Wrong(acall_of(own_thread=lambda config: True), "whose thread"),
                Wrong(acall_of(own_thread=lambda config: config["max_concurrency"] == 1), "whose thread"),
            ],
            "the resource really used": [
                Wrong(acall_of(awaited=False), "returns a coroutine"),
                Wrong(acall_of(chosen=False), "return a runnable"),
                Wrong(acall_of(deeper=False), "return a runnable"),
            ],
            "clean-up": [Wrong(acall_of(call=without_a_copy), "change theirs")],
        },
        empty_input="its input is one value",
    ),
    "COERCE": row(
        {
            "other right shapes": [Right(coerce_dict_first), Right(coerce_by_match)],
            "order": [Wrong(coerce_callables_first, "a runnable")],
            "failure": [
                Wrong(coerce_anything, "a text"),
                Wrong(coerce_without_words, "a text"),
                Wrong(coerce_functions_only, "a class"),
            ],
            "empty input": [Wrong(coerce_what_counts, "an empty dict")],
            "the resource really used": [
                Wrong(coerce_makes_a_new_one, "a runnable"),
                Wrong(coerce_sorted, "a dict in it"),
            ],
        },
        cancellation_from_outside="it has no `await`",
        falsy_results="what it gives is a runnable; an empty dict is the empty input",
        one_straggler="it makes no calls",
        the_limit_at_three_values="it has no limit",
        **{"clean-up": "it leaves nothing behind"},
    ),
    "LOST_CONFIG": row(
        {
            "other right shapes": [Right(ask_in_a_lambda)],
            "order": [Wrong(ask_and_wait, "each asked from a context", patience=0.1)],
            "failure": [Wrong(ask_and_swallow, "a failure")],
            "empty input": [Wrong(ask_twice, "an empty text")],
            "falsy results": [Wrong(ask_none_for_empty, "an empty text")],
            "one straggler": [Wrong(ask_in_one_context, "from one context", patience=0.1)],
            "the resource really used": [
                Wrong(ask_with_the_config, "where 8 is inherited"),
                Wrong(ask_without_config, "the tags"),
                Wrong(ask_with_a_copy_in_the_pool, "the tags"),
                Wrong(ask_and_give_the_result, "the tags"),
            ],
        },
        cancellation_from_outside="it has no `await`",
        the_limit_at_three_values="it has no limit",
        **{"clean-up": "the pool is the caller's, who closes it"},
    ),
    "FALLBACK": row(
        {
            "other right shapes": [Right(fallback_of()), Right(FallbackInALoop)],
            "failure": [
                Wrong(fallback_of(caught=KeyError), "the first fails"),
                Wrong(fallback_of(value_for_second=lambda value, error: str(error)), "the first fails"),
                Wrong(FallbackToNothing, "both fail"),
            ],
            "cancellation from outside": [Wrong(fallback_of(caught=BaseException), "a cancellation")],
            "falsy results": [Wrong(fallback_of(result_of=none_counts_as_failure), "counts as false")],
            "the resource really used": [
                Wrong(fallback_of(after=lambda self, value: self.second.invoke(value)), "gives a result"),
                Wrong(fallback_of(config_for=lambda: {"tags": ["mine"]}), "gives a result"),
                Wrong(fallback_of(config_for=lambda: {"max_concurrency": 8}), "a first that has 2"),
                Wrong(FallbackOnAThread, "an async first"),
            ],
        },
        order="it asks one after the other; whose result it is shows the order",
        empty_input="its input is one value",
        one_straggler="it waits for one call at a time",
        the_limit_at_three_values="it has no limit",
        **{"clean-up": "it makes no task and no thread"},
    ),
    "SPAN": row(
        {
            "other right shapes": [Right(span_by_match), Right(span_with_a_zero)],
            "empty input": [Wrong(span_of_something, "no branches")],
            "falsy results": [Wrong(span_at_least_one, "a single call")],
            "one straggler": [
                Wrong(work_again, "at the same time"),
                Wrong(longest_step, "one after another"),
                Wrong(span_one_level, "a tree"),
            ],
        },
        order="a sum and a maximum know no order",
        failure="it calls nothing that could fail",
        cancellation_from_outside="it has no `await`",
        the_limit_at_three_values="it has no limit",
        the_resource_really_used="it makes no calls",
        **{"clean-up": "it leaves nothing behind"},
    ),
}
