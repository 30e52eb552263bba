"""New rows, and changes of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from andamios_orm.repositories import statements
from andamios_orm.repositories.events import operation
from andamios_orm.repositories.keys import key_of, plain_key
from andamios_orm.repositories.storing import Storing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from andamios_orm.repositories.fields import Values
    from andamios_orm.repositories.keys import Key
    from andamios_orm.repositories.reading import Condition

__all__ = ["Writer"]

ModelT = TypeVar("ModelT")


class Writer(Storing[ModelT]):
    """Rows of one model, to be read, made and changed. It flushes and never commits.

    Values are a dict, a pydantic model (of which an update takes what was set), or for
    a new row an instance. Names and values are checked before anything is sent.
    """

    # ---- new rows ------------------------------------------------------------------

    @operation(writes=True, commits_itself=True)
    async def create(self, values: Values | ModelT) -> ModelT:
        """Return a new row, stored, with what the database filled in.

        On a database rather than a session, concurrent calls share a commit, unless
        hooks or related instances need a transaction.

        Raises:
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
            DuplicateKey: a row with this key, or this unique value, exists.
        """
        return await self._create(values)

    @operation(writes=True, commits_itself=True)
    async def add(self, values: Values | ModelT) -> ModelT:
        """Return a new row, as ``create`` does."""
        return await self._create(values)

    @operation(writes=True)
    async def add_many(self, rows: Iterable[Values | ModelT]) -> list[ModelT]:
        """Return new rows, stored together; ``bulk_create`` is for thousands.

        Rows that say the same fields go with one statement.

        Raises:
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
            DuplicateKey: a row with one of these keys, or unique values, exists.
        """
        instances = [self._new(row) for row in rows]
        if instances:
            await self._insert(*instances)
        return instances

    @operation(writes=True)
    async def get_or_create(
        self, defaults: Values | None = None, **filters: Any
    ) -> tuple[ModelT, bool]:
        """Return the row whose fields equal ``filters``, and whether it is new.

        A new one has ``filters`` and ``defaults`` as its values.

        Raises:
            MoreThanOne: several rows have these values.
            WriteConflict: another writer made it meanwhile; run again, as ``retry`` does.
        """
        given = self.fields.for_create(filters)
        rest = {} if defaults is None else self.fields.for_create(defaults)
        found = await self._one((statements.equal(self.mapper, given),), {})
        if found is not None:
            return found, False
        instance = self.model(**{**rest, **given})
        await self._insert_unmatched([instance], given)
        return instance, True

    @operation(writes=True)
    async def upsert(self, values: Values, *, match_fields: Sequence[str] | None = None) -> ModelT:
        """Return the row with the same ``match_fields`` (the key), changed, or a new one.

        Raises:
            NotFound: values have a key that the database makes, and no row has it.
            StaleVersion: values have another version than the row.
            WriteConflict: another writer made it meanwhile; run again, as ``retry`` does.
        """
        return (await self._upsert([values], match_fields))[0][0]

    @operation(writes=True)
    async def get_or_upsert(
        self, values: Values, *, match_fields: Sequence[str] | None = None
    ) -> tuple[ModelT, bool]:
        """Return what ``upsert`` returns, and whether the row is new.

        Raises:
            NotFound: values have a key that the database makes, and no row has it.
            StaleVersion: values have another version than the row.
            WriteConflict: another writer made it meanwhile; run again, as ``retry`` does.
        """
        return (await self._upsert([values], match_fields))[0]

    @operation(writes=True)
    async def upsert_many(
        self, rows: Iterable[Values], *, match_fields: Sequence[str] | None = None
    ) -> list[ModelT]:
        """Return the row of each of ``rows``, as ``upsert`` does, with one query for all.

        Raises:
            NotFound: a row has a key that the database makes, and there is none with it.
            StaleVersion: a row has another version than the one stored.
            WriteConflict: another writer made one meanwhile; run again, as ``retry`` does.
        """
        return [instance for instance, _ in await self._upsert(list(rows), match_fields)]

    # ---- changes -------------------------------------------------------------------

    @operation(writes=True)
    async def update(self, key: Key, values: Values, *, version: int | None = None) -> ModelT:
        """Return the row with a key, changed.

        ``version``, here or among the values, is the one the caller has seen.

        Raises:
            NotFound: there is no such row.
            StaleVersion: it has another version; the error has both.
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
        """
        changes, expected = self.fields.for_update(values)
        expected = self._agreed(version, expected)
        instance = await self._existing(key)
        await self._change([(instance, changes, expected)])
        return instance

    @operation(writes=True)
    async def update_many(self, rows: Iterable[Values]) -> list[ModelT]:
        """Return the rows with the keys in ``rows``, each changed by the rest of its values.

        One query finds them all; ``bulk_update`` is for thousands.

        Raises:
            NotFound: a key has no row.
            StaleVersion: a row has another version than its values say.
        """
        parsed = []
        for row in rows:
            key, changes, version = self.fields.for_one(row)
            parsed.append((key_of(self.fields, key), changes, self._agreed(None, version)))
        found = await self._matching(self.fields.key, [key for key, _, _ in parsed])
        missing = [key for key, _, _ in parsed if key not in found]
        if missing:
            raise self._not_found(plain_key(missing[0]))
        await self._change([(found[key], changes, version) for key, changes, version in parsed])
        return [found[key] for key, _, _ in parsed]

    @operation(writes=True)
    async def get_and_update(
        self,
        values: Values,
        *conditions: Condition | Key,
        version: int | None = None,
        **filters: Any,
    ) -> ModelT:
        """Return the one row that matches conditions, or a key, changed.

        Raises:
            NotFound: there is none.
            MoreThanOne: there are several.
            StaleVersion: it has another version; the error has both.
        """
        changes, expected = self.fields.for_update(values)
        expected = self._agreed(version, expected)
        instance = await self._exactly_one(conditions, filters)
        await self._change([(instance, changes, expected)])
        return instance
