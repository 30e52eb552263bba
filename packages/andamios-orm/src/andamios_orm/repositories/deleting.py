"""Rows that go, softly or for good, with what belongs to them; and rows that come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from andamios_orm.exceptions import QueryRefused
from andamios_orm.models.clock import now
from andamios_orm.repositories.cascade import Cascade
from andamios_orm.repositories.events import operation
from andamios_orm.repositories.keys import key_of
from andamios_orm.repositories.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from andamios_orm.repositories.keys import Key
    from andamios_orm.repositories.reading import Condition

__all__ = ["Deleter"]

ModelT = TypeVar("ModelT")


class Deleter(Writer[ModelT]):
    """Rows of one model, to be read, changed and deleted.

    Where the model has ``SoftDeleteMixin`` a deleted row stays and is out of sight, and
    so do its children along relations that cascade; children that cannot be deleted
    softly go for good. A relation that does not cascade keeps its parent alive.
    """

    @operation(writes=True)
    async def delete(self, key: Key) -> bool:
        """Delete the row with a key; return whether there was one.

        Raises:
            ForeignKeyViolation: rows refer to it along a relation that does not cascade.
        """
        found = await self._find(key, ())
        if found is None:
            return False
        await self._delete([found], softly=True)
        return True

    @operation(writes=True)
    async def delete_many(self, keys: Iterable[Key]) -> int:
        """Delete the rows with ``keys``; return how many there were.

        One query finds them all; ``bulk_delete`` is for thousands.

        Raises:
            ForeignKeyViolation: rows refer to one along a relation that does not cascade.
        """
        wanted = [key_of(self.fields, key) for key in keys]
        found = await self._matching(self.fields.key, wanted)
        await self._delete(list(found.values()), softly=True)
        return len(found)

    @operation(writes=True)
    async def delete_where(self, *conditions: Condition, **filters: Any) -> int:
        """Delete the rows that match conditions; return how many there were.

        Raises:
            QueryRefused: no condition at all.
            ForeignKeyViolation: rows refer to one along a relation that does not cascade.
        """
        if not conditions and not filters:
            raise QueryRefused(
                f"delete_where() without a condition would delete every {self.model.__name__}: "
                f"pass sqlalchemy.true() if that is meant"
            )
        statement = self._select(conditions, filters, ())
        found = (await self._scalars(statement, None)).all()
        await self._delete(found, softly=True)
        return len(found)

    @operation(writes=True)
    async def restore(self, key: Key) -> ModelT:
        """Return the row with a key, back in sight with all that its deletion took along.

        Raises:
            NotFound: there is no such row.
            QueryRefused: rows of the model are not deleted softly.
            DuplicateKey: another row has one of its unique values by now.
        """
        name = self.fields.deleted
        if name is None:
            raise QueryRefused(f"{self.model.__name__} is not deleted softly: nothing to restore")
        instance = await self._existing(key, with_deleted=True)
        moment = getattr(instance, name)
        if moment is None:
            return instance
        values: dict[str, Any] = {name: None}
        await self._tell("before_update", instance, values)
        cascade = Cascade(self.session.sync_session)
        await self.session.run_sync(lambda _: cascade.restore(instance, moment))
        await self._flush(instance)
        await self._tell("after_update", instance, values)
        return instance

    @operation(writes=True)
    async def purge(self, key: Key) -> bool:
        """Remove the row with a key for good, deleted or not; return whether there was one.

        What it owns goes with it, and the history of all these rows.

        Raises:
            ForeignKeyViolation: rows refer to it along a relation that does not cascade.
        """
        found = await self._find(key, (), with_deleted=True)
        if found is None:
            return False
        await self._delete([found], softly=False)
        return True

    async def _delete(self, found: Sequence[ModelT], *, softly: bool) -> None:
        """Delete rows with what belongs to them, in one flush."""
        if not found:
            return
        for instance in found:
            await self._tell("before_delete", instance)
        cascade = Cascade(self.session.sync_session)
        moment = now() if softly else None
        await self.session.run_sync(lambda _: cascade.delete(found, moment))
        await self._flush(*(found if softly and self.fields.deleted is not None else ()))
        for instance in found:
            await self._tell("after_delete", instance)
