"""A task that is cancelled at a chosen point of its work: to try every point, one by one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

__all__ = ["CancelledAt"]


class CancelledAt:
    """Awaits a coroutine and cancels the task at the n-th point at which it is suspended."""

    def __init__(self, work: Coroutine[Any, Any, None], point: int, delay: float = 0) -> None:
        """Cancel at ``point``, counted from 1, or ``delay`` seconds after it was reached."""
        self.reached = False
        """Whether the work has come that far."""
        self._work, self._point, self._delay = work, point, delay

    def __await__(self) -> Generator[Any, Any, None]:
        """Pass on what the coroutine waits for."""
        steps, thrown, count = self._work.__await__(), None, 0
        while True:
            try:
                waited = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration:
                return
            count += 1
            if count == self._point:
                self._cancel()
            thrown = None
            try:
                yield waited
            except BaseException as error:  # noqa: BLE001  # it belongs to the coroutine
                thrown = error

    def _cancel(self) -> None:
        task: Any = asyncio.current_task()
        self.reached = True
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, task.cancel)
        else:
            task.cancel()
