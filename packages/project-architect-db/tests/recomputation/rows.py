"""The rows of a database as plain dicts, and which of them a question is about."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import select
from tests.recomputation.steps import day_begins

from project_architect_db.models import (
    Build,
    Contributor,
    Conversation,
    ConversationMessage,
    ConversationPhase,
    Deployment,
    Document,
    DocumentAccess,
    DocumentVersion,
    Project,
    ProjectMember,
    Repository,
    RepositoryActivity,
)
from project_architect_db.models.conversation import PHASES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from andamios_orm import Session

__all__ = ["Question", "Row", "Rows", "counting", "read_rows"]

Row: TypeAlias = dict[str, Any]
"""The values of one row, by column."""

_MODELS: dict[str, type[Any]] = {
    "projects": Project,
    "members": ProjectMember,
    "conversations": Conversation,
    "messages": ConversationMessage,
    "stays": ConversationPhase,
    "documents": Document,
    "versions": DocumentVersion,
    "accesses": DocumentAccess,
    "repositories": Repository,
    "builds": Build,
    "deployments": Deployment,
    "contributors": Contributor,
    "activity": RepositoryActivity,
}


@dataclass(frozen=True)
class Rows:
    """All rows, or some of them, each list by key."""

    projects: list[Row]
    members: list[Row]
    conversations: list[Row]
    messages: list[Row]
    stays: list[Row]
    documents: list[Row]
    versions: list[Row]
    accesses: list[Row]
    repositories: list[Row]
    builds: list[Row]
    deployments: list[Row]
    contributors: list[Row]
    activity: list[Row]


@dataclass(frozen=True)
class Question:
    """What is asked: for whom, when, about which time, by which clock."""

    now: dt.datetime
    viewer: str | None = None
    timezone: str = "UTC"
    date_range: tuple[dt.date | None, dt.date | None] | None = None
    phases: Sequence[str] = PHASES
    samples: bool = True

    def about(self, date_range: tuple[dt.date | None, dt.date | None] | None) -> Question:
        """Return the same question about another time."""
        return replace(self, date_range=date_range)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @property
    def as_of(self) -> dt.datetime:
        """When the current hour began."""
        return self.now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)

    @property
    def start(self) -> dt.datetime | None:
        """From when on rows count."""
        return None if self.date_range is None else self._moment(self.date_range[0])

    @property
    def end(self) -> dt.datetime | None:
        """Before when rows count."""
        return None if self.date_range is None else self._moment(self.date_range[1])

    def _moment(self, bound: dt.date | None) -> dt.datetime | None:
        if isinstance(bound, dt.datetime):
            return bound.astimezone(dt.UTC)
        return None if bound is None else day_begins(bound, self.zone)

    def has(self, moment: dt.datetime | None) -> bool:
        """Whether a moment is in the range."""
        if moment is None:
            return False
        start, end = self.start, self.end
        return (start is None or start <= moment) and (end is None or moment < end)

    def has_day(self, day: dt.date) -> bool:
        """Whether a day begins in the range."""
        return self.has(day_begins(day, self.zone))

    def head(self) -> Row:
        """Return the fields that each result has."""
        return {
            "timezone": self.timezone,
            "start": self.start,
            "end": self.end,
            "as_of": self.as_of,
        }


async def read_rows(session: Session) -> Rows:
    """Return all rows there are, deleted ones too."""
    found: dict[str, list[Row]] = {}
    for name, model in _MODELS.items():
        columns = [getattr(model, each.key) for each in model.__mapper__.column_attrs]
        rows = await session.execute(select(*columns))
        found[name] = sorted((dict(row) for row in rows.mappings()), key=lambda row: row["id"])
    return Rows(**found)


def counting(rows: Rows, question: Question) -> Rows:
    """Return the rows that count for a question, whenever they are from.

    That is what is not deleted, nor belongs to what is; of the projects that are asked about.
    """
    seen = {row["id"] for row in rows.projects if _is_asked(row, rows, question)}
    kept = {
        name: [row for row in getattr(rows, name) if row["project_id"] in seen and _lives(row)]
        for name in ("conversations", "documents", "repositories")
    }
    conversations = _keys(kept["conversations"])
    documents, repositories = _keys(kept["documents"]), _keys(kept["repositories"])
    return Rows(
        projects=[row for row in rows.projects if row["id"] in seen and _lives(row)],
        members=rows.members,
        **kept,
        messages=_of(rows.messages, "conversation_id", conversations),
        stays=_of(rows.stays, "conversation_id", conversations),
        versions=_of(rows.versions, "document_id", documents),
        accesses=_of(rows.accesses, "document_id", documents),
        builds=_of(rows.builds, "repository_id", repositories),
        deployments=_of(rows.deployments, "repository_id", repositories),
        contributors=_of(rows.contributors, "repository_id", repositories),
        activity=_of(rows.activity, "repository_id", repositories),
    )


def _is_asked(project: Row, rows: Rows, question: Question) -> bool:
    if project["is_sample"] and not question.samples:
        return False
    if question.viewer is None or project["owner"] == question.viewer:
        return True
    mine = {row["project_id"] for row in rows.members if row["member"] == question.viewer}
    return project["id"] in mine


def _lives(row: Row) -> bool:
    return row["deleted_at"] is None


def _keys(rows: Sequence[Row]) -> set[int]:
    return {row["id"] for row in rows}


def _of(rows: Sequence[Row], column: str, keys: Collection[int]) -> list[Row]:
    return [row for row in rows if row[column] in keys]


assert {each.name for each in fields(Rows)} == set(_MODELS)
