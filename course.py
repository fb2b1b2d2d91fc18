#!/usr/bin/env python3
"""The one command of the course: it sets up what is missing, then does what was asked for.

It needs Python 3.11 or newer and no package. What it installs goes into .venv beside this file;
deleting .venv undoes it.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from datetime import date
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import NoReturn

# An older Python must be able to parse this file to get this far, so there is no newer syntax in it.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "course.py: the course needs Python 3.11 or newer and this is Python {}.{}; "
        "start it with a newer one, for example: python3.12 course.py lab".format(*sys.version_info)
    )

ROOT = Path(__file__).resolve().parent
UV = "uv==0.13.9"

# What an installer says when it fails, and what to do about it.
REMEDIES = {
    "connection broken": "no package index can be reached: check the network, then run the command again.",
    "No space left": "the disk is full: free 1 GB, then run the command again.",
    "Permission denied": "the course's folder cannot be written: copy it to one of your own and start there.",
    "Read-only file system": "the course's folder cannot be written: copy it to a disk that can be.",
}

# How the names of environment variables begin that lead Python, pip or figures elsewhere.
UNWANTED = ("PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "MPLBACKEND")


def main(arguments: list[str], root: Path = ROOT) -> None:
    """Run one command line, `["lab", "1"]` say, for the course in the folder `root`.

    Ends with SystemExit: one sentence, and no traceback, when something is in the way.
    """
    try:
        run(arguments, root)
    except KeyboardInterrupt:
        print("\ncourse.py: stopped; the same command can be run again at any time.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        stop(advice(f"{error.strerror}: {error.filename}"))


def run(arguments: list[str], root: Path) -> None:
    parser = argparse.ArgumentParser(prog="course.py", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    lab = commands.add_parser("lab", help="open a lesson in JupyterLab, the first one if none is named")
    lab.add_argument(
        "lesson", nargs="?", help="its number or name; JupyterLab's options may follow: --port=9999"
    )
    reset = commands.add_parser("reset", help="give a fresh copy of a lesson, or of all; the old one is kept")
    reset.add_argument("lesson", nargs="?", help="its number or name")
    commands.add_parser("test", help="run every test; what follows goes to pytest", add_help=False)
    commands.add_parser("build", help="build the notebooks of the lessons named, or of all", add_help=False)
    commands.add_parser("bench", help="measure what is fast; --quick takes a minute or two", add_help=False)
    options, rest = parser.parse_known_args(arguments or ["--help"])

    if options.command == "lab":
        if any(not option.startswith("-") for option in rest):
            parser.error(f"one lesson at a time, and options as --name=value: {' '.join(rest)}")
        open_lab(root, options.lesson, rest)
    elif options.command == "reset":
        if rest:
            parser.error(f"reset takes one lesson, or none for all: {' '.join(rest)}")
        reset_copies(root, options.lesson)
    elif options.command == "test":
        set_up(root)
        hand_over(root, "pytest", *rest)
    elif options.command == "build":
        set_up(root)
        hand_over(root, "helpers.builder", *rest)
    elif options.command == "bench":
        set_up(root)
        hand_over(root, "benchmarks", *rest)


def stop(message: str) -> NoReturn:
    """End the program with one sentence and exit status 1."""
    raise SystemExit(f"course.py: {message}")


def advice(problem: str) -> str:
    """What to do about a problem, or else the problem's last words."""
    for sign, remedy in REMEDIES.items():
        if sign in problem:
            return remedy
    return "this is in the way:\n" + "\n".join(problem.splitlines()[-10:])


# --- The environment ---------------------------------------------------------------------------------


def set_up(root: Path) -> None:
    """Make .venv with the pinned packages, unless it is there and whole."""
    if is_ready(root):
        return
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        stop("this Python cannot make environments; on Debian and Ubuntu: sudo apt install python3-venv")
    print("Setting up .venv: half a minute or more, only this once.", flush=True)
    require([sys.executable, "-I", "-m", "venv", "--clear", str(root / ".venv")])
    install(root)
    finish(root)
    stamp_file(root).write_text(stamp(root), encoding="utf-8")


def is_ready(root: Path) -> bool:
    """Whether .venv was made to the end, from these pins, by this Python, in this folder, and still runs."""
    try:
        made_from = stamp_file(root).read_text(encoding="utf-8", errors="replace")
        return made_from == stamp(root) and not failure([venv_python(root), "-c", ""])
    except OSError:
        return False


def stamp(root: Path) -> str:
    """What an environment made now would be made from. It is written last, so a half-made one has none."""
    pins = hashlib.sha256((root / "requirements.txt").read_bytes()).hexdigest()
    return json.dumps({"pins": pins, "uv": UV, "python": sys.implementation.cache_tag, "folder": str(root)})


def stamp_file(root: Path) -> Path:
    return root / ".venv" / "course.json"


def venv_python(root: Path) -> str:
    return str(root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def install(root: Path) -> None:
    """Install the pinned packages: by uv, in seconds, or by pip where uv cannot be had."""
    python = venv_python(root)
    pinned = ["install", "--require-hashes", "-r", str(root / "requirements.txt")]
    problem = failure([python, "-m", "pip", "install", UV])
    if "connection broken" in problem:
        stop(REMEDIES["connection broken"])
    if problem or failure([python, "-m", "uv", "pip", *pinned, "--python", python]):
        print("uv does not get the packages here; pip does it, in some minutes.", flush=True)
        require([python, "-m", "pip", *pinned])


def finish(root: Path) -> None:
    """Put the course's folder on the path of .venv, and turn JupyterLab's question about news off."""
    venv = root / ".venv"
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(venv)}))
    # Relative, because a .pth file is read in an encoding that need not know every folder's name.
    (packages / "course.pth").write_text(os.path.relpath(root, packages) + "\n", encoding="ascii")
    settings = venv / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    news = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(news), encoding="utf-8")


