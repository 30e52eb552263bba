"""Run SQLAlchemy's dialect compliance suite, and write what came out of it.

``python scripts/compliance.py [--write] [PYTHON ...]`` runs it with each Python named (this
one, if none is): async and sync, in memory and on a file. ``--write`` writes the reference
page, which a test compares with a new run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "packages" / "andamios-orm"
SUITE = PACKAGE / "tests" / "compliance"
PAGE = ROOT / "docs" / "reference" / "compliance.md"

DRIVERS = {"async": "duckdb+andamios_async", "sync": "duckdb+andamios"}
PLACES = ("memory", "file")
# What duckdb-sqlalchemy passes on the same versions, with overrides of its own.
FLOORS = {"2.0": 1347, "2.1": 1545}
# pytest's own plugins and those of SQLAlchemy and of this suite: nothing else has a say.
PLUGINS = ("sqlalchemy.testing.plugin.pytestplugin", "tests.compliance.plugin")

_LIMIT = re.compile(r"\[([a-z-]+)\]$")


@dataclass(frozen=True)
class Run:
    """What became of each test in one run."""

    version: str
    api: str
    place: str
    outcomes: dict[str, tuple[str, str]]
    deselected: list[str]

    @property
    def counts(self) -> Counter[str]:
        """How many tests passed, failed, broke or were skipped."""
        return Counter(outcome for outcome, _ in self.outcomes.values())

    @property
    def skips(self) -> Counter[tuple[str, str]]:
        """How many variants of each test were skipped, and for which limit."""
        return Counter(
            (name.partition("[")[0], limit_of(reason))
            for name, (outcome, reason) in self.outcomes.items()
            if outcome == "skipped"
        )

    @property
    def faults(self) -> list[str]:
        """Why the run is not good enough, if it is not."""
        counts = self.counts
        faults = [
            f"{outcome}: {name}: {reason}"
            for name, (outcome, reason) in self.outcomes.items()
            if outcome in {"failed", "error"}
        ]
        faults += [f"deselected: {name}" for name in self.deselected]
        faults += [f"skipped without a limit: {test}" for test, limit in self.skips if not limit]
        floor = FLOORS[self.version.rpartition(".")[0]]
        if counts["passed"] < floor:
            faults.append(f"{counts['passed']} passed, fewer than {floor}")
        return faults

    @property
    def row(self) -> str:
        """Return the run as a row of the table."""
        numbers = [self.counts[kind] for kind in ("passed", "failed", "error", "skipped")]
        cells = [self.version, self.api, self.place, *numbers, len(self.deselected)]
        return f"| {' | '.join(map(str, cells))} |"


def limit_of(reason: str) -> str:
    """Return the name of the limit in the reason of a skip, or nothing."""
    found = _LIMIT.search(reason)
    return found.group(1) if found else ""


def run(python: str, api: str, place: str) -> Run:
    """Return what the suite does with one API in one place, run by ``python``."""
    with tempfile.TemporaryDirectory() as folder:
        database = ":memory:compliance" if place == "memory" else f"{folder}/compliance.duckdb"
        report = Path(folder) / "report.json"
        command = [python, "-m", "pytest", "-c", "setup.cfg", "--rootdir", ".", "-qq"]
        command += ["-p", "no:cacheprovider", "--tb", "no", "--report", str(report)]
        command += [word for plugin in PLUGINS for word in ("-p", plugin)]
        command += ["--dburi", f"{DRIVERS[api]}:///{database}", "suite.py"]
        own = {
            **{name: value for name, value in os.environ.items() if name[:6] != "PYTEST"},
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": f"{PACKAGE / 'src'}{os.pathsep}{PACKAGE}",
        }
        finished = subprocess.run(
            command, cwd=SUITE, env=own, capture_output=True, text=True, check=False
        )
        if not report.exists():
            raise RuntimeError(f"the suite did not run:\n{finished.stdout}\n{finished.stderr}")
        content = json.loads(report.read_text(encoding="utf-8"))
    outcomes = {name: (outcome, reason) for name, (outcome, reason) in content["outcomes"].items()}
    return Run(content["version"], api, place, outcomes, content["deselected"])


def limits() -> tuple[Any, ...]:
    """Return what DuckDB does otherwise."""
    return tuple(runpy.run_path(str(SUITE / "limits.py"), run_name="limits")["LIMITS"])


def page(runs: list[Run]) -> str:
    """Return the reference page."""
    versions = sorted({run.version for run in runs})
    skips = {run.version: run.skips for run in runs}
    parts = [
        _INTRODUCTION.format(floors=" and ".join(f"{n} on {v}" for v, n in FLOORS.items())),
        "| SQLAlchemy | API | database | passed | failed | errors | skipped | deselected |",
        "|---|---|---|---|---|---|---|---|",
        *(run.row for run in runs),
        _LIMITS,
        "| limit | what it is | the statement that shows it | what follows for the suite |",
        "|---|---|---|---|",
        *(limit_row(limit) for limit in limits()),
        _SKIPS,
        f"| test | limit | {' | '.join(versions)} |",
        f"|---|---|{'---|' * len(versions)}",
    ]
    for test, limit in sorted(set().union(*skips.values())):
        numbers = " | ".join(str(skips[version][test, limit]) for version in versions)
        parts.append(f"| `{test}` | {limit} | {numbers} |")
    return "\n".join(parts) + "\n"


_INTRODUCTION = """\
# SQLAlchemy's compliance suite

