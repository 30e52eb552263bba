"""What is read on threads: nothing is lost, and nothing goes on when nobody wants it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from project_architect_db.importers.ahead import read_ahead, read_beside

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.unit


async def test_items_come_in_order_by_so_many() -> None:
    assert [each async for each in read_ahead(iter(range(7)), 3)] == [[0, 1, 2], [3, 4, 5], [6]]


def pieces(begun: threading.Event, going_on: threading.Event, said: list[str]) -> Generator[bytes]:
    """Yield three pieces, the last two when they may come; say what becomes of them."""
    try:
        yield b"a"
        begun.set()
        going_on.wait()
        yield b"b"
        said.append("c")
        yield b"c"
    finally:
        said.append("closed")


def test_all_pieces_are_there_when_they_are_asked_for() -> None:
    begun, going_on = threading.Event(), threading.Event()
    said: list[str] = []
    with read_beside(pieces(begun, going_on, said)) as found:
        going_on.set()

        assert found() == b"abc"
    assert said == ["c", "closed"]


def test_what_nobody_asks_for_is_not_read_to_its_end() -> None:
    begun, going_on = threading.Event(), threading.Event()
    said: list[str] = []
    with pytest.raises(RuntimeError), read_beside(pieces(begun, going_on, said)):
        begun.wait()
        threading.Timer(0.05, going_on.set).start()  # once the block has been left
        raise RuntimeError
    assert said == ["closed"]


def test_what_fails_beside_fails_where_it_is_asked_for() -> None:
    def failing() -> Generator[bytes]:
        yield b"a"
        raise LookupError

    with read_beside(failing()) as found, pytest.raises(LookupError):
        found()