def require(command: list[str]) -> None:
    """Run a command of the set-up; stop with what to do when it fails."""
    problem = failure(command)
    if problem:
        stop(advice(problem))


def failure(command: list[str]) -> str:
    """Run a command quietly; an empty string if it succeeds, else what it said."""
    done = subprocess.run(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return "" if done.returncode == 0 else done.stdout.strip() or f"exit status {done.returncode}"


def environment() -> dict[str, str]:
    """The caller's environment variables, made safe for what runs in .venv."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "JUPYTER_PREFER_ENV_PATH": "1"}


def hand_over(root: Path, module: str, *arguments: str) -> None:
    """Become `python -m module` in .venv and in the course's folder; this does not return."""
    command = [venv_python(root), "-m", module, *arguments]
    sys.stdout.flush()
    os.chdir(root)
    if os.name != "nt":
        os.execve(command[0], command, environment())
    process = subprocess.Popen(command, env=environment())
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:
            pass  # The process got the Ctrl-C too, and it decides.


# --- The learner's working copy ----------------------------------------------------------------------


def open_lab(root: Path, lesson: str | None, options: list[str]) -> None:
    """Open a lesson's working copy in JupyterLab, which serves the course's folder."""
    name = find_lesson(root, lesson) if lesson else lessons(root)[0]
    for updated in copy_lessons(root):
        short = updated.split("_")[0]
        print(
            f"{updated} was updated since you changed your copy, which stays as it is: "
            f"`python3 course.py reset {short}` gives a fresh copy and keeps yours."
        )
    set_up(root)
    hand_over(
        root,
        "jupyterlab",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/my_notebooks/{name}.ipynb",
        # Tabs of other projects do not belong here.
        f"--LabApp.workspaces_dir={root / '.venv' / 'workspaces'}",
        *options,
    )


def lessons(root: Path) -> list[str]:
    """The names of the lessons' notebooks, in order; there is at least one."""
    names = sorted(path.stem for path in (root / "notebooks").glob("*.ipynb"))
    return names or stop(f"there is no notebook in {root / 'notebooks'}; get the course anew.")


def find_lesson(root: Path, lesson: str) -> str:
    """The notebook's name for what a person types: 1, lesson1, 1_async_execution, 1_async_execution.ipynb."""
    wanted = Path(lesson).name.removesuffix(".ipynb").removeprefix("lesson")
    for name in lessons(root):
        if wanted in (name, name.split("_")[0]):
            return name
    stop(f"there is no lesson {lesson!r}; the lessons are: {', '.join(lessons(root))}")


def copy_lessons(root: Path) -> list[str]:
    """Bring the working copies up to date, but never over a learner's edits.

    Returns the lessons that were updated while the learner's copy has edits.
    """
    copies, copied = root / "my_notebooks", read_record(root)
    copies.mkdir(exist_ok=True)
    updated = []
    for name in lessons(root):
        original, copy = root / "notebooks" / f"{name}.ipynb", copies / f"{name}.ipynb"
        current = content(original)
        if copied.get(name) == current and copy.exists():
            continue
        if copy.exists() and content(copy) not in (copied.get(name), current):
            updated.append(name)
            continue
        place(original, copy)
        copied[name] = current
    write_record(root, copied)
    return updated


def reset_copies(root: Path, lesson: str | None) -> None:
    """Give fresh copies of one lesson or of all; what they replace moves to my_notebooks/kept/."""
    copies, copied = root / "my_notebooks", read_record(root)
    (copies / "kept").mkdir(parents=True, exist_ok=True)
    for name in [find_lesson(root, lesson)] if lesson else lessons(root):
        original, copy = root / "notebooks" / f"{name}.ipynb", copies / f"{name}.ipynb"
        message = f"{name}: a fresh copy is in my_notebooks/."
        if copy.exists() and copy.read_bytes() != original.read_bytes():
            names = (f"{name}.{date.today()}-{number}.ipynb" for number in count(1))
            kept = next(path for path in map((copies / "kept").joinpath, names) if not path.exists())
            copy.rename(kept)
            message += f" Yours is kept as my_notebooks/kept/{kept.name}."
        place(original, copy)
        copied[name] = content(original)
        print(message)
    write_record(root, copied)


def place(original: Path, copy: Path) -> None:
    """Copy a file so that an interruption leaves no half of it."""
    part = copy.with_suffix(".part")
    shutil.copyfile(original, part)
    part.replace(copy)


def content(notebook: Path) -> str:
    """A hash of the cells' types and sources: running a notebook does not change it, editing one does."""
    data = notebook.read_bytes()
    try:
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(data)["cells"]]
        data = json.dumps(cells).encode()
    except (ValueError, KeyError, TypeError):
        pass  # Not a notebook any more: then each byte counts.
    return hashlib.sha256(data).hexdigest()


def read_record(root: Path) -> dict[str, str]:
    """Which content each working copy was made from."""
    try:
        return json.loads((root / "my_notebooks" / ".course.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_record(root: Path, copied: dict[str, str]) -> None:
    text = json.dumps(copied, indent=1, sort_keys=True)
    (root / "my_notebooks" / ".course.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
