"""Which rows a question is about: of which time, seen by whom, and not deleted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import BigInteger, Date, case, cast, func, or_, select

from andamios_orm.models import clock
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
from project_architect_db.schemas.analytics.periods import DateRange, zone_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["Scope", "at_least_zero", "remembered", "whole"]

_PARENTS: Final[dict[type[Any], tuple[Any, type[Any]]]] = {
    ConversationMessage: (ConversationMessage.conversation_id, Conversation),
    ConversationPhase: (ConversationPhase.conversation_id, Conversation),
    DocumentAccess: (DocumentAccess.document_id, Document),
    DocumentVersion: (DocumentVersion.document_id, Document),
    Build: (Build.repository_id, Repository),
    Deployment: (Deployment.repository_id, Repository),
    Contributor: (Contributor.repository_id, Repository),
    RepositoryActivity: (RepositoryActivity.repository_id, Repository),
}
"""Rows that are never deleted softly themselves: they are gone while their parent is."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that count."""

    start: dt.datetime | None
    end: dt.datetime | None
    viewer: str | None
    timezone: str
    as_of: dt.datetime
    with_samples: bool = True
    is_behind: bool = False
    """Whether the transaction has written what the sums by day do not have yet."""

    @classmethod
    def of(
        cls,
        date_range: Any,
        viewer: str | None,
        timezone: str,
        *,
        now: dt.datetime | None = None,
    ) -> Self:
        """Return the scope of a question that is asked now, or at a given time.

        Raises:
            ValueRefused: there is no such range or time zone.
        """
        zone = zone_of(timezone)
        start, end = DateRange.of(date_range).bounds(zone)
        as_of = (now or clock.now()).astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        return cls(start, end, viewer, zone.key, as_of)

    @property
    def zone(self) -> dt.tzinfo:
        """The time zone."""
        return zone_of(self.timezone)

    @property
    def today(self) -> dt.date:
        """The day of ``as_of`` in UTC."""
        return self.as_of.date()

    @property
    def is_of_all(self) -> bool:
        """Whether all projects count, whoever asks and however they were made."""
        return self.viewer is None and self.with_samples

    @property
    def is_summed_up(self) -> bool:
        """Whether sums by day, in UTC and over all projects, can answer."""
        is_in_days = _is_midnight(self.start) and _is_midnight(self.end)
        return self.is_of_all and not self.is_behind and is_in_days

    def within(self, start: dt.datetime | None, end: dt.datetime | None) -> Scope:
        """Return the same scope with another range."""
        return replace(self, start=start, end=end)

    def without_samples(self) -> Scope:
        """Return the same scope for projects that were not made up."""
        return replace(self, with_samples=False)

    def behind(self) -> Scope:
        """Return the same scope in a transaction that has written."""
        return replace(self, is_behind=True)

    # ---- conditions ----------------------------------------------------------------------

    def during(self, moment: Any) -> list[ColumnElement[bool]]:
        """Return the conditions that a column of moments, or of days, is in the range."""
        start: Any = self.start
        end: Any = self.end
        if isinstance(moment.type, Date):
            start, end = self._first_day(start), self._first_day(end)
        found = [] if start is None else [moment >= start]
        return found if end is None else [*found, moment < end]

    def _first_day(self, bound: dt.datetime | None) -> dt.date | None:
        """Return the first day of the time zone that begins at ``bound`` or later."""
        if bound is None:
            return None
        # Clocks may skip midnight, or show it twice: what counts is the moment.
        day = bound.astimezone(self.zone).date()
        begins = dt.datetime.combine(day, dt.time(), self.zone).astimezone(dt.UTC)
        return day if begins >= bound else day + dt.timedelta(days=1)

    @staticmethod
    def parent_of(model: type[Any]) -> tuple[Any, type[Any]]:
        """Return the column of ``model`` that names its parent, and the parent."""
        return _PARENTS[model]

    def counts(self, model: type[Any]) -> list[ColumnElement[bool]]:
        """Return the conditions that a row is not deleted, and that the viewer sees it."""
        if model in _PARENTS:
            key, parent = _PARENTS[model]
            if self.viewer is not None or not self.with_samples:
                return [key.in_(select(parent.id).where(*self.counts(parent)))]
            # Few are deleted: to leave their rows out costs less than to join all others.
            return [key.not_in(select(parent.id).where(parent.deleted_at.is_not(None)))]
        project: Any = Project.id if model is Project else model.project_id
        found: list[ColumnElement[bool]] = [model.deleted_at.is_(None)]
        if self.viewer is not None:
            found.append(project.in_(self._visible(self.viewer)))
        if not self.with_samples:
            found.append(project.in_(select(Project.id).where(Project.is_sample.is_(False))))
        return found

    def _visible(self, viewer: str) -> Any:
        memberships = select(ProjectMember.project_id).where(ProjectMember.member == viewer)
        own = or_(Project.owner == viewer, Project.id.in_(memberships))
        return select(Project.id).where(own)


def _is_midnight(bound: dt.datetime | None) -> bool:
    return bound is None or bound.astimezone(dt.UTC).time() == dt.time()


remembered: Final = lru_cache(maxsize=128)
"""Keeps what a pure function of hashable arguments returned: a statement is made once.

The cache of results, and SQLAlchemy's own, then know it again without looking at its parts.
"""


# ---- expressions -----------------------------------------------------------------------


def whole(value: Any) -> ColumnElement[int]:
    """Return a sum as a whole number; 0 instead of nothing."""
    return cast(func.coalesce(value, 0), BigInteger)


def at_least_zero(value: Any) -> ColumnElement[float]:
    """Return a number, or 0 if it is negative; NULL stays what it is, unlike in ``greatest()``."""
    return case((value < 0, 0.0), else_=value)
