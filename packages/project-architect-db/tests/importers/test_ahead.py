"""What is read on threads: nothing is lost, and nothing goes on when nobody wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from project_architect_db.importers.ahead import read_ahead, read_beside

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.unit


async def test_items_come_in_order_by_so_many() -> None:
    assert [each async for each in read_ahead(iter(range(7)), 3)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_all_pieces_are_there_when_they_are_asked_for() -> None:
    with read_beside(each for each in (b"a", b"b", b"c")) as found:
        assert found() == b"abc"


def test_what_nobody_asks_for_is_not_read_to_its_end() -> None:
    said: list[str] = []

    def endless() -> Generator[bytes]:
        try:
            while True:
                yield b"a"
        finally:
            said.append("closed")

    with pytest.raises(RuntimeError), read_beside(endless()):
        raise RuntimeError
    assert said == ["closed"]


def test_what_fails_beside_fails_where_it_is_asked_for() -> None:
    def failing() -> Generator[bytes]:
        yield b"a"
        raise LookupError

    with read_beside(failing()) as found, pytest.raises(LookupError):
        found()
