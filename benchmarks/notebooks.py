"""How long the tests of the notebooks take, against as many notebooks of one trivial cell."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from nbformat.v4 import new_code_cell, new_notebook, new_output, writes

from benchmarks.measuring import Line, Row, Scale, alternate, at_most, ratios, sides

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
PATIENCE = 20  # seconds that pytest gets after Ctrl-C to end its kernels


def trivial_notebook() -> str:
    output = new_output("execute_result", {"text/plain": "2"}, execution_count=1)
    cell = new_code_cell("1 + 1", execution_count=1, outputs=[output])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return writes(new_notebook(cells=[cell], metadata={"kernelspec": kernel}))


def seconds_to_test(notebooks: list[Path], log: Path) -> float:
    """The seconds that pytest takes for some notebooks. Raises RuntimeError if a test fails."""
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]
    command = [sys.executable, "-m", "pytest", *options, *map(str, notebooks)]
    start = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        status = process.wait()
    except KeyboardInterrupt:  # which pytest has been sent, too
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
        raise
    if status:
        last_line = log.read_text(errors="replace").strip().splitlines()[-1]
        raise RuntimeError(f"the tests of the notebooks fail: {last_line}")
    return time.perf_counter() - start


def suite_against_trivial(scale: Scale) -> Iterator[Line]:
    suite = sorted(NOTEBOOKS.glob("*.ipynb"))[: scale.notebooks]
    what = f"the notebooks of the course / trivial ones, {len(suite)} each"
    with TemporaryDirectory() as folder:
        trivial = [Path(folder) / path.name for path in suite]
        for path in trivial:
            path.write_text(trivial_notebook(), encoding="utf-8")
        measure = (partial(seconds_to_test, each, Path(folder) / "log") for each in (suite, trivial))
        try:
            one, other = alternate(scale, scale.rare, *measure, warm_up=False)
        except RuntimeError as error:
            yield Line(what, goal=at_most(3), why=str(error))
        else:
            yield Line(what, ratios(one, other), at_most(3), sides(one, other))


ROWS = [
    Row(
        "notebooks",
        "the tests of all notebooks against as many trivial ones",
        suite_against_trivial,
        "about half of the time the notebooks wait (38 s of CPU time in 70 s): the sleeps and the calls of "
        "the simulated service are real, for they are what the lessons show.",
    )
]
