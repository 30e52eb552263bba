"""Reading a clone with a long history: what it costs, and that nothing is missing."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.importers.make_clone import git, make_clone

from project_architect_db.importers import read_clone

pytestmark = [
    pytest.mark.performance,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the child reads its memory from /proc"),
]

COMMITS = 15_000
READ = """
import json, sys, time
from pathlib import Path
from project_architect_db.importers import read_clone

start = time.perf_counter()
reading = read_clone(Path(sys.argv[1]), since=sys.argv[2] or None)
messages = sum(len(each.messages) for each in reading.conversations())
versions = sum(1 for _ in reading.documents())
seconds = time.perf_counter() - start
# getrusage() tells the memory of the parent as well.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "seconds": seconds,
    "resident": int(status["VmHWM"].split()[0]) * 1024,
    "messages": messages,
    "versions": versions,
    "contributors": len(reading.activity.contributors),
    "cursor": reading.cursor,
}))
"""
IMPORT = """
import json, sys, time
from pathlib import Path
from andamios_orm import run
from project_architect_db.core.engine import DatabaseEngine
from project_architect_db.importers import import_clone

async def work():
    seconds = []
    async with DatabaseEngine(f"duckdb:///{sys.argv[2]}") as database:
        await database.initialize()
        for _ in range(2):
            start = time.perf_counter()
            report = await import_clone(database, Path(sys.argv[1]))
            seconds.append((time.perf_counter() - start, report.messages, report.versions))
    return seconds

imports = run(work())
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "imports": imports, "resident": int(status["VmHWM"].split()[0]) * 1024,
}))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clone(tmp_path_factory.mktemp("large") / "clone", commits=COMMITS)


def apart(code: str, *arguments: object) -> dict[str, Any]:
    """Return what a process of its own says about a clone."""
    said = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], check=True, capture_output=True
    )
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def seconds_of_git(folder: Path) -> float:
    start = time.perf_counter()
    git(folder, "log", "--raw", "--numstat", "HEAD", "--tags")
    return time.perf_counter() - start


def test_a_long_history_is_read_completely_and_in_bounded_memory(
    large: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = seconds_of_git(large)

    first = apart(READ, large, "")
    again = apart(READ, large, first["cursor"])

    with capsys.disabled():
        sys.stdout.write(
            f"\n{COMMITS} commits: git log {plain:.2f} s, read {first['seconds']:.2f} s, "
            f"again {again['seconds']:.2f} s, {first['resident'] >> 20} MiB\n"
        )
    emails = git(large, "log", "--format=%aE", "HEAD", "--tags").decode().lower().split()
    assert first["messages"] == COMMITS
    assert first["contributors"] == len(set(emails))
    assert first["versions"] > COMMITS // 4
    assert first["resident"] < 400 << 20
    assert (again["messages"], again["versions"]) == (0, 0)


def test_a_long_history_is_imported_once_and_in_bounded_memory(
    large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = seconds_of_git(large)

    found = apart(IMPORT, large, tmp_path / "imported.duckdb")

    (first, *stored), (again, *new) = found["imports"]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{COMMITS} commits: import {first:.2f} s, {first / plain:.2f} times git log, "
            f"again {again:.2f} s, {found['resident'] >> 20} MiB\n"
        )
    assert stored[0] == COMMITS
    assert stored[1] > COMMITS // 4
    assert new == [0, 0]
    assert found["resident"] < 400 << 20


def test_files_and_lines_of_a_long_history_are_those_of_git(large: Path) -> None:
    said = git(large, "log", "--format=", "--numstat", "HEAD", "--tags").splitlines()
    counted = [line.split(b"\t") for line in said if line]

    days = (reading := read_clone(large)).activity.days
    files = sum(len(each.files) for each in reading.commits())

    assert files == len(counted)
    assert sum(day.added for day in days) == sum(int(a) for a, *_ in counted if a != b"-")
    assert sum(day.removed for day in days) == sum(int(r) for _, r, _ in counted if r != b"-")
    assert sum(day.commits for day in days) == COMMITS
