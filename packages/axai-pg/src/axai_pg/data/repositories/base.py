"""What the repositories of this package have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from andamios_orm.exceptions import DuplicateKey, WriteConflict
from andamios_orm.models.checked import Checked
from andamios_orm.repositories import BaseRepository as CoreRepository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["BaseRepository"]

ModelT = TypeVar("ModelT")


class BaseRepository(CoreRepository[ModelT]):
    """Rows of one model, in the organisation of the session.

    The database keeps organisations apart, so that rows of others are as unknown as rows that
    do not exist, whatever is asked of them. Values that their column refuses are refused before
    the flush, after whose error a session can do nothing else.
    """

    async def _insert(self, *instances: ModelT) -> None:
        for instance in instances:
            self._check(vars(instance))
        await super()._insert(*instances)

    async def _insert_unmatched(self, new: Sequence[ModelT], names: Iterable[str]) -> None:
        matched = {self.fields.columns[name].name for name in names}
        try:
            await super()._insert_unmatched(new, names)
        except DuplicateKey as error:
            # Of a table with policies, the server names the constraint and not its columns.
            unique = self._unique(error.constraint) - {"org_id"}
            if not unique or not unique <= matched:
                raise
            raise WriteConflict(
                f"another writer made this {self.model.__name__} meanwhile: run it again"
            ) from error

    def _unique(self, constraint: str | None) -> set[str]:
        """Return the columns that are unique together by a constraint or an index."""
        table: Any = self.mapper.local_table
        named = (each for each in (*table.constraints, *table.indexes) if each.name == constraint)
        return {name for each in named for name in each.columns.keys()}  # noqa: SIM118 - no dict

    async def _change(self, changes: Sequence[tuple[ModelT, dict[str, Any], Any]]) -> None:
        for _, values, _ in changes:
            self._check(values)
        await super()._change(changes)

    def _check(self, values: Mapping[str, Any]) -> None:
        """Raise if a column refuses its value.

        Raises:
            ValueRefused: it does; the error names the column.
        """
        dialect = self.session.sync_session.get_bind().dialect
        for name, column in self.fields.columns.items():
            if name in values and isinstance(column.type, Checked):
                column.type.process_bind_param(values[name], dialect)

    async def _create_alone(self, values: Any) -> ModelT:
        return await self.run_alone(lambda inner: inner._create(values), writes=True)  # noqa: SLF001 - its own class
