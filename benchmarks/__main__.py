"""`python3 course.py bench`: measure the rows that are named, or all; print the table, draw two figures."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks import calls, limits, memory, notebooks, recording, table, tasks, threads
from benchmarks.figures import draw_table
from benchmarks.measuring import FULL, QUICK, Line, Row, Scale

MODULES = tasks, threads, limits, calls, memory, recording, notebooks
ROWS = {row.name: row for module in MODULES for row in module.ROWS}


def main(arguments: Sequence[str], full: Scale = FULL, quick: Scale = QUICK) -> None:
    """Do what a command line asks for, at one of two scales."""
    options = parse(arguments)
    progress = Progress()
    scale = dataclasses.replace(quick if options.quick else full, tick=progress.tick)
    rows = [ROWS[name] for name in options.rows or ROWS]
    lines: dict[str, list[Line]] = {row.name: [] for row in rows}
    print(table.machine())
    if options.quick:
        print("A quick run: fewer rounds and smaller N, so that a verdict may differ from a full run's.")
    try:
        for row in rows:
            progress.start(row.name)
            print(f"\n{row.name}: {row.title}\n{table.text(table.HEAD)}", flush=True)
            for line in measured(row, scale):
                progress.clear()
                print(table.text(table.cells(line)), flush=True)
                lines[row.name].append(line)
            print(f"{time.monotonic() - progress.since:.0f} s")
            if causes := table.causes_of(row, lines[row.name]):
                print(f"Missed, because: {causes}")
    except KeyboardInterrupt:
        progress.clear()
        print("\nbench: stopped; nothing of it runs on.", file=sys.stderr)
        sys.exit(130)
    print(f"\n{table.summary(lines)}")
    written = table.markdown(rows, lines)
    figure = draw_table(lines, scale.results)
    (scale.results / "table.md").write_text(written, encoding="utf-8")
    print(f"Written: the table and its figure, {figure.with_suffix('')}.md and .png")
    if options.save:
        table.store(written)
        print(f"Stored in {table.README}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    listed = "\n".join(f"  {row.name:<10} {row.title}" for row in ROWS.values())
    parser = argparse.ArgumentParser(
        prog="course.py bench",
        description="Measure what is fast, as ratios of two sides that take turns in one run.",
        epilog=f"the rows:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="row", help="names of rows; without one, all are measured")
    parser.add_argument("--quick", action="store_true", help="a minute or so: fewer rounds, smaller N")
    parser.add_argument("--save", action="store_true", help="store the table in benchmarks/README.md, too")
    options = parser.parse_args(arguments)
    for name in options.rows:
        if name not in ROWS:
            parser.error(f"there is no row {name!r}; the rows are: {', '.join(ROWS)}")
    if options.save and (options.rows or options.quick):
        parser.error("--save stores a full run: leave out --quick and the names of rows")
    return options


def measured(row: Row, scale: Scale) -> Iterator[Line]:
    """The lines of a row; where it cannot go on, the last one says why."""
    try:
        yield from row.measure(scale)
    except (RuntimeError, OSError) as error:
        yield Line("the rest of this row", why=f"{type(error).__name__}: {error}")


class Progress:
    """Counts the samples of a row, on a line of the terminal that the next one replaces."""

    def start(self, row: str) -> None:
        self.row, self.samples, self.since = row, 0, time.monotonic()

    def tick(self) -> None:
        self.samples += 1
        if sys.stderr.isatty():
            told = f"{self.row}: {self.samples} samples in {time.monotonic() - self.since:.0f} s"
            print(f"\r\x1b[K{told}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
