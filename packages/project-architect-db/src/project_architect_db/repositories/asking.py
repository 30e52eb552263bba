"""The statements of one answer: asked one after the other, of the cache or the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from andamios_orm.core.cache import Caching
from andamios_orm.core.folds import Fold
from andamios_orm.exceptions import QueryRefused
from andamios_orm.queries.copies import execute
from project_architect_db.analytics import following
from project_architect_db.analytics.metrics import KINDS
from project_architect_db.analytics.shapes import totals_of
from project_architect_db.analytics.sums import sums
from project_architect_db.models import Project
from project_architect_db.schemas.analytics import AnalyticsResult

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core.folds import Follow
    from project_architect_db.analytics.scope import Scope

__all__ = ["Asked"]

ResultT = TypeVar("ResultT", bound=AnalyticsResult)


class Asked:
    """What was asked for one answer."""

    def __init__(self, session: AsyncSession, caching: Caching | None) -> None:
        """Ask in ``session``, or the cache of its database."""
        self.session = session
        self.caching = caching
        self.statements: list[Any] = []

    async def rows(self, statement: Any, follow: Follow | None = None) -> Sequence[Any]:
        """Return what the database, or its cache, answers.

        What is kept may ``follow`` the projects that were changed since.
        """
        self.statements.append(statement)
        fold = None if follow is None else Fold(Project.__tablename__, follow)
        try:
            return (await execute(self.session, statement, self.caching, fold=fold)).all()
        except QueryRefused:
            # It is not known for whom a kept answer would be, and nobody has asked for one.
            if self.caching != Caching():
                raise
            return (await self.session.execute(statement)).all()

    async def sums(
        self, kinds: tuple[str, ...], scope: Scope, step: str | None = None
    ) -> Sequence[Any]:
        """Return the rows of ``sums``."""
        return await self.rows(sums(kinds, scope, step), following.sums(kinds, scope, step))

    async def row(self, statement: Any) -> Sequence[Any]:
        """Return the one row that a statement has."""
        found: Sequence[Any] = (await self.rows(statement))[0]
        return found

    async def totals(self, kinds: Sequence[str], scope: Scope) -> dict[str, Counter[str]]:
        """Return sums by kind and key; those that are kept by day in a statement of their own."""
        rows: list[Any] = []
        for is_kept in (True, False):
            chosen = tuple(name for name in kinds if KINDS[name].is_kept is is_kept)
            if chosen:
                rows += await self.sums(chosen, scope)
        return totals_of(rows)

    def answer(self, result: ResultT) -> ResultT:
        """Return ``result`` with the statements that it is from."""
        result.asked(self.statements, self.session.get_bind().dialect)
        return result
