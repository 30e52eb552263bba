"""What Alembic is told about DuckDB, beyond what duckdb-sqlalchemy tells it.

Keys that the library checks in place of the database are neither created by a
migration nor reported as a difference. Importing this module imports Alembic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.ddl.impl import _impls
from duckdb_sqlalchemy.alembic_impl import DuckDBImpl
from sqlalchemy.schema import ForeignKeyConstraint

if TYPE_CHECKING:
    from sqlalchemy.schema import Constraint, Table

__all__ = ["AndamiosImpl"]

_registered = _impls["duckdb"]


class AndamiosImpl(DuckDBImpl):
    """Alembic's implementation for DuckDB that leaves out keys that are not physical."""

    __dialect__ = "duckdb"

    def correct_for_autogen_foreignkeys(self, conn_fks: set[Any], metadata_fks: set[Any]) -> None:
        """Do not miss keys that are not created."""
        metadata_fks -= {key for key in metadata_fks if self._does_without(key.table)}

    def create_table(self, table: Table, **options: Any) -> None:
        """Create a table of a migration, as ``create_all()`` would."""
        if self._does_without(table):
            table.info["duckdb_foreign_keys"] = "none"
        super().create_table(table, **options)

    def add_constraint(self, const: Constraint, **options: Any) -> None:
        """Add a constraint, unless it is such a key."""
        if not self._is_checked_key(const):
            super().add_constraint(const, **options)

    def drop_constraint(self, const: Constraint, **options: Any) -> None:
        """Drop a constraint, unless it is such a key."""
        if not self._is_checked_key(const):
            super().drop_constraint(const, **options)

    def _is_checked_key(self, constraint: Constraint) -> bool:
        return isinstance(constraint, ForeignKeyConstraint) and self._does_without(constraint.table)

    def _does_without(self, table: Table) -> bool:
        """Whether engine, models or table leave keys to the library.

        A table of a migration belongs to no model; what is migrated is known.
        """
        models = self.context_opts.get("target_metadata") or ()
        if not isinstance(models, (list, tuple)):
            models = (models,)
        places = (table, table.metadata, *models)
        engine = getattr(self.dialect, "options", None)
        return getattr(engine, "foreign_keys", None) == "none" or any(
            place.info.get("duckdb_foreign_keys") == "none" for place in places
        )


if _registered is not DuckDBImpl:
    _impls["duckdb"] = _registered  # an implementation of env.py's own stays
