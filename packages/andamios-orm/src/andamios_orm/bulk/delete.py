"""Many rows deleted, with what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import RelationshipDirection

from andamios_orm.bulk.matching import key_columns, match, read_matching, refresh, visible
from andamios_orm.bulk.recording import keeps_history, record, removed
from andamios_orm.bulk.stage import run, staged
from andamios_orm.bulk.target import target_of
from andamios_orm.bulk.update import changes_of, kept_up
from andamios_orm.bulk.work import Work, bind, dialect_of
from andamios_orm.models.clock import now
from andamios_orm.models.staying import stays

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import RelationshipProperty

    from andamios_orm.bulk.stage import Staged

__all__ = ["bulk_delete"]


async def bulk_delete(
    session: AsyncSession, model: type[Any], keys: Iterable[Any], *, purge: bool = False
) -> int:
    """Return how many rows of ``model`` were deleted; keys that no row has are passed over.

    Rows of a model with ``SoftDeleteMixin`` are marked, or removed with ``purge``. What
    a relationship cascades its deletes to goes with them. Keys are values, tuples,
    dicts or instances. Nothing is committed.

    Raises:
        BulkRefused: something is no key of the model.
        ForeignKeyViolation: at the commit, if other rows still refer to one of these.
    """
    target = target_of(model)
    columns = key_columns(target, keys)
    bind(target, dialect_of(session), columns)
    if not columns[target.key[0]]:
        return 0
    work = await Work.begin(session, target)
    return await _Deletion(purge=purge).delete(work, columns)


class _Deletion:
    """One deletion through all levels of relationships, at one moment."""

    def __init__(self, *, purge: bool) -> None:
        self.purge = purge
        self.moment = now()
        self.depth = 0
        self.met: set[Any] = set()

    async def delete(self, work: Work, columns: dict[str, Sequence[Any]]) -> int:
        """Delete the rows with these keys, their children first; return how many there were."""
        target = work.target
        soft = target.deleted is not None and not self.purge
        self.depth += 1
        stage_of_keys = staged(
            work.connection,
            work.columns(columns, work.bind(columns)),
            name=f"_andamios_rows_{self.depth}",
        )
        async with stage_of_keys as stage:
            hidden = visible(target) if soft else []
            before = await read_matching(work, stage, target.key, *hidden, lock=True)
            self.met.update(
                (target.model, tuple(row[name] for name in target.key)) for row in before
            )
            if before:
                await self._mark(work, stage, before) if soft else await self._remove(
                    work, stage, before
                )
        self.depth -= 1
        return len(before)

    async def _mark(self, work: Work, stage: Staged, before: list[dict[str, Any]]) -> None:
        """Mark rows as deleted; their children then, so that a circle ends."""
        target = work.target
        values = {**kept_up(target), str(target.deleted): self.moment}
        statement = (
            update(target.table)
            .values({target.columns[name]: value for name, value in values.items()})
            .where(match(target, stage, target.key), *visible(target))
        )
        await run(work.connection, statement)
        await self._children(work, stage, soft=True)
        after = None
        if keeps_history(work):
            after = await read_matching(work, stage, target.key)
        await record(work, "bulk_delete", **await changes_of(work, before, after))

    async def _remove(self, work: Work, stage: Staged, before: list[dict[str, Any]]) -> None:
        """Remove rows, their children and links first."""
        target = work.target
        await self._children(work, stage, soft=False)
        await self._links(work, stage)
        await run(work.connection, delete(target.table).where(match(target, stage, target.key)))
        keys = target.keys_of({name: [row[name] for row in before] for name in target.key})
        removed(work, keys)
        await refresh(work, keys, gone=True)
        tenant = getattr(target.model, "__tenant__", None)
        await record(
            work,
            "bulk_purge" if target.deleted is not None else "bulk_delete",
            keys,
            tenants=None if tenant is None else [row[tenant] for row in before],
            before=before if keeps_history(work) else None,
        )

    async def _children(self, work: Work, stage: Staged, *, soft: bool) -> None:
        for relation in work.target.mapper.relationships:
            if (
                relation.cascade.delete
                and relation.direction is RelationshipDirection.ONETOMANY
                and not relation.viewonly
                and not (soft and stays(relation))
            ):
                await self._child(work, stage, relation)

    async def _child(self, work: Work, stage: Staged, relation: RelationshipProperty[Any]) -> None:
        child = target_of(relation.mapper.class_)
        soft = child.deleted is not None and not self.purge
        parent, table = work.target.table.alias(), child.table
        names = work.target.key
        pairs = [
            parent.c[local.name] == table.c[remote.name]
            for local, remote in relation.local_remote_pairs or ()
        ]
        same = [parent.c[work.target.columns[name].name] == stage[name] for name in names]
        statement = select(*(child.columns[name] for name in child.key)).where(
            *pairs, *same, *(visible(child) if soft else [])
        )
        found = (await run(work.connection, statement)).all()
        # A circle of rows ends where it began.
        rows = [row for row in found if (child.model, tuple(row)) not in self.met]
        if rows:
            columns = zip(*rows, strict=True)
            keys: dict[str, Sequence[Any]] = dict(zip(child.key, map(list, columns), strict=True))
            await self.delete(Work(work.session, work.connection, child), keys)

    async def _links(self, work: Work, stage: Staged) -> None:
        """Remove what links the rows to others through a secondary table."""
        target = work.target
        for relation in target.mapper.relationships:
            secondary: Any = relation.secondary
            if secondary is None or relation.viewonly:
                continue
            pairs = [
                (local, remote)
                for local, remote in relation.local_remote_pairs or ()
                if local.table is target.table and remote.table is secondary
            ]
            linked = (
                select(target.table.c[target.columns[target.key[0]].name])
                .where(match(target, stage, target.key), *(near == far for near, far in pairs))
                .correlate(secondary)
            )
            await run(work.connection, delete(secondary).where(linked.exists()))
