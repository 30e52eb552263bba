"""What a model is told of its rows: each as it was, and as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, overload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["ColumnRows", "WrittenRow", "WrittenRows"]


class WrittenRow(NamedTuple):
    """A row before and after it was written, by attribute; None where it did not exist."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class ColumnRows(Sequence["dict[str, Any]"]):
    """Rows that are kept as ``columns``; a dict is made of one when it is read.

    ``sent`` has those that went to the database as Arrow, of which ``lent`` are a caller's.
    """

    __slots__ = ("_count", "columns", "lent", "sent")

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any]],
        count: int,
        sent: Mapping[str, Any] = MappingProxyType({}),
        lent: Collection[str] = (),
    ) -> None:
        """Hold ``count`` rows."""
        self.columns = columns
        self.sent = sent
        self.lent = lent
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[at] for at in range(self._count)[index]]
        return {name: values[index] for name, values in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, row, strict=True))


class WrittenRows(Sequence[WrittenRow]):
    """The rows of a bulk: those ``before`` and those ``after``, or None where none existed."""

    __slots__ = ("after", "before")

    def __init__(
        self,
        before: Sequence[Mapping[str, Any] | None] | None,
        after: Sequence[Mapping[str, Any] | None] | None,
    ) -> None:
        """Hold both, in the same order; one of them is not None."""
        self.before = before
        self.after = after

    def __len__(self) -> int:
        return len((self.before if self.after is None else self.after) or ())

    @overload
    def __getitem__(self, index: int) -> WrittenRow: ...

    @overload
    def __getitem__(self, index: slice) -> list[WrittenRow]: ...

    def __getitem__(self, index: int | slice) -> WrittenRow | list[WrittenRow]:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        return WrittenRow(
            None if self.before is None else self.before[index],
            None if self.after is None else self.after[index],
        )

    def __iter__(self) -> Iterator[WrittenRow]:
        nothing = [None] * len(self)
        before, after = (nothing if each is None else each for each in (self.before, self.after))
        return map(WrittenRow, before, after)
