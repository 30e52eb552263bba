"""Sums by day that are exact whoever writes: rows that are only ever added, and later merged.

What is asked of all projects at once must not read all of them. Each write leaves what it
adds to a sum, or takes from it, in its own transaction: a row of day, kind, key and delta.
Writers never meet on a row; ``compact()`` merges rows of the same sum into one. A sum is
of the rows that are there: deleted ones count for nothing until they are restored.

============================ ================ ========================================
kind                         key              what is summed up, by which day
============================ ================ ========================================
``project.status``           status           projects, by the day of their creation
``project.framework``        framework        the same
``project.complexity``       score, by tens   the same
``project.completed``                         projects, by the day of their completion
``conversation.phase``       phase            conversations, by the day of their creation
``message.role``             role             messages written, by the day of their time
``message.words``            role             their words
``message.tokens``           role             their tokens
``document.type``            type             documents, by the day of their creation
``document.bytes``           type             their size
``document.access``                           accesses, by the day
``build.status``             status           builds, by the day they started
``deployment.status``        status           deployments, by the day they started
============================ ================ ========================================
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from sqlalchemy import BigInteger, Column, Date, String, Table, delete, func, insert, select

from andamios_orm.core.ledger import Entry, Ledger, before_commit
from andamios_orm.models.feed import kept_with
from andamios_orm.models.written import ColumnRows, WrittenRows
from project_architect_db.models.base import Base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Select
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from andamios_orm.models import WrittenRow

__all__ = [
    "Sum",
    "are_behind",
    "compact",
    "deltas",
    "keep",
    "of_access",
    "of_build",
    "of_conversation",
    "of_deployment",
    "of_document",
    "of_message",
    "of_project",
    "totals",
]

deltas: Final = Table(
    "rollup_deltas",
    Base.metadata,
    Column("day", Date, nullable=False),
    Column("kind", String(50), nullable=False),
    Column("key", String(255), nullable=False),
    Column("delta", BigInteger, nullable=False),
    info=kept_with(
        *("projects", "conversations", "conversation_messages", "documents"),
        *("document_accesses", "builds", "deployments"),
    ),
)
"""What was added to each sum; it has no key, for rows are only added."""


class Sum(NamedTuple):
    """Which sum, of which day."""

    day: dt.date
    kind: str
    key: str


@dataclass(slots=True)
class _Delta(Entry):
    """What a transaction adds to a sum."""

    turn: ClassVar[int] = 60

    sums: Counter[Sum]

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[_Delta]) -> None:
        """Write all of them with one statement, in the hop of COMMIT, by column."""
        total: Counter[Sum] = Counter()
        for entry in entries:
            for key, delta in entry.sums.items():
                total[key] += delta
        rows = [{**key._asdict(), "delta": delta} for key, delta in total.items() if delta]
        if rows:
            before_commit(connection, insert(deltas), rows)


def keep(
    connection: Connection,
    rows: Sequence[WrittenRow],
    measure: Callable[[Mapping[str, Any]], Iterable[tuple[Sum, int]]],
) -> None:
    """Add what ``rows`` count for now to the sums, and take what they counted for before.

    Rows that a measure could not tell from each other are measured once.
    """
    sums: Counter[Sum] = Counter()
    for sign, alike in zip((-1, 1), _alike(rows, _READ[measure]), strict=True):
        for values, count in alike:
            for key, amount in measure(values):
                sums[key] += sign * amount * count
    if any(sums.values()):
        Ledger.of(connection).add(_Delta(sums))


def _alike(
    rows: Sequence[WrittenRow], names: Sequence[str]
) -> Iterator[list[tuple[dict[str, Any], int]]]:
    """Yield the different rows before, then after, in what is read of them: with their number."""
    if isinstance(rows, WrittenRows):
        sides: tuple[Any, Any] = rows.before, rows.after
    else:
        sides = tuple(zip(*rows, strict=True)) or ((), ())
    for side in sides:
        if isinstance(side, ColumnRows):
            nothing = [None] * len(side)
            found: Iterable[tuple[Any, ...]] = zip(
                *(side.columns.get(name, nothing) for name in names), strict=True
            )
        else:
            there = (row for row in side or () if row is not None)
            found = (tuple([row.get(name) for name in names]) for row in there)
        alike = [(dict(zip(names, each, strict=True)), n) for each, n in Counter(found).items()]
        yield [each for each in alike if each[0]["deleted_at"] is None]


def are_behind(session: Session) -> bool:
    """Return whether a session has written what the sums have only after its COMMIT."""
    if session.autoflush:
        session.flush()
    return session.in_transaction() and Ledger.holds(session.connection(), _Delta)


def totals(kind: str, *, since: dt.date | None = None, until: dt.date | None = None) -> Select[Any]:
    """Return the statement for day, key and total of each sum of a kind that is not 0."""
    total = func.sum(deltas.c.delta).cast(BigInteger)
    statement = select(deltas.c.day, deltas.c.key, total.label("total")).where(
        deltas.c.kind == kind
    )
    if since is not None:
        statement = statement.where(deltas.c.day >= since)
    if until is not None:
        statement = statement.where(deltas.c.day <= until)
    return (
        statement.group_by(deltas.c.day, deltas.c.key)
        .having(total != 0)
        .order_by(deltas.c.day, deltas.c.key)
    )


async def compact(session: AsyncSession) -> int:
    """Return how many rows fewer there are, now that each sum is one; commit it."""
    before = await session.scalar(select(func.count()).select_from(deltas)) or 0
    total = func.sum(deltas.c.delta).cast(BigInteger).label("delta")
    names = (deltas.c.day, deltas.c.kind, deltas.c.key)
    merged = (await session.execute(select(*names, total).group_by(*names))).mappings().all()
    rows = [dict(row) for row in merged if row["delta"]]
    await session.execute(delete(deltas))
    if rows:
        await session.execute(insert(deltas), rows)
    return before - len(rows)


# ---- what a row counts for -------------------------------------------------------------


def _day(moment: dt.datetime) -> dt.date:
    """Return the day of a moment, in UTC."""
    return (moment if moment.tzinfo is dt.UTC else moment.astimezone(dt.UTC)).date()


def of_project(values: Mapping[str, Any]) -> Iterator[tuple[Sum, int]]:
    """Yield what a project counts for."""
    day = _day(values["created_at"])
    yield Sum(day, "project.status", str(values["status"])), 1
    if values["framework"] is not None:
        yield Sum(day, "project.framework", values["framework"]), 1
    score = values["complexity_score"]
    if score is not None:
        yield Sum(day, "project.complexity", f"{min(score // 10 * 10, 90)}"), 1
    completed = values["completed_at"]
    if completed is not None:
        yield Sum(_day(completed), "project.completed", ""), 1


def of_conversation(values: Mapping[str, Any]) -> Iterator[tuple[Sum, int]]:
    """Yield what a conversation counts for."""
    yield Sum(_day(values["created_at"]), "conversation.phase", values["phase"]), 1


def of_message(values: Mapping[str, Any]) -> Iterator[tuple[Sum, int]]:
    """Yield what a message counts for."""
    day, role = _day(values["time"]), values["role"]
    yield Sum(day, "message.role", role), 1
    yield Sum(day, "message.words", role), values["words"]
    yield Sum(day, "message.tokens", role), values["tokens"] or 0


def of_document(values: Mapping[str, Any]) -> Iterator[tuple[Sum, int]]:
    """Yield what a document counts for."""
    day, kind = _day(values["created_at"]), str(values["doc_type"])
    yield Sum(day, "document.type", kind), 1
    yield Sum(day, "document.bytes", kind), values["size"]


def of_access(values: Mapping[str, Any]) -> Iterator[tuple[Sum, int]]:
    """Yield what an access to a document counts for."""
    yield Sum(_day(values["accessed_at"]), "document.access", ""), 1


def of_build(values: Mapping[str, Any]) -> Iterator[tuple[Sum, int]]:
    """Yield what a build counts for."""
    yield Sum(_day(values["started_at"]), "build.status", str(values["status"])), 1


def of_deployment(values: Mapping[str, Any]) -> Iterator[tuple[Sum, int]]:
    """Yield what a deployment counts for."""
    yield Sum(_day(values["started_at"]), "deployment.status", str(values["status"])), 1


_READ: Final[Mapping[Any, Sequence[str]]] = {
    measure: ("deleted_at", *names.split())
    for measure, names in (
        (of_project, "created_at status framework complexity_score completed_at"),
        (of_conversation, "created_at phase"),
        (of_message, "time role words tokens"),
        (of_document, "created_at doc_type size"),
        (of_access, "accessed_at"),
        (of_build, "started_at status"),
        (of_deployment, "started_at status"),
    )
}
"""What each measure reads of a row."""
