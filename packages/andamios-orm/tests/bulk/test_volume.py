"""Millions of rows in and out of a program that stays small, and is killed on the way."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from andamios_orm import Database

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.performance,
    pytest.mark.slow,
    pytest.mark.db,
    pytest.mark.skipif(sys.platform != "linux", reason="the child reads its memory from /proc"),
]

CHILD = Path(__file__).parent / "children" / "move_many_rows.py"
MB = 1_000_000


def _child(work: str, url: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), work, url, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _load_half(url: str, count: int) -> int:
    """Load until half of the rows are stored, then be killed; return the memory it took."""
    memory = 0
    with _child("load", url, count) as child:
        assert child.stdout is not None
        for line in child.stdout:
            stored, memory = map(int, line.split())
            if stored >= count // 2:
                break
        child.kill()
    return memory


def _run(work: str, url: str, count: int) -> list[int]:
    """Return the numbers of the last line that a child has printed."""
    with _child(work, url, count) as child:
        output, _ = child.communicate()
    assert child.returncode == 0
    return [int(number) for number in output.splitlines()[-1].split()]


@pytest.mark.timeout(7200)
async def test_millions_of_rows_go_in_and_out_in_little_memory(
    url: str, rounds: Callable[[int, int, int], int]
) -> None:
    count = rounds(20_000, 100_000, 5_000_000)

    until_killed = await asyncio.to_thread(_load_half, url, count)
    _, loading = await asyncio.to_thread(_run, "load", url, count)
    seen, total, streaming = await asyncio.to_thread(_run, "stream", url, count)

    async with Database(url) as database, database.session() as session:
        counted = await session.execute(
            text("SELECT count(*), count(DISTINCT number) FROM readings")
        )
    assert tuple(counted.one()) == (count, count)
    assert (seen, total) == (count, count * (count - 1) // 2)
    assert max(until_killed, loading) < 350 * MB
    assert streaming < 300 * MB
