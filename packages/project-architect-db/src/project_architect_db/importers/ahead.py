"""What blocks, read on a thread: while the last items are stored, or beside something else."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice, takewhile
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

__all__ = ["read_ahead", "read_beside"]

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


@contextmanager
def read_beside(pieces: Generator[bytes]) -> Iterator[Callable[[], bytes]]:
    """Yield a function that waits for all of ``pieces``, which a thread reads from now on.

    What is still to come at the end of the block is not read.
    """
    over = threading.Event()

    def read() -> bytes:
        with closing(pieces):
            return b"".join(takewhile(lambda _piece: not over.is_set(), pieces))

    with ThreadPoolExecutor(1, "beside") as thread:
        reading = thread.submit(read)
        try:
            yield reading.result
        finally:
            over.set()
