"""What Alembic does on DuckDB, beyond what duckdb-sqlalchemy tells it.

A change that DuckDB makes itself is left to it. Where it refuses one (a table with
indexes or keys, one whose rows were changed in the same transaction, a NOT NULL column,
a constraint) the table is made anew in the shape that is wanted, with its rows, indexes
and comments. Importing this module imports Alembic.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from alembic.ddl.impl import DefaultImpl, _impls
from duckdb_sqlalchemy.alembic_impl import DuckDBImpl
from sqlalchemy import Column
from sqlalchemy.schema import Computed, ForeignKeyConstraint
from sqlalchemy.types import NullType

from andamios_orm.dialect import constraint_names, rebuilding
from andamios_orm.dialect.alembic_comparing import ComparingImpl
from andamios_orm.dialect.constraints import KINDS, find, named_like, shape_of, written_in
from andamios_orm.dialect.shapes import ColumnShape, mentions
from andamios_orm.exceptions import MigrationRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy.schema import Constraint, Index, Table

    from andamios_orm.dialect.shapes import ConstraintShape, TableShape

    _Key: TypeAlias = tuple[str | None, str]

__all__ = ["AndamiosImpl"]

_registered = _impls["duckdb"]

_LITERAL: Final = re.compile(
    r"\(*(?:NULL|TRUE|FALSE|[-+]?\d+(?:\.\d+)?|'(?:[^']|'')*')\)*", re.IGNORECASE
)


class AndamiosImpl(ComparingImpl):
    """Alembic's implementation for DuckDB: every change of a table, whatever depends on it."""

    __dialect__ = "duckdb"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin with nothing made anew and nothing dropped."""
        super().__init__(*arguments, **options)
        self._made_at: dict[tuple[str | None, str], int] = {}
        self._dropped_in: dict[tuple[_Key, str], object] = {}

    # ---- whole tables ------------------------------------------------------------------

    def create_table(self, table: Table, **options: Any) -> None:
        """Create a table of a migration, as ``create_all()`` would."""
        if self._does_without(table):
            table.info["duckdb_foreign_keys"] = "none"
        if self._found(table.name, table.schema) is not None and options.get("if_not_exists"):
            return
        super().create_table(table, **options)
        if self.as_sql:
            return
        given = [
            shape_of(constraint, self.dialect)
            for constraint in written_in(table)
            if self._is_created(constraint)
        ]
        shape = self._read(table.name, table.schema)
        self._is_made(shape)
        self._keep_names(shape, given)

    def drop_table(self, table: Table, **options: Any) -> None:
        """Drop a table, and the sequence that was made with it for its key."""
        shape = self._found(table.name, table.schema)
        super().drop_table(table, **options)
        if shape is None:
            return
        self._made_at.pop(_key(shape), None)
        self._forget_names(shape)
        for column in shape.columns:
            sequence = f"{shape.name}_{column.name}_seq"
            if column.default is not None and sequence in column.default:
                name = replace(shape, name=sequence).full_name(self._quote)
                self._online.exec_driver_sql(f"DROP SEQUENCE IF EXISTS {name}")

    def rename_table(self, old_table_name: str, new_table_name: str, schema: Any = None) -> None:
        """Give a table another name; a sequence of its key keeps the one it has.

        DuckDB 1.5.5 renames one whose rows the same transaction has changed, but writes a
        log that it cannot replay: after a crash the file could not be opened.
        """
        shape = self._found(old_table_name, schema)
        if shape is None:
            super().rename_table(old_table_name, new_table_name, schema)
            return
        new = shape.with_name(str(new_table_name))
        if self._holds(shape) or self._rows_changed(shape):
            self._reshape(shape, new)
            return
        super().rename_table(old_table_name, new_table_name, schema)
        self._made_at[_key(new)] = self._made_at.pop(_key(shape), 0)
        self._forget_names(shape)
        self._keep_names(self._read(new.name, new.schema), new.constraints)

    # ---- columns -----------------------------------------------------------------------

    def add_column(
        self, table_name: str, column: Column[Any], *, schema: Any = None, **options: Any
    ) -> None:
        """Add a column; one that is NOT NULL is filled with its default first."""
        shape = self._found(table_name, schema)
        if shape is not None and shape.has_column(column.name) and options.get("if_not_exists"):
            return
        if shape is not None and self._needs_copy_to_add(shape, column):
            self._reshape(shape, shape.with_column(self._column_shape(column)))
            return
        nullable, column.nullable = column.nullable, True
        try:
            super().add_column(table_name, column, schema=schema, **options)
        finally:
            column.nullable = nullable
        if not nullable:
            DefaultImpl.alter_column(self, table_name, column.name, nullable=False, schema=schema)

    def _needs_copy_to_add(self, shape: TableShape, column: Column[Any]) -> bool:
        if column.computed is not None or self._rows_changed(shape):
            return True
        default = self._default(column)
        is_literal = default is None or _LITERAL.fullmatch(default) is not None
        return not column.nullable and (self._holds(shape) or not is_literal)

    def drop_column(
        self, table_name: str, column: Column[Any], schema: str | None = None, **options: Any
    ) -> None:
        """Drop a column with the constraints and indexes that need it, as PostgreSQL does.

        Raises:
            MigrationRefused: another column is computed from it.
        """
        shape = self._found(table_name, schema)
        if shape is None or not shape.has_column(column.name):
            DefaultImpl.drop_column(self, table_name, column, schema=schema, **options)
            return
        new = shape.without_column(column.name)
        for other in new.columns:
            if other.generated is not None and mentions(other.generated, column.name):
                raise MigrationRefused(
                    f"{table_name}.{other.name} is computed from {column.name}: drop it first"
                )
        if self._needs_copy_to_drop(shape, new, column.name):
            self._reshape(shape, new)
        else:
            DefaultImpl.drop_column(self, table_name, column, schema=schema, **options)

    def _needs_copy_to_drop(self, shape: TableShape, new: TableShape, name: str) -> bool:
        names = [each.name.lower() for each in shape.columns]
        behind = names[names.index(name.lower()) :]
        keys = (each for each in shape.constraints if each.kind in {"PRIMARY KEY", "UNIQUE"})
        return (
            self._holds(shape)
            or bool(self._dropped(shape))
            or self._rows_changed(shape)
            or new.constraints != shape.constraints
            or len(new.stored) < len(new.columns)
            or any(each.lower() in behind for key in keys for each in key.columns)
        )

    def alter_column(self, table_name: str, column_name: str, **changes: Any) -> None:
        """Change type, default, nullability, comment and name of a column.

        ``duckdb_using``, or ``postgresql_using``, is the SQL that makes the new value
        of the old one.
        """
        shape = self._found(table_name, changes.get("schema"))
        if shape is None or not shape.has_column(column_name):
            DefaultImpl.alter_column(self, table_name, column_name, **changes)
            return
        old = shape.column(column_name)
        if changes.get("nullable") == old.nullable:
            changes["nullable"] = None
        if changes.get("name") == old.name:
            changes["name"] = None
        using = changes.get("duckdb_using", changes.get("postgresql_using"))
        new = self._altered(shape, old, changes)
        if using is None and not self._needs_copy_to_alter(shape, old, changes):
            DefaultImpl.alter_column(self, table_name, column_name, **changes)
            self._keep_names(self._read(shape.name, shape.schema), new.constraints)
            return
        if changes.get("type_") is not None:
            self._refuse_other_type(shape, old.name)
        column = new.column(changes.get("name") or old.name)
        value = self._quote(old.name)
        if changes.get("type_") is not None:
            value = f"CAST({using or value} AS {column.type})"
        self._reshape(shape, new, {column.name: value} if old.generated is None else None)

    def _refuse_other_type(self, shape: TableShape, column: str) -> None:
        """Refuse to retype one side of a physical key: DuckDB wants both of one type."""
        children = [
            self._read(name, shape.schema) for name in rebuilding.children_of(self._online, shape)
        ]
        for table in (shape, *children):
            for each in table.constraints:
                refers = each.refers_to is not None and column in (
                    each.columns if table is shape else each.referred
                )
                if refers:
                    raise MigrationRefused(
                        f"{shape.name}.{column} is part of a foreign key of {table.name}, whose "
                        f"sides have one type on DuckDB: drop the key, change both, add it again"
                    )

    def _altered(self, shape: TableShape, old: ColumnShape, changes: dict[str, Any]) -> TableShape:
        """Return the shape that is wanted."""
        found: dict[str, Any] = {}
        if changes.get("type_") is not None:
            found["type"], found["collation"] = self._type(changes["type_"])
        if changes.get("nullable") is not None:
            found["nullable"] = changes["nullable"]
        if changes.get("server_default", False) is not False:
            default = changes["server_default"]
            if isinstance(default, Computed):
                raise MigrationRefused(
                    f"{shape.name}.{old.name} has values of its own and cannot become "
                    f"computed: drop it and add it again"
                )
            found["default"] = self._default(Column("c", NullType(), server_default=default))
        if changes.get("comment", False) is not False:
            found["comment"] = changes["comment"]
        new = shape.with_column_changed(old.name, **found)
        name = changes.get("name")
        return new if name is None else new.with_column_renamed(old.name, str(name), self._quote)

    def _needs_copy_to_alter(
        self, shape: TableShape, old: ColumnShape, changes: dict[str, Any]
    ) -> bool:
        """Whether DuckDB would refuse this, now or at COMMIT."""
        retyped, renamed = (changes.get(each) is not None for each in ("type_", "name"))
        nullable = changes.get("nullable")
        if self._rows_changed(shape) and (retyped or nullable is False):
            return True
        depends = any(each.concerns(old.name) for each in shape.constraints) or any(
            column.generated is not None for column in shape.columns
        )
        if retyped and (depends or self._dropped(shape)):
            return True
        return (retyped or renamed or nullable is not None) and self._holds(shape)

    # ---- indexes and constraints ------------------------------------------------------

    def create_index(self, index: Index, **options: Any) -> None:
        """Create an index; a table that DuckDB gives none in this transaction is made anew."""
        table = index.table
        shape = None if table is None else self._found(table.name, table.schema)
        if shape is not None and (
            str(index.name).lower() in self._dropped(shape) or self._rows_changed(shape)
        ):
            self._reshape(shape, shape)
        super().create_index(index, **options)

    def drop_index(self, index: Index, **options: Any) -> None:
        """Drop an index, and note that its table still holds on to it in this transaction."""
        if not self.as_sql:
            name, schema = str(index.name), None if index.table is None else index.table.schema
            table = rebuilding.with_index(self._online, name, schema)
            if table is not None:
                self._dropped_in[_key(table), name.lower()] = self._transaction()
        DefaultImpl.drop_index(self, index, **options)

    def _dropped(self, shape: TableShape) -> set[str]:
        """Return the names of the indexes that the table lost in this transaction."""
        noted = {name: at for (key, name), at in self._dropped_in.items() if key == _key(shape)}
        now = self._transaction() if noted else None
        return {name for name, dropped_in in noted.items() if dropped_in == now}

    def _transaction(self) -> object:
        return self._online.exec_driver_sql("SELECT txid_current()").scalar()

    def add_constraint(self, const: Constraint, **options: Any) -> None:
        """Add a constraint, unless it is a key that the library checks.

        Raises:
            MigrationRefused: it is a key to a table of another schema.
        """
        if not self._is_created(const):
            return
        shape = self._found(const.table.name, const.table.schema)
        if shape is None or type(const) not in KINDS:
            super().add_constraint(const, **options)
            return
        if isinstance(const, ForeignKeyConstraint):
            referred = const.elements[0].column.table
            parent = self._found(referred.name, referred.schema)
            if parent is not None and parent.schema != shape.schema:
                raise MigrationRefused(f"{const.name}: DuckDB has no keys between schemas")
        self._reshape(shape, shape.with_constraint(shape_of(const, self.dialect)))

    def drop_constraint(self, const: Constraint, **options: Any) -> None:
        """Drop a constraint, unless it is a key that the library checks.

        Raises:
            MigrationRefused: the table has no such constraint.
        """
        if self._is_checked_key(const):
            return
        shape = self._found(const.table.name, const.table.schema)
        if shape is None:
            super().drop_constraint(const, **options)
            return
        found = find(shape, str(const.name), KINDS.get(type(const)), self._models())
        if found is not None:
            self._reshape(shape, shape.without_constraint(found))
        elif not options.get("if_exists"):
            listed = ", ".join(each.definition(self._quote) for each in shape.constraints)
            raise MigrationRefused(
                f"{shape.name} has no constraint {const.name}; it has {listed or 'none'}"
            )

    # ---- the table as it is ---------------------------------------------------------------

    @property
    def _quote(self) -> Callable[[str], str]:
        quote: Callable[[str], str] = self.dialect.identifier_preparer.quote_identifier
        return quote

    def _found(self, name: str, schema: Any) -> TableShape | None:
        """Return the shape of a table with the names of its constraints; None if it is not there.

        It is None as well where SQL is only printed: then DuckDB's own statements have to do.
        """
        if self.as_sql:
            return None
        shape = rebuilding.read(self._online, str(name), schema and str(schema))
        return None if shape is None else constraint_names.named(self._online, shape)

    def _read(self, name: str, schema: Any) -> TableShape:
        shape = self._found(name, schema)
        assert shape is not None  # noqa: S101 - it was made or altered a moment ago
        return shape

    def _holds(self, shape: TableShape) -> bool:
        """Whether something depends on the table that keeps DuckDB from altering it."""
        return bool(
            shape.indexes or shape.has_foreign_keys or rebuilding.children_of(self._online, shape)
        )

    def _rows_changed(self, shape: TableShape) -> bool:
        """Whether rows were changed in this transaction, in a table that is older than that."""
        raw = self._raw
        changed: bool = raw.changes > max(self._made_at.get(_key(shape), 0), raw.changes_before)
        return changed

    def _is_made(self, shape: TableShape) -> None:
        """Note that the table is new: what was changed before does not matter to it."""
        self._made_at[_key(shape)] = self._raw.changes
        for each in [each for each in self._dropped_in if each[0] == _key(shape)]:
            del self._dropped_in[each]

    @property
    def _raw(self) -> Any:
        return self._online.connection.dbapi_connection

    # ---- the table as it shall be ---------------------------------------------------------

    def _reshape(
        self, old: TableShape, new: TableShape, values: Mapping[str, str] | None = None
    ) -> None:
        """Make the table anew; ``values`` are those that are not just taken over."""
        taken = {
            column.name: self._quote(column.name)
            for column in new.stored
            if old.has_column(column.name)
        }
        with self._in_transaction():
            with self._apart():
                made = rebuilding.rebuild(self._online, old, new, {**taken, **(values or {})})
            self._forget_names(old)
            for shape in made:
                self._is_made(shape)
                self._keep_names(self._read(shape.name, shape.schema), shape.constraints)

    @contextmanager
    def _in_transaction(self) -> Iterator[None]:
        """Make one transaction of what is done in an ``autocommit_block()``."""
        raw = self._raw
        if not raw.autocommit:
            yield
            return
        raw.autocommit = False
        try:
            yield
            raw.commit()
        except BaseException:
            raw.rollback()
            raise
        finally:
            raw.autocommit = True

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Do something with tables of our own, whose changes do not matter to others."""
        before = self._raw.changes
        yield
        self._raw.changes = before

    def _keep_names(self, shape: TableShape, given: Iterable[ConstraintShape]) -> None:
        """Keep the names of constraints as DuckDB, which may use other words now, writes them."""
        named = named_like(shape.constraints, given)
        if named != shape.constraints:
            with self._apart():
                constraint_names.keep(self._online, replace(shape, constraints=named))

    def _forget_names(self, shape: TableShape) -> None:
        if any(each.name for each in shape.constraints):
            with self._apart():
                constraint_names.forget(self._online, shape)

    def _column_shape(self, column: Column[Any]) -> ColumnShape:
        name, collation = self._type(column.type)
        shape = ColumnShape(column.name, name, bool(column.nullable), collation=collation)
        if column.computed is None:
            return replace(shape, default=self._default(column))
        return replace(shape, generated=self._computed(column.computed))

    def _default(self, column: Column[Any]) -> str | None:
        default: str | None = self._compiler().get_column_default_string(column)
        return default

    def _computed(self, computed: Computed) -> str:
        clause = str(self._compiler().visit_computed_column(computed))
        return clause.removeprefix("GENERATED ALWAYS AS (").removesuffix(")")

    def _compiler(self) -> Any:
        return self.dialect.ddl_compiler(self.dialect, None)  # type: ignore[arg-type]  # nothing is compiled yet


def _key(shape: TableShape) -> _Key:
    return shape.schema, shape.name


if _registered is not DuckDBImpl:
    _impls["duckdb"] = _registered  # an implementation of env.py's own stays
