"""Measure the benchmarks of some packages and print the report."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import page, report
from benchmarks.measure import FULL, QUICK, Figure, Places
from benchmarks.suites import SUITES, Suite, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["BASELINE", "main"]

BASELINE = Path(__file__).parent / "baseline.json"


def main(suites: Sequence[Suite] = SUITES, arguments: Sequence[str] | None = None) -> int:
    """Print the report; return 1 only if a ratio is worse than ``--check`` allows."""
    parser = _parser(suites)
    options = parser.parse_args(arguments)
    if options.quick and options.write_pages:
        parser.error("--write-pages is for figures, and --quick has none")
    if options.documents is not None and (options.documents < 1 or options.write_pages):
        parser.error("--documents is at least 1, and --write-pages is for the full number")
    wanted = options.only or [module for suite in suites for module in suite.modules]
    modules = list(dict.fromkeys(each for name in wanted for each in _named(suites, name)))
    figures = figures_of(modules)
    if options.read:
        result = report.Result.read(options.read)
    else:
        result = measure(modules, quick=options.quick, documents=options.documents)
    if options.json:
        result.write(options.json)
    for line in printed(result, figures):
        print(line)
    for line in page.write(suites, result) if options.write_pages else ():
        print(line)
    if options.write_baseline:
        known = json.loads(BASELINE.read_text(encoding="utf-8"))
        content = json.dumps(known | report.baseline(result, figures), indent=1)
        BASELINE.write_text(f"{content}\n", encoding="utf-8")
    return check(result, figures) if options.check else 0


def _named(suites: Sequence[Suite], name: str) -> Iterator[str]:
    for suite in suites:
        yield from suite.named(name)


def _parser(suites: Sequence[Suite]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [name for suite in suites for name in (*suite.names, *suite.modules)]
    parser.add_argument(
        "--only",
        action="append",
        choices=list(dict.fromkeys(names)),
        metavar="MODULE",
        help="measure this module, such as bulk_operations of all packages, or "
        "project_architect_db.bulk_operations (may be repeated)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one small run: does it work? (not: how fast is it?)"
    )
    parser.add_argument(
        "--documents",
        type=int,
        metavar="N",
        help=f"how many documents axai_pg is measured with, instead of {FULL.documents:,}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep what was measured")
    parser.add_argument("--read", type=Path, metavar="FILE", help="report on what was kept")
    parser.add_argument(
        "--write-pages",
        action="store_true",
        help="put the figures into the pages of docs/reference",
    )
    parser.add_argument(
        "--check", action="store_true", help="fail if a ratio is worse than the baseline by half"
    )
    parser.add_argument(
        "--write-baseline", action="store_true", help="make these ratios the baseline"
    )
    return parser


def measure(modules: Sequence[str], *, quick: bool, documents: int | None = None) -> report.Result:
    """Return whole runs of ``modules``, each in a new process."""
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    runs: dict[str, list[Places]] = {}
    count = (QUICK if quick else FULL).runs
    for number in range(1, count + 1):
        for module in modules:
            print(f"run {number} of {count}: {module}", file=sys.stderr, flush=True)
            for figure, places in whole_run(module, quick=quick, documents=documents).items():
                runs.setdefault(figure, []).append(places)
    return report.Result(report.environment(loop), runs)


def whole_run(module: str, *, quick: bool, documents: int | None = None) -> dict[str, Places]:
    """Return what one run of ``module`` in a process of its own has measured."""
    options = ["--quick"] if quick else []
    options += [] if documents is None else [f"--documents={documents}"]
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.whole_run", module, *options],
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Places] = json.loads(finished.stdout)
    return found


def printed(result: report.Result, figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield ", ".join(f"{name} {value}" for name, value in result.environment.items())
    yield ""
    shown: set[str] = set()
    for figure in result.chosen(figures):
        yield from report.details(result, figure, shown)
        yield ""
    yield from report.table(result, figures)
    yield ""
    yield "Values are hot / after 10 ms idle; the place that is judged comes first."
    yield ""
    yield from report.comparison(result, figures)
    yield ""
    yield report.summary(result, figures)


def check(result: report.Result, figures: Sequence[Figure]) -> int:
    """Print what is worse than in the baseline; return 1 if anything is."""
    known = json.loads(BASELINE.read_text(encoding="utf-8"))
    worse = list(report.regressions(result, figures, known))
    for line in worse:
        print(f"worse than the baseline: {line}")
    return 1 if worse else 0
