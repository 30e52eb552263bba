"""How names and schema are written for DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb_sqlalchemy
from sqlalchemy import case, literal
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import ForeignKeyConstraint
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.elements import ColumnClause, Grouping

from andamios_orm.dialect.keywords import RESERVED_WORDS

__all__ = ["COUNTS", "DDLCompiler", "IdentifierPreparer"]

COUNTS = "(counts)"
"""The last part of a key whose row meets the condition of its index; NULL for others."""


class IdentifierPreparer(duckdb_sqlalchemy.DuckDBIdentifierPreparer):
    """Quotes identifiers; the reserved words are listed, so that no database is asked."""

    def __init__(self, dialect: Any, **options: Any) -> None:
        PGIdentifierPreparer.__init__(self, dialect, **options)
        self.reserved_words = {*self.reserved_words, *RESERVED_WORDS}


class DDLCompiler(duckdb_sqlalchemy.DuckDBDDLCompiler):
    """Leaves out foreign keys where they are not wanted, and indexes marked so."""

    def visit_foreign_key_constraint(self, constraint: Any, **options: Any) -> Any:
        """Return the clause, or None if engine, table or metadata does without."""
        if self._does_without(constraint):
            return None
        return super().visit_foreign_key_constraint(constraint, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy's

    def visit_add_constraint(self, create: Any, **options: Any) -> Any:
        """Return the statement; a foreign key that is not wanted is not added."""
        if self._does_without(create.element):
            return ""
        return super().visit_add_constraint(create, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy's

    def visit_drop_constraint(self, drop: Any, **options: Any) -> Any:
        """Return the statement; a foreign key that was not created is not dropped."""
        if self._does_without(drop.element):
            return ""
        return super().visit_drop_constraint(drop, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy's

    def _does_without(self, constraint: Any) -> bool:
        if not isinstance(constraint, ForeignKeyConstraint):
            return False
        dialect: Any = self.dialect
        table = constraint.table
        return "none" in (
            dialect.options.foreign_keys,
            table.info.get("duckdb_foreign_keys"),
            table.metadata.info.get("duckdb_foreign_keys"),
        )

    def visit_computed_column(self, generated: Any, **options: Any) -> str:
        """Return the clause; what is computed is not stored."""
        if generated.persisted:
            raise CompileError("DuckDB stores no generated column: leave out persisted=True")
        expression = self.sql_compiler.process(
            generated.sqltext, include_table=False, literal_binds=True
        )
        return f"GENERATED ALWAYS AS ({expression})"

    def visit_create_index(self, create: Any, *args: Any, **options: Any) -> Any:
        """Return the statement; an index with ``duckdb_index=False`` is not built.

        A unique index with ``duckdb_where=`` is about the rows that meet the condition.
        """
        own = create.element.dialect_options["duckdb"]
        if not own["index"]:
            return ""
        if own["where"] is not None:
            return self._partial_index(create, own["where"])
        return super().visit_create_index(create, *args, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy's

    def _partial_index(self, create: Any, where: Any) -> str:
        """Return the statement for a condition, which is a last part that is NULL for other rows.

        DuckDB has no partial index, and compares no key that has a NULL in it.
        """
        index = create.element
        self._verify_index_table(index)
        if not index.unique:
            raise CompileError(
                f"DuckDB has no partial index, so {index.name} can have a condition only where "
                f"it is unique: write duckdb_index=False to leave it out there"
            )
        condition = coercions.expect(roles.DDLExpressionRole, where)
        parts = [*index.expressions, case((condition, literal(COUNTS)))]
        keys = [
            self.sql_compiler.process(
                part if isinstance(part, ColumnClause) else Grouping(part),
                include_table=False,
                literal_binds=True,
            )
            for part in parts
        ]
        name = self._prepared_index_name(index)
        table = self.preparer.format_table(index.table)
        check = "IF NOT EXISTS " if create.if_not_exists else ""
        return f"CREATE UNIQUE INDEX {check}{name} ON {table} ({', '.join(keys)})"

    def visit_drop_index(self, drop: Any, **options: Any) -> Any:
        """Return the statement; an index that was not built is not dropped."""
        if not drop.element.dialect_options["duckdb"]["index"]:
            return ""
        return super().visit_drop_index(drop, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy's
