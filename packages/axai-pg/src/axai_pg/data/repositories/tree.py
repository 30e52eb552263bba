"""Rows that form a tree: the way up, what is below, and moves that close no circle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from sqlalchemy import literal, select
from sqlalchemy.orm import aliased

from andamios_orm.exceptions import ValueRefused
from andamios_orm.repositories import operation
from axai_pg.data.repositories.viewing import ViewedRepository
from axai_pg.exceptions import CycleRefused

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import CTE

__all__ = ["DEEPEST", "TreeRepository"]

ModelT = TypeVar("ModelT")
DEEPEST: Final = 100
"""Levels that are looked at, up and down; what is farther away is left out."""


class TreeRepository(ViewedRepository[ModelT]):
    """Rows of a model that has a key of its own: the row above."""

    parent: ClassVar[str]
    """The attribute that says which row is above; None at the top."""

    @operation()
    async def roots(self, limit: int | None = 100, offset: int = 0) -> list[ModelT]:
        """Return the rows at the top, by name."""
        top = self._column(self.parent).is_(None)
        return await self.list(top, limit=limit, offset=offset, order_by="name")

    @operation()
    async def children(
        self, key: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[ModelT]:
        """Return the rows right below one, by name.

        Raises:
            NotFound: there is no such row.
        """
        await self.get(key)
        below = self._column(self.parent) == key
        return await self.list(below, limit=limit, offset=offset, order_by="name")

    @operation()
    async def path(self, key: uuid.UUID) -> list[ModelT]:
        """Return the rows from the top down to one, which is the last.

        Raises:
            NotFound: there is no such row.
        """
        await self.get(key)
        way = self._way_up(key)
        statement = self._select([], {}, ()).join(way, self._column("id") == way.c.id)
        return list(await self.session.scalars(statement.order_by(way.c.level.desc())))

    @operation()
    async def subtree(
        self, key: uuid.UUID, *, max_depth: int = DEEPEST, limit: int = 1_000
    ) -> list[ModelT]:
        """Return a row and those below it, level by level and by name, as many as ``limit``.

        Raises:
            NotFound: there is no such row.
            ValueRefused: ``max_depth`` is no number from 0 to 100.
        """
        await self.get(key)
        below = self.below(key, max_depth=max_depth)
        statement = self._select([], {}, ()).join(below, self._column("id") == below.c.id)
        statement = statement.order_by(below.c.level, self._column("name"), self._column("id"))
        return list(await self.session.scalars(statement.limit(limit)))

    @operation(writes=True)
    async def move(self, key: uuid.UUID, parent: uuid.UUID | None) -> ModelT:
        """Return a row that is right below another from now on, or at the top.

        Raises:
            NotFound: there is no such row, or none to be above it.
            CycleRefused: it would be above itself.
        """
        return await self.update(key, {self.parent: parent})

    def below(self, key: uuid.UUID, *, max_depth: int = DEEPEST) -> CTE:
        """Return the keys of a row, with ``level`` 0, and of those below it, to be joined with.

        Raises:
            ValueRefused: ``max_depth`` is no number from 0 to 100.
        """
        if isinstance(max_depth, bool) or max_depth not in range(DEEPEST + 1):
            raise ValueRefused(f"max_depth is a number from 0 to {DEEPEST}", max_depth)
        start = select(self._column("id"), literal(0).label("level"))
        tree = start.where(*self._where([self._column("id") == key], {})).cte(
            "below", recursive=True
        )
        child: Any = aliased(self.model)
        step = select(child.id, tree.c.level + 1).join(
            tree, getattr(child, self.parent) == tree.c.id
        )
        return tree.union(step.where(tree.c.level < max_depth, *self._alive(child)))

    def _way_up(self, key: uuid.UUID) -> CTE:
        """Return the keys of a row, with ``level`` 0, and of those above it."""
        above = self._column(self.parent)
        start = select(self._column("id"), above.label("above"), literal(0).label("level"))
        way = start.where(self._column("id") == key).cte("way", recursive=True)
        row: Any = aliased(self.model)
        step = select(row.id, getattr(row, self.parent), way.c.level + 1)
        return way.union(
            step.join(way, row.id == way.c.above).where(way.c.level < DEEPEST, *self._alive(row))
        )

    def _alive(self, alias: Any) -> list[Any]:
        deleted = self.fields.deleted
        if deleted is None or self._with_deleted:
            return []
        return [getattr(alias, deleted).is_(None)]

    def _column(self, name: str) -> Any:
        return getattr(self.model, name)

    # ---- no circles ----------------------------------------------------------------------

    async def _insert(self, *instances: ModelT) -> None:
        new = {instance.id for instance in instances}  # type: ignore[attr-defined]  # rows have one
        parents = dict.fromkeys(getattr(instance, self.parent) for instance in instances)
        wanted = [parent for parent in parents if parent is not None and parent not in new]
        if wanted:
            key = self._column("id")
            there = select(key).where(*self._where([key.in_(wanted)], {}))
            found = set(await self.session.scalars(there))
            for parent in wanted:
                if parent not in found:
                    raise self._not_found(parent)
        await super()._insert(*instances)

    async def _change(self, changes: Sequence[tuple[ModelT, dict[str, Any], Any]]) -> None:
        for instance, values, _ in changes:
            parent = values.get(self.parent)
            if parent is not None:
                await self._require_no_circle(self._key_of(instance)[0], parent)
        await super()._change(changes)

    async def _require_no_circle(self, key: uuid.UUID, parent: uuid.UUID) -> None:
        """Raise if a row would be above itself; of two at once, the database refuses the second.

        Raises:
            NotFound: there is none to be above it.
            CycleRefused: so it is.
        """
        await self.get(parent)
        way = self._way_up(parent)
        if await self.session.scalar(select(way.c.id).where(way.c.id == key)) is not None:
            raise CycleRefused(self.model.__name__, key, parent)
