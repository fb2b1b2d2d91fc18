"""mypy finds nothing. The modules of the finished library are short, and need nothing but Python."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    [
        ROOT / "lessons/lesson2_thread_pools/threads.py",
        ROOT / "lessons/lesson3_concurrency_limits/limits.py",
        *ROOT.glob("lessons/lesson[45]_*/*.py"),
    ]
)
LIBRARY = [path for path in MODULES if path.stem not in ("__init__", "exercises", "project_cases")]
FLAWED = """
from lessons import RunnableParallel
from lessons.lesson5_synchronization.racing import first_of


async def race(calls):
    return await first_of(calls, wanted=2)


def count(calls):
    return len(calls).bit_length(1)
"""
IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"helpers", "matplotlib", "IPython", "langchain_core"}))
"""


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Run mypy, with the settings in pyproject.toml; it writes nothing into the repository."""
    cache = tmp_path_factory.mktemp("mypy")
    return lambda *paths: python("-m", "mypy", "--cache-dir", str(cache), *map(str, paths))


def test_mypy_has_nothing_to_say(mypy):
    done = mypy(*LIBRARY, "helpers", "builder", "benchmarks")
    assert done.returncode == 0, done.stdout + done.stderr
    files = {
        *LIBRARY,
        *(path for name in ("helpers", "builder", "benchmarks") for path in ROOT.glob(f"{name}/**/*.py")),
    }
    looked_at = re.fullmatch(r"Success: no issues found in (\d+) source files\n", done.stdout)
    assert looked_at and int(looked_at[1]) >= len(files)


def test_mypy_looks_into_functions_without_annotations(mypy, tmp_path):
    flawed = tmp_path / "flawed.py"
    flawed.write_text(FLAWED, encoding="utf-8")
    done = mypy(flawed)
    assert done.returncode == 1, done.stderr
    assert 'Unexpected keyword argument "wanted" for "first_of"' in done.stdout
    assert 'Too many arguments for "bit_length"' in done.stdout
    assert "Found 2 errors in 1 file" in done.stdout


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_module_fits_on_a_screen_or_two(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_library_loads_nothing_that_draws_or_records():
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in LIBRARY]
    done = python("-c", IMPORTS, *names)
    assert done.stdout == "[]\n", done.stderr
