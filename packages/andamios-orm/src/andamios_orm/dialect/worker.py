"""The thread that alone touches an async connection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Crew", "Worker"]

T = TypeVar("T")


class _Job(NamedTuple):
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[Any] | None


class Worker:
    """One thread that runs blocking calls in the order they were submitted.

    The thread starts with the first call and is a daemon: a query that still
    runs never keeps the interpreter from ending. Nothing of asyncio is kept
    between calls, so a worker outlives the loop that used it.
    """

    def __init__(self, name: str) -> None:
        """Give the thread-to-be a name."""
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.hops = 0

    def submit(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Return a future of ``function(*arguments)`` on the running loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self.hops += 1
        self._put(_Job(function, arguments, loop, future))
        return future

    def post(self, function: Callable[..., object], *arguments: Any) -> None:
        """Run ``function(*arguments)`` in its turn; nobody waits for the outcome."""
        self._put(_Job(function, arguments, None, None))

    def stop(self) -> None:
        """End the thread when what was submitted before is done."""
        if self._thread is not None:
            self._jobs.put(None)

    def leave(self, patience: float) -> bool:
        """End the thread like ``stop`` and say whether it has, in ``patience`` seconds.

        The thread itself is not waited for where it asks.
        """
        self.stop()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(patience)
        return not thread.is_alive()

    def _put(self, job: _Job) -> None:
        self._jobs.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        jobs = self._jobs
        while (job := jobs.get()) is not None:
            try:
                answer, failure = job.function(*job.arguments), None
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                answer, failure = None, error
            if job.future is not None and job.loop is not None:
                _deliver(job.loop, job.future, answer, failure)
            del job, answer, failure


class Crew:
    """Workers whose connection was closed, kept for the next one.

    A thread is dear to start, on the loop's own time, and costs nothing to keep:
    a burst of connections beyond the pool's size would start its threads anew
    each time.
    """

    def __init__(self, most: int = 64) -> None:
        """Keep at most ``most`` of them."""
        self._most = most
        self._resting: deque[Worker] = deque()
        self._hired: WeakSet[Worker] = WeakSet()
        self._dismissed = False

    def __len__(self) -> int:
        """Return how many are resting."""
        return len(self._resting)

    def hire(self) -> Worker:
        """Return a worker that nobody uses."""
        try:
            return self._resting.pop()
        except IndexError:
            worker = Worker("andamios-duckdb")
            self._hired.add(worker)
            return worker

    def rest(self, worker: Worker) -> None:
        """Take back a worker; what was posted to it is still done."""
        if self._dismissed or len(self._resting) >= self._most:
            worker.stop()
        else:
            self._resting.append(worker)

    def dismiss(self) -> None:
        """End all threads, also of those that come back later."""
        self._dismissed = True
        while self._resting:
            self._resting.pop().stop()

    def leave(self, patience: float) -> bool:
        """End all threads, at work or not, and say whether they have, in ``patience`` seconds."""
        deadline = time.monotonic() + patience
        gone = [worker.leave(max(0.0, deadline - time.monotonic())) for worker in list(self._hired)]
        return all(gone)


def _deliver(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Any],
    answer: Any,
    failure: BaseException | None,
) -> None:
    try:
        loop.call_soon_threadsafe(_settle, future, answer, failure)
    except RuntimeError:
        return  # the loop was closed while the call ran; nobody waits any more


def _settle(future: asyncio.Future[Any], answer: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(answer)
    else:
        future.set_exception(failure)
