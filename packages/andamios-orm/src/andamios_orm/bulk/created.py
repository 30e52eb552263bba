"""What a bulk has created: keys at once, instances when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from sqlalchemy.orm.attributes import instance_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from andamios_orm.bulk.target import Target

__all__ = ["Created"]

ModelT = TypeVar("ModelT")


class Created(Sequence[ModelT], Generic[ModelT]):
    """New rows in the order of the input; an instance is made when it is first read.

    Instances carry what was given and what Python and the database added to it, as
    after a flush. They are detached: ``session.add()`` takes one up to change it.
    """

    def __init__(
        self,
        target: Target,
        count: int,
        columns: Mapping[str, Sequence[Any]],
        instances: Sequence[ModelT] | None = None,
    ) -> None:
        """Hold ``columns`` of ``count`` rows, or the instances that were given."""
        self._target = target
        self._count = count
        self._columns = columns
        self._made: dict[int, ModelT] = {}
        self._empty = dict.fromkeys(name for name in target.columns if name not in columns)
        self._new: Callable[[], ModelT] = target.mapper.class_manager.new_instance
        if instances is not None:
            for row, instance in enumerate(instances):
                self._made[row] = self._persisted(instance, row)

    @property
    def ids(self) -> list[Any]:
        """The keys, in the order of the input; tuples where a key has several parts."""
        return list(self._target.keys_of(self._columns)) if self._count else []

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> ModelT: ...

    @overload
    def __getitem__(self, index: slice) -> list[ModelT]: ...

    def __getitem__(self, index: int | slice) -> ModelT | list[ModelT]:
        if isinstance(index, slice):
            return [self._at(row) for row in range(self._count)[index]]
        return self._at(range(self._count)[index])

    def __iter__(self) -> Iterator[ModelT]:
        if self._made:
            yield from map(self._at, range(self._count))
            return
        for row, values in enumerate(zip(*self._columns.values(), strict=True)):
            found = self._made.get(row)  # somebody else may have read it meanwhile
            yield self._kept(row, values) if found is None else found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Created, list, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(
            mine == theirs for mine, theirs in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __repr__(self) -> str:
        return f"<{self._count} new {self._target.name}>"

    def _at(self, row: int) -> ModelT:
        found = self._made.get(row)
        if found is None:
            found = self._kept(row, tuple(column[row] for column in self._columns.values()))
        return found

    def _kept(self, row: int, values: tuple[Any, ...]) -> ModelT:
        made = self._made[row] = self._instance(values)
        return made

    def _instance(self, row: tuple[Any, ...]) -> ModelT:
        """Return a new instance as one that was read from the database."""
        instance = self._new()
        state: Any = instance_state(instance)
        values = state.dict
        values.update(self._empty)
        values.update(zip(self._columns, row, strict=True))
        key = tuple([values[name] for name in self._target.key])
        state.key = self._target.mapper.identity_key_from_primary_key(key)
        state.manager.dispatch.load(state, None)
        return instance

    def _persisted(self, instance: ModelT, row: int) -> ModelT:
        """Return an instance that was given as one that was read from the database."""
        state: Any = instance_state(instance)
        values = state.dict
        values.update({name: column[row] for name, column in self._columns.items()})
        for name in self._target.columns:
            values.setdefault(name, None)
        state.key = self._target.mapper._identity_key_from_state(state)  # noqa: SLF001 - as make_transient_to_detached() does
        state._commit_all(values)  # noqa: SLF001 - likewise
        state.manager.dispatch.load(state, None)
        return instance
