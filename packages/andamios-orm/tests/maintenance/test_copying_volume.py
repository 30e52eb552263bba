"""Many rows to PostgreSQL and back, by programs that are killed on the way."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.db]

CHILD = Path(__file__).parent / "children" / "copy_many_rows.py"
ROWS = """
    CREATE TABLE reading (id BIGINT PRIMARY KEY, sensor VARCHAR NOT NULL, taken TIMESTAMPTZ,
        value DOUBLE, cost DECIMAL(12, 3), note JSON, key UUID);
    CREATE INDEX ix_sensor ON reading (sensor);
    INSERT INTO reading SELECT i, 'sensor ' || i % 97, '2026-01-01'::TIMESTAMPTZ + to_seconds(i),
        CASE WHEN i % 7 > 0 THEN sin(i) END, i % 1000 / 8, json_object('n', i),
        md5(i::VARCHAR)::UUID
    FROM range(?) AS _(i)
"""


def contents(path: Path) -> list[tuple[object, ...]]:
    """Return what DuckDB itself says of the rows of a file."""
    with duckdb.connect(str(path), read_only=True) as raw:
        return raw.execute(
            "SELECT count(*), sum(hash(reading)::HUGEINT), bit_xor(hash(reading)) FROM reading"
        ).fetchall()


def run_until(source: str, target: str, part: float) -> int:
    """Copy, to be killed after a part of it or never; return what an earlier run had copied."""
    command = [sys.executable, str(CHILD), source, target]
    last = "0"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            done, _, total = line.partition(" ")
            if total and int(done) >= part * int(total):
                child.kill()
            last = line
    assert child.returncode == (0 if part > 1 else -9)
    return int(last.split()[0])


@pytest.mark.timeout(1800)
async def test_many_rows_come_back_as_they_were(
    postgres_url: str, tmp_path: Path, rounds: Callable[[int, int, int], int]
) -> None:
    count = rounds(20_000, 100_000, 1_000_000)
    files = [tmp_path / name for name in ("one.duckdb", "two.duckdb")]
    with duckdb.connect(str(files[0])) as raw:
        raw.execute(ROWS, [count])
    one, two = (f"duckdb:///{path}" for path in files)

    await asyncio.to_thread(run_until, one, postgres_url, 0.2)
    resumed = await asyncio.to_thread(run_until, one, postgres_url, 2)
    await asyncio.to_thread(run_until, postgres_url, two, 0.3)
    resumed_back = await asyncio.to_thread(run_until, postgres_url, two, 2)

    assert 0.4 * count <= resumed <= count
    assert 0.6 * count <= resumed_back <= count
    assert contents(files[1]) == contents(files[0])
    assert contents(files[1])[0][0] == count
