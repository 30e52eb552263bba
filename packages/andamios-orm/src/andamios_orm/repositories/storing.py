"""How rows are stored: hooks, flushes, versions, and rows that are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import inspect

from andamios_orm.exceptions import (
    DuplicateKey,
    MoreThanOne,
    StaleVersion,
    ValueRefused,
    WriteConflict,
)
from andamios_orm.repositories import statements
from andamios_orm.repositories.events import Event, checked_name
from andamios_orm.repositories.keys import plain_key
from andamios_orm.repositories.reading import Reader, described

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstanceState

    from andamios_orm.core import SessionManager
    from andamios_orm.repositories.events import EventName, Hook
    from andamios_orm.repositories.fields import Values
    from andamios_orm.repositories.keys import Key

__all__ = ["Storing"]

ModelT = TypeVar("ModelT")
Change = tuple[ModelT, dict[str, Any], Any]
"""An instance, its new values, and the version that the caller expects."""


class Storing(Reader[ModelT]):
    """What the writing methods of a repository have in common."""

    def __init__(
        self, source: AsyncSession | SessionManager, model: type[ModelT] | None = None
    ) -> None:
        """Work on a session, or on a database where each call has its own transaction.

        Raises:
            ConfigurationError: there is no model, or ``source`` is neither of the two.
        """
        super().__init__(source, model)
        self._hooks: dict[EventName, tuple[Hook, ...]] = {}

    # ---- hooks ---------------------------------------------------------------------

    def before_create(self, event: Event[ModelT]) -> Awaitable[None] | None:
        """Do something before a row is stored; to be overridden, async or not."""

    def after_create(self, event: Event[ModelT]) -> Awaitable[None] | None:
        """Do something after a row was stored, before its commit; to be overridden."""

    def before_update(self, event: Event[ModelT]) -> Awaitable[None] | None:
        """Do something before ``event.values`` are written; to be overridden."""

    def after_update(self, event: Event[ModelT]) -> Awaitable[None] | None:
        """Do something after ``event.values`` were written; to be overridden."""

    def before_delete(self, event: Event[ModelT]) -> Awaitable[None] | None:
        """Do something before a row is deleted; to be overridden."""

    def after_delete(self, event: Event[ModelT]) -> Awaitable[None] | None:
        """Do something after a row was deleted; to be overridden."""

    def on(self, name: EventName, *hooks: Hook) -> Self:
        """Call ``hooks`` at an event of this repository, after its own, and return it.

        Raises:
            ConfigurationError: there is no such event.
        """
        name = checked_name(name)
        self._hooks = {**self._hooks, name: (*self._hooks.get(name, ()), *hooks)}
        return self

    async def _tell(
        self, name: EventName, instance: ModelT, values: dict[str, Any] | None = None
    ) -> None:
        """Call the hooks of an event, in order."""
        hooks = self._hooks.get(name, ())
        if getattr(type(self), name) is not getattr(Storing, name):
            hooks = (getattr(self, name), *hooks)
        for hook in hooks:
            told = hook(Event(name, instance, {} if values is None else values, self.session))
            if told is not None:
                await told

    def _is_told(self, *names: EventName) -> bool:
        """Whether anybody listens to one of these events."""
        own = type(self)
        return any(
            self._hooks.get(name) or getattr(own, name) is not getattr(Storing, name)
            for name in names
        )

    # ---- how -----------------------------------------------------------------------

    def _new(self, values: Values | ModelT) -> ModelT:
        if isinstance(values, self.model):
            return values
        return self.model(**self.fields.for_create(values))

    async def _create_alone(self, values: Values | ModelT) -> ModelT:
        """Store one row in a commit of its own, shared where nothing speaks against it."""
        database = self._database
        assert database is not None  # noqa: S101 - asked before
        create = getattr(database, "create", None)
        if create is None or self._is_told("before_create", "after_create"):
            return await self.run_alone(
                lambda inner: inner._create(values),  # noqa: SLF001 - its own class
                writes=True,
            )
        stored: ModelT = await create(self._new(values))
        return stored

    async def _create(self, values: Values | ModelT) -> ModelT:
        if self.is_detached:
            return await self._create_alone(values)
        instance = self._new(values)
        await self._insert(instance)
        return instance

    async def _insert(self, *instances: ModelT) -> None:
        """Store new rows, in one flush."""
        for instance in instances:
            await self._tell("before_create", instance)
            self.fields.check_key(instance)
        self.session.add_all(instances)
        await self._flush(*instances)
        for instance in instances:
            await self._tell("after_create", instance)

    async def _insert_unmatched(self, new: Sequence[ModelT], names: Iterable[str]) -> None:
        """Store rows that no query found; one that is there after all is a conflict."""
        await self._refuse_deleted(new, names)
        try:
            await self._insert(*new)
        except DuplicateKey as error:
            columns = {self.fields.columns[name].name for name in names}
            if not columns.issuperset(error.columns or {""}):
                raise
            raise WriteConflict(
                f"another writer made this {self.model.__name__} meanwhile: run it again"
            ) from error

    async def _refuse_deleted(self, new: Sequence[ModelT], names: Iterable[str]) -> None:
        """Raise if a row was found by its key and is out of sight: that key is not free."""
        key = self.fields.key
        if self.fields.deleted is None or not set(key) <= set(names) - self.fields.generated:
            return
        for condition in statements.among(self.mapper, key, [self._key_of(each) for each in new]):
            statement = self._select([condition], {}, (), with_deleted=True)
            found = (await self._scalars(statement, None)).first()
            if found is not None:
                value = plain_key(self._key_of(found))
                raise DuplicateKey(
                    f"{self.model.__name__} {value!r} was deleted: restore() it, or purge() it",
                    table=getattr(self.mapper.local_table, "name", None),
                    columns=[self.fields.columns[name].name for name in key],
                    value=value,
                )

    async def _change(self, changes: Sequence[Change[ModelT]]) -> None:
        """Write new values to rows, in one flush."""
        for instance, _, expected in changes:
            self._check_version(instance, expected)
        for instance, values, _ in changes:
            await self._tell("before_update", instance, values)
            for name, value in values.items():
                setattr(instance, name, value)
        await self._flush(*(instance for instance, _, _ in changes))
        for instance, values, _ in changes:
            await self._tell("after_update", instance, values)

    def _check_version(self, instance: ModelT, expected: Any) -> None:
        if expected is None or self.fields.version is None:
            return
        actual = getattr(instance, self.fields.version)
        if actual != expected:
            key = plain_key(self._key_of(instance))
            raise StaleVersion(
                f"{self.model.__name__} {key} has version {actual}, not {expected}: read it again",
                expected=expected,
                actual=actual,
            )

    def _agreed(self, version: int | None, among_values: Any) -> int | None:
        """Return the version that the caller expects, said in either place."""
        expected = among_values if version is None else version
        if expected is None:
            return None
        name = self.fields.version
        if name is None:
            raise ValueRefused(f"{self.model.__name__} has no version to compare", expected)
        if isinstance(expected, bool) or not isinstance(expected, int):
            raise ValueRefused("a version is a whole number", expected, name)
        if among_values is not None and among_values != expected:
            raise ValueRefused(f"version={version} was said as well", among_values, name)
        return expected

    async def _flush(self, *instances: ModelT) -> None:
        """Flush, and read what the database computed, so that nothing loads when touched."""
        await self.session.flush()
        for instance in instances:
            state: InstanceState[ModelT] = inspect(instance)
            computed = state.expired_attributes & self.fields.columns.keys()
            if computed:
                await self.session.refresh(instance, sorted(computed))

    def _key_of(self, instance: ModelT) -> tuple[Any, ...]:
        return tuple(getattr(instance, name) for name in self.fields.key)

    async def _exactly_one(self, conditions: Sequence[Any], filters: Mapping[str, Any]) -> ModelT:
        found = await self._one(conditions, filters)
        if found is None:
            raise self._not_found(described(conditions, filters))
        return found

    async def _existing(self, key: Key, *, with_deleted: bool = False) -> ModelT:
        """Return the row with a key as it is in the database now."""
        found = await self._find(key, (), with_deleted=with_deleted)
        if found is None:
            raise self._not_found(key)
        return found

    # ---- rows that may be there already --------------------------------------------

    async def _upsert(
        self, rows: Sequence[Values], match_fields: Sequence[str] | None
    ) -> list[tuple[ModelT, bool]]:
        """Return for each of ``rows`` its row, changed or new, and whether it is new."""
        names = self.fields.matched(match_fields)
        parsed = [self._parsed(row, names) for row in rows]
        known = await self._matching(names, [match for match, _, _ in parsed if match is not None])
        changes: list[Change[ModelT]] = []
        new: list[ModelT] = []
        answers: list[tuple[ModelT, bool]] = []
        for row, (match, values, version) in zip(rows, parsed, strict=True):
            found = None if match is None else known.get(match)
            if found is None:
                found = self._unmatched(row, names, match)
                new.append(found)
                if match is not None:
                    known[match] = found
                answers.append((found, True))
            elif any(found is one for one in new):
                for name, value in values.items():
                    setattr(found, name, value)
                answers.append((found, False))
            else:
                changes.append((found, values, version))
                answers.append((found, False))
        if changes:
            await self._change(changes)
        if new:
            await self._insert_unmatched(new, names)
        return answers

    def _parsed(
        self, row: Values, names: tuple[str, ...]
    ) -> tuple[tuple[Any, ...] | None, dict[str, Any], int | None]:
        """Return what a row is matched by (None: nothing), its other values, its version."""
        key, values, version = self.fields.for_one(row)
        given = {**values, **key}
        if not any(name in given for name in names) and set(names) <= self.fields.generated:
            return None, values, self._agreed(None, version)
        for name in names:
            if given.get(name) is None:
                raise ValueRefused("rows are matched by it, so it must have a value", None, name)
        match = tuple(self.fields.check(name, given[name]) for name in names)
        rest = {name: value for name, value in values.items() if name not in names}
        return match, rest, self._agreed(None, version)

    def _unmatched(self, row: Values, names: tuple[str, ...], match: Any) -> ModelT:
        """Return the new instance for a row that nothing matched."""
        if match is not None and not self.fields.generated.isdisjoint(names):
            raise self._not_found(plain_key(match))
        return self.model(**self.fields.for_create(row))

    async def _matching(
        self, names: tuple[str, ...], matches: Sequence[tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], ModelT]:
        """Return the rows that have one of ``matches`` in the columns ``names``."""
        found: dict[tuple[Any, ...], ModelT] = {}
        keys = matches if names == self.fields.key else ()
        for condition in statements.among(self.mapper, names, matches):
            for instance in await self._fresh(condition, keys):
                match = tuple(getattr(instance, name) for name in names)
                if match in found:
                    raise MoreThanOne(self.model.__name__, plain_key(match))
                found[match] = instance
        return found
