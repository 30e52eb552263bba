"""Items of something that blocks, read on a thread: some while the last ones are stored."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

__all__ = ["read_ahead"]

T = TypeVar("T")


async def read_ahead(items: Iterator[T], size: int) -> AsyncGenerator[list[T], None]:
    """Yield items by so many, which are read on a thread: the next while one is stored."""

    def read() -> asyncio.Future[list[T]]:
        return asyncio.ensure_future(asyncio.to_thread(lambda: list(islice(items, size))))

    ahead = read()
    try:
        while piece := await asyncio.shield(ahead):
            ahead = read()
            yield piece
    finally:
        # A thread cannot be stopped: what it reads is waited for, and then thrown away.
        await asyncio.wait([ahead])
        ahead.cancelled() or ahead.exception()