<!-- Written by `make compliance ARGS=--write`; a test compares it with a new run. -->

SQLAlchemy publishes the tests that it holds its own dialects to. `make compliance` runs them
against this dialect as it is by default: hardened, with the write gate, with physical foreign
keys. The bound is what duckdb-sqlalchemy passes with overrides of its own: {floors}.
"""
_LIMITS = """
## What DuckDB does otherwise

Each statement is run by a test, so that a limit that is gone is noticed. Where a test of the
suite can be adapted without losing what it proves, it is; the others are skipped.

`ServerSideCursorsTest` is adapted as well: the suite tells a streaming cursor by the name of
its driver, and ours is not on its list.
"""
_SKIPS = """
## What is skipped

The number of variants skipped on each version of SQLAlchemy; 0 where the version has no such
test. Tests that SQLAlchemy leaves out in silence, because a requirement of their class is
closed, are counted.
"""


def limit_row(limit: Any) -> str:
    """Return a limit as a row of the table."""
    shows = limit.rows if limit.error is None else limit.error
    follows = [
        f"{verb} {', '.join(f'`{name}`' for name in names)}"
        for verb, names in (
            ("closes", limit.requirements),
            ("skips", limit.tests),
            ("adapts", limit.adapts),
        )
        if names
    ]
    cells = (limit.name, limit.says, f"`{'; '.join(limit.sql)}` → `{shows}`", "; ".join(follows))
    return f"| {' | '.join(cells)} |"


def published() -> tuple[set[str], dict[str, Counter[tuple[str, str]]]]:
    """Return the rows of runs on the page, and the skips of each version."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = {line for line in lines if re.match(r"\| \d", line)}
    header = next(line for line in lines if line.startswith("| test |"))
    versions = [cell.strip() for cell in header.split("|")[3:-1]]
    skips: dict[str, Counter[tuple[str, str]]] = {version: Counter() for version in versions}
    for line in lines:
        if line.startswith("| `"):
            test, limit, *numbers = (cell.strip(" `") for cell in line.split("|")[1:-1])
            for version, number in zip(versions, numbers, strict=True):
                if number != "0":
                    skips[version][test, limit] = int(number)
    return rows, skips


def main() -> int:
    """Run the suite and return 1 if any run is not good enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the reference page")
    parser.add_argument("python", nargs="*", default=[sys.executable])
    arguments = parser.parse_args()
    pythons = [str(Path(python).absolute()) for python in arguments.python]
    faulty = False
    runs = []
    with ThreadPoolExecutor(2) as threads:
        for finished in threads.map(lambda wanted: run(*wanted), product(pythons, DRIVERS, PLACES)):
            runs.append(finished)
            print(finished.row, flush=True)
            for fault in finished.faults:
                print(f"    {fault}")
                faulty = True
    if arguments.write and not faulty:
        PAGE.write_text(page(sorted(runs, key=lambda each: each.row)), encoding="utf-8")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
