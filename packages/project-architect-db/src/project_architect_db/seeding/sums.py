"""Sums by day of rows that SQL has written: what ``models.rollups`` says of each, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import BigInteger, Date, Integer, String, cast, func, insert, literal, select

from project_architect_db.models import (
    Build,
    Conversation,
    ConversationMessage,
    Deployment,
    Document,
    DocumentAccess,
    Project,
)
from project_architect_db.models.rollups import deltas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import ColumnElement, Executable

__all__ = ["sums"]


class _Measure(NamedTuple):
    """What a kind of sum adds up: ``amount`` of each row, or 1, by key and the day of ``time``."""

    kind: str
    time: Any
    key: Any = literal("")
    amount: Any = literal(1)
    only: Any = None


def sums(keys: Mapping[str, range]) -> Iterator[Executable]:
    """Yield the statements that add what the rows with ``keys``, by table, count for."""
    for measure in _measures():
        column = measure.time
        chosen = keys[column.table.name]
        if chosen:
            rows = select(
                cast(func.timezone("UTC", column), Date).label("day"),
                measure.key.label("key"),
                measure.amount.label("amount"),
            ).where(column.table.c.id.between(chosen[0], chosen[-1]), column.is_not(None))
            if measure.only is not None:
                rows = rows.where(measure.only)
            each = rows.subquery().c
            added = cast(func.sum(each.amount), BigInteger)
            statement = (
                select(each.day, literal(measure.kind), each.key, added)
                .group_by(each.day, each.key)
                .having(added != 0)
            )
            yield insert(deltas).from_select(["day", "kind", "key", "delta"], statement)


def _measures() -> list[_Measure]:
    """Return all kinds of sums, as ``models.rollups`` has them for single rows."""
    project, document = _columns(Project), _columns(Document)
    talk, message, access = (
        _columns(model) for model in (Conversation, ConversationMessage, DocumentAccess)
    )
    build, deployment = _columns(Build), _columns(Deployment)
    seconds = _epoch(project.completed_at) - _epoch(project.created_at)
    return [
        _Measure("project.status", project.created_at, project.status),
        _Measure(
            "project.framework",
            project.created_at,
            project.framework,
            only=project.framework.is_not(None),
        ),
        _Measure(
            "project.complexity",
            project.created_at,
            _tens(project.complexity_score),
            only=project.complexity_score.is_not(None),
        ),
        _Measure("project.completed", project.completed_at),
        _Measure("project.seconds", project.completed_at, amount=seconds),
        _Measure("conversation.phase", talk.created_at, talk.phase),
        _Measure("message.role", message.time, message.role),
        _Measure("message.words", message.time, message.role, message.words),
        _Measure("message.tokens", message.time, message.role, message.tokens),
        _Measure("document.type", document.created_at, document.doc_type),
        _Measure("document.bytes", document.created_at, document.doc_type, document.size),
        _Measure("document.access", access.accessed_at),
        _Measure("build.status", build.started_at, build.status),
        _Measure("deployment.status", deployment.started_at, deployment.status),
    ]


def _columns(model: Any) -> Any:
    return model.__table__.c


def _epoch(moment: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a moment in seconds; sample data has whole ones."""
    return cast(func.extract("epoch", moment), BigInteger)


def _tens(score: ColumnElement[int]) -> ColumnElement[str]:
    """Return the tens that a score is among, as the rollups name them."""
    capped = func.least(score, literal(99, BigInteger), type_=BigInteger)
    return cast(capped - capped % _TEN, String)


_TEN: Final = 10
