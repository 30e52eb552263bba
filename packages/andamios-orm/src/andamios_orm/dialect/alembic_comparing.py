"""What Alembic compares on DuckDB: the same in other words is no difference.

Keys that the library checks in place of the database are neither created by a
migration nor reported as a difference. Importing this module imports Alembic.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from alembic.ddl._autogen import ComparisonResult
from duckdb_sqlalchemy.alembic_impl import DuckDBImpl
from sqlalchemy import text
from sqlalchemy import types as sqltypes
from sqlalchemy.schema import CreateIndex, ForeignKeyConstraint
from sqlalchemy.types import NullType, to_instance

from andamios_orm.dialect import rebuilding

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.schema import Constraint, Index, MetaData, Table

__all__ = ["ComparingImpl"]

_CANONICAL: Final = text("SELECT json_deserialize_sql(json_serialize_sql(:statement))")
_ORDER: Final = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\s+(?:ASC|DESC|NULLS\s+(?:FIRST|LAST))\b""", re.IGNORECASE
)
"""The order of a part of an index, which DuckDB does not keep; what is quoted is left alone."""


class ComparingImpl(DuckDBImpl):
    """The half of the implementation that looks at the database and changes nothing."""

    def correct_for_autogen_foreignkeys(self, conn_fks: set[Any], metadata_fks: set[Any]) -> None:
        """Do not miss keys that are not created."""
        metadata_fks -= {key for key in metadata_fks if self._does_without(key.table)}

    def correct_for_autogen_constraints(
        self,
        conn_uniques: Any,
        conn_indexes: Any,
        metadata_unique_constraints: Any,
        metadata_indexes: Any,
    ) -> None:
        """Do not miss indexes that are not built on DuckDB."""
        super().correct_for_autogen_constraints(
            conn_uniques, conn_indexes, metadata_unique_constraints, metadata_indexes
        )
        metadata_indexes -= {index for index in metadata_indexes if not _is_built(index)}

    def autogen_column_reflect(self, inspector: Any, table: Any, column_info: Any) -> None:
        """Let a key that counts be one again: its sequence is made with its table."""
        sequence = f"{table.name}_{column_info['name']}_seq"
        if sequence in (column_info.get("default") or ""):
            column_info["default"] = None
            column_info["autoincrement"] = True

    def compare_indexes(self, metadata_index: Index, reflected_index: Index) -> ComparisonResult:
        """Return whether an index is the one that is wanted, as DuckDB writes its parts."""
        table = reflected_index.table
        assert table is not None  # noqa: S101 - it was read from one
        shape = rebuilding.read(self._online, table.name, table.schema)
        assert shape is not None  # noqa: S101 - likewise
        (found,) = (each for each in shape.indexes if each.name == reflected_index.name)
        if bool(metadata_index.unique) != found.unique:
            return ComparisonResult.Different("unique")
        wanted = self._parts(metadata_index)
        parts = ", ".join(found.parts)
        if self._canonical(wanted) != self._canonical(parts):
            return ComparisonResult.Different(f"{parts} to {wanted}")
        return ComparisonResult.Equal()

    def compare_type(self, inspector_column: Any, metadata_column: Any) -> bool:
        """Return whether the type of a column differs, by the name that DuckDB has for it."""
        types = inspector_column.type, metadata_column.type.dialect_impl(self.dialect)
        if any(isinstance(each, (sqltypes.Enum, NullType)) for each in types):
            return bool(super().compare_type(inspector_column, metadata_column))
        found, wanted = (
            self._online.exec_driver_sql(
                f"SELECT typeof(CAST(NULL AS {self._type(each)[0]}))"
            ).scalar()
            for each in (inspector_column.type, metadata_column.type)
        )
        return bool(found != wanted)

    def _parts(self, index: Index) -> str:
        """Return what an index is over, as its statement says it, without an order."""
        statement = str(CreateIndex(index).compile(dialect=self.dialect))
        start = f" ON {self.dialect.identifier_preparer.format_table(index.table)} ("  # type: ignore[arg-type]  # it has a table
        listed = statement.partition(start)[2].removesuffix(")")
        return _ORDER.sub(lambda token: token[1] or "", listed)

    def _canonical(self, expressions: str) -> str:
        """Return SQL expressions as DuckDB's parser writes them."""
        found = self._online.scalar(_CANONICAL, {"statement": f"SELECT {expressions}"})
        return str(found)

    def _is_checked_key(self, constraint: Constraint) -> bool:
        return isinstance(constraint, ForeignKeyConstraint) and self._does_without(constraint.table)

    def _is_created(self, constraint: Constraint) -> bool:
        """Whether DuckDB has this constraint; that of a type may be for other databases."""
        rule: Any = constraint._create_rule  # noqa: SLF001 - as in Alembic's own add_constraint
        return (rule is None or rule(self)) and not self._is_checked_key(constraint)

    def _does_without(self, table: Table) -> bool:
        """Whether engine, models or table leave keys to the library.

        A table of a migration belongs to no model; what is migrated is known.
        """
        places = (table, table.metadata, *self._models())
        engine = getattr(self.dialect, "options", None)
        return getattr(engine, "foreign_keys", None) == "none" or any(
            place.info.get("duckdb_foreign_keys") == "none" for place in places
        )

    def _models(self) -> tuple[MetaData, ...]:
        models: Any = self.context_opts.get("target_metadata") or ()
        return tuple(models) if isinstance(models, (list, tuple)) else (models,)

    def _type(self, type_: Any) -> tuple[str, str | None]:
        """Return the name of a type and the collation that goes with it."""
        compiler: Any = self.dialect.type_compiler_instance
        name, _, collation = str(compiler.process(to_instance(type_))).partition(" COLLATE ")
        return name, collation or None

    @property
    def _online(self) -> Connection:
        assert self.connection is not None  # noqa: S101 - asked for only where SQL is not just printed
        return self.connection


def _is_built(index: Index) -> bool:
    return bool(index.dialect_options["duckdb"]["index"])
