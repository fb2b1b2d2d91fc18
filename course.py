#!/usr/bin/env python3
"""The one command of the course: it sets up what is missing, then does what was asked for.

It needs Python, in a version from OLDEST to NEWEST, and no package. What it installs goes into .venv beside
this file; deleting .venv undoes it.
"""

import argparse
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple, NoReturn

OLDEST, NEWEST = (3, 11), (3, 14)  # between these every pinned package is there ready-made

# An older Python must be able to parse this file to get this far, so there is no newer syntax in it.
KIND = "" if sys.implementation.name == "cpython" else f" ({sys.implementation.name})"
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    KIND = " (free-threaded)"
if KIND or not OLDEST <= sys.version_info[:2] <= NEWEST:
    sys.exit(
        "course.py: the course's packages are made for Python {}.{} to {}.{}, and this is Python {}.{}{}; "
        "start it with another, for example: python3.12 course.py lab".format(
            *OLDEST + NEWEST + sys.version_info[:2] + (KIND,)
        )
    )

ROOT = Path(__file__).resolve().parent
# What is installed, in versions that are pinned and by hashes: the installer, what a learner needs, and with
# it what tests, builds and benchmarks need.
UV, PACKAGES, TOOLS = "requirements-uv.txt", "requirements.txt", "requirements-tools.txt"

