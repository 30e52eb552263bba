"""The write gate: one write transaction at a time per database, in the order of asking.

DuckDB loses one of two overlapping updates of a row when one is made in place
and the other by delete and insert. Writers that never overlap cannot lose
anything, so a transaction takes the gate at its first write and keeps it until
it has ended. Readers never come here.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from andamios_orm.exceptions import WriteDeadlock, WriteGateTimeout

if TYPE_CHECKING:
    import asyncio

__all__ = ["Owner", "Slots", "Ticket", "WaitGraph", "WriteGate"]


@dataclass(frozen=True, slots=True, eq=False)
class Owner:
    """Who waits for the gate or holds it: an asyncio task, or a thread without one."""

    key: Any
    thread: int
    is_task: bool

    @classmethod
    def of_task(cls, task: asyncio.Task[Any] | None) -> Owner:
        """Return the owner for work awaited in ``task`` on the current thread."""
        return cls(task or object(), threading.get_ident(), is_task=task is not None)

    @classmethod
    def of_thread(cls) -> Owner:
        """Return the owner for work that blocks the current thread."""
        return cls(threading.current_thread(), threading.get_ident(), is_task=False)

    @property
    def name(self) -> str:
        """What to call it in a message."""
        if self.is_task:
            return f"task {self.key.get_name()!r}"
        return f"thread {getattr(self.key, 'name', 'unknown')!r}"


@dataclass(slots=True, eq=False)
class Ticket:
    """One transaction's place at the gate."""

    owner: Owner
    last_statement: str = ""
    since: float = 0.0
    withdrawn: bool = False
    leaving: bool = False
    _signal: Any = field(default_factory=threading.Lock)

    @property
    def age(self) -> float:
        """How long the gate has been held, in seconds."""
        return time.monotonic() - self.since if self.since else 0.0


class Withdrawn(Exception):
    """The statement was given up while it waited."""


