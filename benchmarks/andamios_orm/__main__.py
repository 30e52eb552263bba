"""Measure everything and print the report."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.andamios_orm import report
from benchmarks.andamios_orm.measure import FULL, QUICK, Figure, Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODULES = (
    "query_performance",
    "connection_benchmarks",
    "repository_operations",
    "cached_reads",
    "bulk_operations",
    "isolation",
    "peers",
    "concurrent_access",
    "memory_usage",
)
BASELINE = Path(__file__).parent.parent / "baseline.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; return 1 only if a ratio is worse than ``--check`` allows."""
    options = _parser().parse_args(arguments)
    modules = options.only or list(MODULES)
    figures = figures_of(modules)
    if options.read:
        result = report.Result.read(options.read)
    else:
        result = measure(modules, quick=options.quick)
    if options.json:
        result.write(options.json)
    for line in printed(result, figures):
        print(line)
    if options.write_baseline:
        known = json.loads(BASELINE.read_text(encoding="utf-8"))
        content = json.dumps(known | report.baseline(result, figures), indent=1)
        BASELINE.write_text(f"{content}\n", encoding="utf-8")
    return check(result, figures) if options.check else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.andamios_orm", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=MODULES, help="measure this module (may be repeated)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one small run: does it work? (not: how fast is it?)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep what was measured")
    parser.add_argument("--read", type=Path, metavar="FILE", help="report on what was kept")
    parser.add_argument(
        "--check", action="store_true", help="fail if a ratio is worse than the baseline by half"
    )
    parser.add_argument(
        "--write-baseline", action="store_true", help="make these ratios the baseline"
    )
    return parser


def measure(modules: Sequence[str], *, quick: bool) -> report.Result:
    """Return whole runs of ``modules``, each in a new process."""
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    runs: dict[str, list[Places]] = {}
    count = (QUICK if quick else FULL).runs
    for number in range(1, count + 1):
        for module in modules:
            print(f"run {number} of {count}: {module}", file=sys.stderr, flush=True)
            for figure, places in whole_run(module, quick=quick).items():
                runs.setdefault(figure, []).append(places)
    return report.Result(report.environment(loop), runs)


def whole_run(module: str, *, quick: bool) -> dict[str, Places]:
    """Return what one run of ``module`` in a process of its own has measured."""
    size = "quick" if quick else "full"
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.andamios_orm.whole_run", module, size],
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


def figures_of(modules: Sequence[str]) -> list[Figure]:
    """Return the figures of ``modules``, in their order."""
    found = (importlib.import_module(f"benchmarks.andamios_orm.{module}") for module in modules)
    return [figure for module in found for figure in module.FIGURES]


if __name__ == "__main__":
    sys.exit(main())