# JupyterLab's settings for the course. Every cell is in the page: else the table of contents misses its mark.
# Without its second column, the file browser has room for the names of the lessons.
SETTINGS = {
    "@jupyterlab/filebrowser-extension:browser": {"showLastModifiedColumn": False},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


class Edition(NamedTuple):
    """Where an edition of the notebooks is, and where a learner's copies of it go, from the root folder."""

    notebooks: str
    copies: str


LEARNERS = Edition("notebooks/learner", "my_notebooks")
COMPLETE = Edition("notebooks", "my_notebooks/complete")

# What an installer says when it fails, and what to do about it.
OFFLINE = "no package index can be reached: check the network, then run the command again."
FULL = "the disk is full: free 1 GB, then run the command again."
BUSY = "a file of the course is in use or not yours: close JupyterLab, then run the command again."
REMEDIES = {
    "connection broken": OFFLINE,
    "No space left": FULL,
    "not enough space": FULL,  # on Windows
    "Disk quota exceeded": FULL,
    "Permission denied": "the course's folder cannot be written: copy it to one of your own and start there.",
    "[WinError 5]": BUSY,  # whatever language Windows says it in
    "[WinError 32]": BUSY,
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
    lab.add_argument("--complete", action="store_true", help="open it with its outputs and solutions")
    reset = commands.add_parser("reset", help="give a fresh copy of a lesson, or of all; the old one is kept")
    reset.add_argument("lesson", nargs="?", help="its number or name")
    commands.add_parser("test", help="run every test; what follows goes to pytest", add_help=False)
    commands.add_parser("build", help="build the notebooks of the lessons named, or of all", add_help=False)
    commands.add_parser("bench", help="measure what is fast; --quick takes a minute or two", add_help=False)
    options, rest = parser.parse_known_args(arguments or ["--help"])

    if options.command == "lab":
        if any(not option.startswith("-") for option in rest):
            parser.error(f"one lesson at a time, and options as --name=value: {' '.join(rest)}")
        open_lab(root, options.lesson, COMPLETE if options.complete else LEARNERS, rest)
    elif options.command == "reset":
        if rest:
            parser.error(f"reset takes one lesson, or none for all: {' '.join(rest)}")
        with one_at_a_time(root):
            reset_copies(root, options.lesson)
    elif options.command == "test":
        set_up(root, tools=True)
        hand_over(root, "pytest", *([] if names_tests(rest) else SPREAD), *rest)
    elif options.command == "build":
        set_up(root, tools=True)
        hand_over(root, "builder.build", *rest)
    elif options.command == "bench":
        set_up(root, tools=True)
        hand_over(root, "benchmarks", *rest)


# All tests are spread over the processor's cores, a file at a time. Many of them wait, so one worker more.
SPREAD = [f"--numprocesses={(os.cpu_count() or 1) + 1}", "--dist=loadfile", "--no-loadscope-reorder"]


def names_tests(arguments: list[str]) -> bool:
    """Whether some tests are chosen, by a path: they begin at once in one process."""
    return any(argument.startswith(("tests", "notebooks")) for argument in arguments)


def stop(message: str) -> NoReturn:
    """End the program with one sentence and exit status 1."""
    raise SystemExit(f"course.py: {message}")


def advice(problem: str) -> str:
    """What to do about a problem, and the words that tell; or else the problem's last words."""
    lines = problem.splitlines()
    for sign, remedy in REMEDIES.items():
        for line in lines:
            if sign in line:
                return f"{remedy}\n{line.strip()}"
    return "this is in the way:\n" + "\n".join(lines[-10:])


# --- The environment ---------------------------------------------------------------------------------


def set_up(root: Path, tools: bool = False) -> None:
    """Make .venv with the pinned packages, unless it is there and whole.

    tools: with what only tests, builds and benchmarks need, too. It is added when it is first asked for.
    """
    if is_ready(root, tools):
        return
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        stop("this Python cannot make environments; on Debian and Ubuntu: sudo apt install python3-venv")
    with one_at_a_time(root):
        if not is_made(root):
            print("Setting up .venv: half a minute or more, only this once.", flush=True)
            make(root)
        if tools and not has(root, "tools"):
            print("Adding what tests, builds and benchmarks need, only this once.", flush=True)
            install(root, TOOLS)
            note(root, "tools")
        if not has(root, "files"):
            tell("writing settings, listing fonts")
            finish(root)
            note(root, "files")


def tell(phase: str) -> None:
    """A line of progress."""
    print(f"  {phase} ...", flush=True)


def make(root: Path) -> None:
    """Make .venv anew, with the packages that a learner needs."""
    tell("making the environment")
    # venv would make pip, too, but would not tell why it cannot.
    require(root, [sys.executable, "-I", "-m", "venv", "--clear", "--without-pip", str(root / ".venv")])
    require(root, [venv_python(root), "-I", "-m", "ensurepip", "--default-pip"])
    install(root, PACKAGES)
    # It is as large as a tenth of all the rest, and is fetched again in seconds.
    require(root, [venv_python(root), "-m", "pip", "uninstall", "--yes", "uv"])
    note(root, "made")


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Inside the block, no other start of the course is in such a block; this one waits for its turn.

    A lock ends with the process that holds it and, but on Windows, with what that has started: what a killed
    start has left running is waited for, too.
    """
    with (root / ".course.lock").open("a") as file:
        os.set_inheritable(file.fileno(), True)
        if not lock(file):
            print("Another start sets things up: waiting for it.", flush=True)
            while not lock(file):
                time.sleep(0.1)
        yield


def lock(file: IO[str]) -> bool:
    """Lock a file; False if another process holds it. Where the disk knows no locks, nothing is locked."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def is_ready(root: Path, tools: bool = False) -> bool:
    """Whether .venv has what it should, with the tools if asked for, and still runs."""
    return is_made(root) and has(root, "files") and (has(root, "tools") or not tools)


def is_made(root: Path) -> bool:
    """Whether .venv was made to the end, from these pins, by this Python, in this folder, and still runs."""
    try:
        return has(root, "made") and not failure(root, [venv_python(root), "-c", ""])
    except OSError:
        return False


def has(root: Path, part: str) -> bool:
    """Whether a part of .venv, "made", "tools" or "files", is there as it would be made now."""
    return read_stamp(root).get(part) == stamp(root)[part]


def stamp(root: Path) -> dict[str, str]:
    """What the parts of an environment made now would be made from."""

    def digest(*texts: bytes) -> str:
        return hashlib.sha256(b"\0".join(texts)).hexdigest()

    pins = digest(*((root / name).read_bytes() for name in (UV, PACKAGES)))
    return {
        "made": json.dumps({"pins": pins, "python": sys.implementation.cache_tag, "folder": str(root)}),
        "tools": digest((root / TOOLS).read_bytes()),
        "files": digest(json.dumps(sorted(files(root).items())).encode()),
    }


def read_stamp(root: Path) -> dict[str, str]:
    """What the parts of .venv were made from; a part that was not made to the end is not in it."""
    try:
        found = json.loads(stamp_file(root).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note(root: Path, part: str) -> None:
    """Write down that a part of .venv is there. Nothing of what was there before is, if it was made anew."""
    before = {} if part == "made" else read_stamp(root)
    stamp_file(root).write_text(json.dumps({**before, part: stamp(root)[part]}), encoding="utf-8")


def stamp_file(root: Path) -> Path:
    return root / ".venv" / "course.json"


def venv_python(root: Path) -> str:
    return str(root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def install(root: Path, pins: str) -> None:
    """Install what a file pins: by uv, in seconds, or by pip where uv cannot do it."""
    python = venv_python(root)
    pinned = ["install", "--no-deps", "--require-hashes", "-r"]  # the files name all that is wanted
    tell("fetching the installer")
    problem = failure(root, [python, "-m", "pip", *pinned, str(root / UV)])
    tell("installing the packages")
    uv = [python, "-m", "uv", "pip", *pinned, str(root / pins), "--python", python]
    problem = problem or failure(root, uv)
    if not problem:
        return
    if any(sign in problem for sign, remedy in REMEDIES.items() if remedy in (OFFLINE, FULL)):
        stop(advice(problem))  # pip would find the same, later.
    print(f"{problem}\nuv does not get the packages here; pip does it, in some minutes.", flush=True)
    require(root, [python, "-m", "pip", *pinned, str(root / pins)])


def finish(root: Path) -> None:
    """Write the course's files into .venv, and let Matplotlib list the fonts."""
    for path, text in files(root).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    (root / ".venv" / "home").mkdir(exist_ok=True)
    require(root, [venv_python(root), "-c", "import matplotlib.font_manager"])


def files(root: Path) -> dict[str, str]:
    """What course.py writes into .venv: a path from the root folder, and the text.

    That is the course's folder, for Python's path, JupyterLab's settings, and how notebooks are exported.
    """
    packages = os.path.relpath(sysconfig.get_path("purelib", "venv", {"base": str(root / ".venv")}), root)
    templates = {"extra_template_basedirs": [str(root / "builder" / "templates")]}
    export = {"HTMLExporter": {"template_name": "course"}, "TemplateExporter": templates}
    return {
        # Relative, because a .pth file is read in an encoding that need not know every folder's name.
        os.path.join(packages, "course.pth"): os.path.relpath(root, root / packages) + "\n",
        ".venv/share/jupyter/lab/settings/overrides.json": json.dumps(SETTINGS),
        ".venv/etc/jupyter/jupyter_nbconvert_config.json": json.dumps(export),
    }


def require(root: Path, command: list[str]) -> None:
    """Run a command of the set-up; stop with what to do when it fails."""
    problem = failure(root, command)
    if problem:
        stop(advice(problem))


def failure(root: Path, command: list[str]) -> str:
    """Run a command quietly; an empty string if it succeeds, else what it said."""
    done = subprocess.run(
        command,
        env=environment(root),
        close_fds=False,  # The lock is theirs, too.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return "" if done.returncode == 0 else done.stdout.strip() or f"exit status {done.returncode}"


def environment(root: Path) -> dict[str, str]:
    """The caller's environment variables, made safe for what runs in .venv.

    Matplotlib keeps its list of fonts in .venv. Where the user's own folder cannot be written, what Jupyter,
    IPython and the installers keep there is in .venv, too.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
    if not home_can_be_written():
        kept["HOME"] = str(root / ".venv" / "home")
    return {
        **kept,
        "PIP_USER": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "MPLCONFIGDIR": str(root / ".venv" / "matplotlib"),
    }


def home_can_be_written() -> bool:
    try:
        with TemporaryFile(dir=Path.home()):
            return os.environ.get("HOME") != ""
    except (OSError, RuntimeError):  # The second: nobody knows where it is.
        return False


def hand_over(root: Path, module: str, *arguments: str) -> None:
    """Become `python -m module` in .venv and in the course's folder; this does not return."""
    command = [venv_python(root), "-m", module, *arguments]
    sys.stdout.flush()
    os.chdir(root)
    if os.name != "nt":
        os.execve(command[0], command, environment(root))
    process = subprocess.Popen(command, env=environment(root))
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:
            pass  # The process got the Ctrl-C too, and it decides.


# --- The learner's working copy ----------------------------------------------------------------------


def open_lab(root: Path, lesson: str | None, edition: Edition, options: list[str]) -> None:
    """Open the copy of a lesson in JupyterLab, which serves the course's folder."""
    name = find_lesson(root, lesson) if lesson else lessons(root)[0]
    with one_at_a_time(root):
        updates = copy_lessons(root, edition)
    for updated, changes in updates.items():
        short = updated.split("_")[0]
        print(
            f"{updated} was updated since you changed your copy, which stays as it is: "
            f"`python3 course.py reset {short}` gives a fresh copy and keeps yours."
        )
        for change in changes:
            print(f"  {change}")
    set_up(root)
    sign(root, edition)
    hand_over(
        root,
        "jupyterlab",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{edition.copies}/{name}.ipynb",
        # Tabs of other projects do not belong here.
        f"--LabApp.workspaces_dir={root / '.venv' / 'workspaces'}",
        *signatures(root),
        *options,
    )


def signatures(root: Path) -> list[str]:
    """The options that say where Jupyter keeps its key and the signatures of notebooks that it trusts."""
    folder = root / ".venv" / "signatures"
    return [
        f"--NotebookNotary.db_file={folder / 'signatures.db'}",
        f"--NotebookNotary.secret_file={folder / 'secret'}",
    ]


def sign(root: Path, edition: Edition) -> None:
    """Sign the copies that are as the course made them: what moves in them does so from the first look."""
    (root / ".venv" / "signatures").mkdir(exist_ok=True)
    untouched = []
    for name in lessons(root):
        original, copy = (root / folder / f"{name}.ipynb" for folder in edition)
        if copy.read_bytes() == original.read_bytes():
            untouched.append(str(copy))
    if not untouched:
        return
    if problem := failure(root, [venv_python(root), "-m", "nbformat.sign", *signatures(root), *untouched]):
        last = problem.splitlines()[-1]
        print(f"The copies could not be signed, so figures that move may stand still at first: {last}")


def lessons(root: Path) -> list[str]:
    """The names of the lessons' notebooks, in order; there is at least one."""
    folder = root / LEARNERS.notebooks
    names = sorted(path.stem for path in folder.glob("*.ipynb"))
    return names or stop(f"there is no notebook in {folder}; get the course anew.")


def find_lesson(root: Path, lesson: str) -> str:
    """The notebook's name for what a person types: 1, 1b, lesson1, 1_async_execution, with .ipynb or not."""
    wanted = Path(lesson).name.removesuffix(".ipynb").removeprefix("lesson")
    for name in lessons(root):
        if wanted in (name, name.split("_")[0]):
            return name
    stop(f"there is no lesson {lesson!r}; the lessons are: {', '.join(lessons(root))}")


def copy_lessons(root: Path, edition: Edition = LEARNERS) -> dict[str, list[str]]:
    """Bring the copies of an edition up to date, but never over a learner's edits.

    Returns the lessons that were updated while the learner's copy has edits, and what has changed in them.
    """
    record, updated = Record(root), {}
    (root / edition.copies).mkdir(parents=True, exist_ok=True)
    for name in lessons(root):
        original, copy = (root / folder / f"{name}.ipynb" for folder in edition)
        current = content(original)
        if record.content(copy) == current and copy.exists():
            continue
        if copy.exists() and content(copy) not in (record.content(copy), current):
            updated[name] = changes(root, name, record.version(copy))
            continue
        place(original, copy)
        record.note(copy, current)
    record.write()
    return updated


def reset_copies(root: Path, lesson: str | None) -> None:
    """Give fresh copies of one lesson or of all; what they replace moves to my_notebooks/kept/."""
    record, kept_copies = Record(root), root / LEARNERS.copies / "kept"
    kept_copies.mkdir(parents=True, exist_ok=True)
    for name in [find_lesson(root, lesson)] if lesson else lessons(root):
        original, copy = (root / folder / f"{name}.ipynb" for folder in LEARNERS)
        message = f"{name}: a fresh copy is in {LEARNERS.copies}/."
        if copy.exists() and copy.read_bytes() != original.read_bytes():
            names = (f"{name}.{date.today()}-{number}.ipynb" for number in count(1))
            kept = next(path for path in map(kept_copies.joinpath, names) if not path.exists())
            copy.rename(kept)
            message += f" Yours is kept as {LEARNERS.copies}/kept/{kept.name}."
        place(original, copy)
        record.note(copy, content(original))
        print(message)
    record.write()


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


class Record:
    """Which content and which version of the course each copy was made from; kept beside the copies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / LEARNERS.copies / ".course.json"
        try:
            entries = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            entries = {}
        # Before there were versions, an entry was the content only.
        self.entries = {
            name: {"content": entry} if isinstance(entry, str) else entry for name, entry in entries.items()
        }

    def content(self, copy: Path) -> str | None:
        return self.entries.get(self._name(copy), {}).get("content")

    def version(self, copy: Path) -> str | None:
        return self.entries.get(self._name(copy), {}).get("version")

    def note(self, copy: Path, content: str) -> None:
        self.entries[self._name(copy)] = {"content": content, "version": newest_version(self.root)}

    def write(self) -> None:
        text = json.dumps(self.entries, indent=1, sort_keys=True)
        self.file.write_text(text + "\n", encoding="utf-8")

    def _name(self, copy: Path) -> str:
        return copy.relative_to(self.file.parent).with_suffix("").as_posix()


# --- What has changed ----------------------------------------------------------------------------------


def changelog(root: Path) -> list[tuple[str, list[str]]]:
    """(version, what has changed in it) of each version in CHANGELOG.md, the newest first."""
    try:
        text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    except OSError:
        return []
    versions: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("## "):
            versions.append((line.split()[1], []))
        elif line.startswith("- ") and versions:
            versions[-1][1].append(line.removeprefix("- "))
    return versions


def newest_version(root: Path) -> str | None:
    return next((version for version, _ in changelog(root)), None)


def changes(root: Path, name: str, since: str | None) -> list[str]:
    """What the changelog says of a lesson since a version, the newest first; all of it if that is None."""
    number = name.split("_")[0]
    about = (f"Lesson {number}:" if number[0].isdigit() else f"{name.capitalize()}:", "All lessons:")
    newer = []
    for version, said in changelog(root):
        if version == since:
            break
        newer += [change for change in said if change.startswith(about)]
    return newer


if __name__ == "__main__":
    main(sys.argv[1:])