class WaitGraph:
    """Which owner waits for which gate; one for all gates, so that circles are seen."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self.lock = threading.Lock()
        self.waiting: dict[Any, WriteGate] = {}


class WriteGate:
    """A fair lock whose holder can be named, and that refuses to wait for itself."""

    def __init__(self, graph: WaitGraph, database: str) -> None:
        """Guard ``database`` (a name for messages)."""
        self._graph = graph
        self._database = database
        self._holder: Ticket | None = None
        self._queue: deque[Ticket] = deque()

    @property
    def holder(self) -> Ticket | None:
        """The ticket inside, if any."""
        return self._holder

    @property
    def waiting(self) -> int:
        """How many tickets wait."""
        return len(self._queue)

    def acquire(self, ticket: Ticket, timeout: float | None) -> None:
        """Return when ``ticket`` holds the gate; block the calling thread until then.

        Raises:
            WriteDeadlock: it would wait for itself.
            WriteGateTimeout: it did not come in within ``timeout`` seconds.
            Withdrawn: it was given up meanwhile.
        """
        with self._graph.lock:
            if ticket.withdrawn:
                raise Withdrawn
            if self._holder is None:
                self._enter(ticket)
                return
            self._refuse_circle(ticket)
            ticket._signal.acquire()  # noqa: SLF001 - taken, so that the next acquire waits
            self._queue.append(ticket)
            self._graph.waiting[ticket.owner.key] = self
        try:
            ticket._signal.acquire(timeout=-1 if timeout is None else timeout)  # noqa: SLF001
        except BaseException:  # Ctrl-C, or a signal handler that raises
            self._leave(ticket)
            raise
        self._come_in(ticket, timeout)

    def _come_in(self, ticket: Ticket, timeout: float | None) -> None:
        """Settle how the wait of ``ticket`` has ended."""
        with self._graph.lock:
            if self._graph.waiting.get(ticket.owner.key) is self:
                del self._graph.waiting[ticket.owner.key]
            if self._holder is ticket:
                if not ticket.withdrawn:
                    return
                self._pass_on()
                raise Withdrawn
            self._queue.remove(ticket)
            if ticket.withdrawn:
                raise Withdrawn
            raise self._timed_out(timeout)

    def release(self, ticket: Ticket) -> None:
        """Let the next one in, if ``ticket`` is inside."""
        with self._graph.lock:
            if self._holder is ticket:
                self._pass_on()

    def withdraw(self, ticket: Ticket) -> None:
        """Give up a place in the queue: the waiting ``acquire`` raises at once."""
        with self._graph.lock:
            ticket.withdrawn = True
            if ticket in self._queue and ticket._signal.locked():  # noqa: SLF001
                ticket._signal.release()  # noqa: SLF001

    def _leave(self, ticket: Ticket) -> None:
        """Take ``ticket`` out, wherever it is by now."""
        with self._graph.lock:
            self._graph.waiting.pop(ticket.owner.key, None)
            if self._holder is ticket:
                self._pass_on()
            else:
                self._queue.remove(ticket)

    def _enter(self, ticket: Ticket) -> None:
        ticket.since = time.monotonic()
        self._holder = ticket

    def _pass_on(self) -> None:
        self._holder = None
        if self._queue:
            following = self._queue.popleft()
            self._enter(following)
            if following._signal.locked():  # noqa: SLF001
                following._signal.release()  # noqa: SLF001

    def _refuse_circle(self, ticket: Ticket) -> None:
        """Raise if ``ticket`` would, through any chain of holders, wait for itself."""
        gate: WriteGate | None = self
        seen: set[int] = set()
        while gate is not None and gate._holder is not None and id(gate) not in seen:  # noqa: SLF001
            seen.add(id(gate))
            holder = gate._holder  # noqa: SLF001
            if holder.owner.key is ticket.owner.key and not holder.leaving:
                raise WriteDeadlock(self._itself(ticket, holder, direct=gate is self))
            gate = self._graph.waiting.get(holder.owner.key)
        if not ticket.owner.is_task:
            self._refuse_frozen_loop(ticket)

    def _refuse_frozen_loop(self, ticket: Ticket) -> None:
        """Raise if a blocking wait would stop the loop that the others need to finish."""
        for other in (self._holder, *self._queue):
            if (
                other is not None
                and other.owner.is_task
                and other.owner.thread == ticket.owner.thread
            ):
                raise WriteDeadlock(
                    f"a blocking write to {self._database} on the event loop's own thread would "
                    f"wait for {other.owner.name}, which needs that loop to finish: use the async "
                    f"engine here, or run the blocking write in a thread (asyncio.to_thread)"
                )

    def _itself(self, ticket: Ticket, holder: Ticket, *, direct: bool) -> str:
        if direct:
            return (
                f"{ticket.owner.name} already has a write transaction open on {self._database} "
                f"(last statement: {_short(holder.last_statement)}) and would wait for itself: "
                f"commit it first, or write through the same session"
            )
        return (
            f"{ticket.owner.name} and {(self._holder or holder).owner.name} would wait for each "
            f"other's databases: write to several databases in the same order everywhere"
        )

    def _timed_out(self, timeout: float | None) -> WriteGateTimeout:
        holder = self._holder
        who = holder.owner.name if holder else "nobody"
        age = holder.age if holder else 0.0
        last = holder.last_statement if holder else ""
        return WriteGateTimeout(
            f"no write to {self._database} within {timeout:g} s: {who} has had a write transaction "
            f"open for {age:.1f} s (last statement: {_short(last)}). Commit sooner, keep slow work "
            f"out of the transaction, or raise write_timeout",
            holder=who,
            age=age,
            last_statement=last,
        )


_SHOWN = 120


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}…"


class Slots:
    """A fair bound on the statements that run at once.

    Waiting is bounded too: after ``patience`` seconds a statement runs without
    a slot, so that a few long queries cannot hold up all the short ones.
    """

    def __init__(self, count: int, *, patience: float = 0.1) -> None:
        """Let ``count`` statements run at a time."""
        self._free = count
        self._patience = patience
        self._lock = threading.Lock()
        self._queue: deque[Any] = deque()

    def acquire(self) -> bool:
        """Return True with a slot, or False when patience ran out."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            signal = threading.Lock()
            signal.acquire()
            self._queue.append(signal)
        try:
            if signal.acquire(timeout=self._patience):
                return True
        except BaseException:  # Ctrl-C, or a signal handler that raises
            if not self._withdraw(signal):
                self.release()
            raise
        return not self._withdraw(signal)

    def _withdraw(self, signal: Any) -> bool:
        """Leave the queue; False if the slot was given meanwhile."""
        with self._lock:
            if signal in self._queue:
                self._queue.remove(signal)
                return True
            return False

    def release(self) -> None:
        """Give the slot to the one that waited longest."""
        with self._lock:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._free += 1
