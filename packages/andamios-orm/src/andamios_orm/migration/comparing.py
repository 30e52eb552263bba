"""What differs between the models and the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from sqlalchemy import (
    VARCHAR,
    CheckConstraint,
    Column,
    DefaultClause,
    Enum,
    MetaData,
    String,
    Table,
    TypeDecorator,
    inspect,
    text,
)

from andamios_orm.dialect.shapes import mentions
from andamios_orm.migration.describing import Difference, described
from andamios_orm.migration.operations import (
    AlterEnum,
    CreateEnum,
    CreateSequenceOp,
    DropEnum,
    DropSequenceOp,
)
from andamios_orm.migration.written import (
    MOMENTARY,
    checks_of,
    defaults_of,
    escaped,
    plain,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from alembic.operations import MigrateOperation
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection, TextClause
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from andamios_orm.migration.target import Target
    from andamios_orm.migration.written import Check

__all__ = ["Difference", "changes", "differences"]

_OWNED: Final = text("""
    SELECT sequence.relname FROM pg_class AS sequence JOIN pg_depend ON objid = sequence.oid
    WHERE sequence.relkind = 'S' AND deptype IN ('a', 'i')
""")
_OF_KEYS: Final = text(r"""
    SELECT regexp_extract(column_default, 'nextval\(''(?:.*\.)?"?(.*?)"?''\)', 1)
    FROM duckdb_columns() JOIN duckdb_constraints() USING (table_oid, database_name)
    WHERE database_name = current_database() AND constraint_type = 'PRIMARY KEY'
    AND column_default LIKE 'nextval(%' AND list_contains(constraint_column_names, column_name)
""")


def differences(target: Target, connection: Connection) -> tuple[Difference, ...]:
    """Return what would have to be done to the database for it to be as the models say."""
    _, found = changes(target, connection)
    return tuple(described(_flat(found.ops), connection.dialect))


def changes(target: Target, connection: Connection) -> tuple[MigrationContext, ops.UpgradeOps]:
    """Return what would have to be done, as operations, and the context that renders them.

    It makes and drops tables, so the transaction is to be rolled back.
    """
    enums = _Enums(connection, target.metadata)
    for each in enums.added:
        _run(connection, target, each)
    made = written(connection, target.metadata)
    context = target.context(
        connection,
        compare_server_default=False,
        compare_type=_has_another_length,
        include_schemas=True,
        include_name=lambda name, kind, _parents: _is_compared(target, name, kind),
    )
    script = produce_migrations(context, list(target.metadata))  # type: ignore[arg-type]  # Alembic takes a list, too
    found = script.upgrade_ops
    assert found is not None  # noqa: S101 - Alembic has just made it
    for table in _tables(target.metadata):
        if inspect(connection).has_table(table.name, table.schema):
            retyped = _retyped(found, table)
            gone, come = _checks(connection, table, made.checks.get(table.key, []), retyped)
            changed = _defaults(connection, table, made.defaults.get(table.key, {}))
            # A check goes before its columns go, and comes after its columns have come.
            found.ops.insert(0, ops.ModifyTableOps(table.name, gone, schema=table.schema))
            steps = [*changed, *come]
            found.ops.append(ops.ModifyTableOps(table.name, steps, schema=table.schema))
    for change in list(_flat(found.ops)):
        enums.leave_out(change)
    # Before a table goes, others drop their keys to it.
    found.ops.sort(key=lambda each: isinstance(each, ops.DropTableOp))
    added, removed = _sequences(connection, target.metadata)
    unknown: list[ops.MigrateOperation] = [*removed, *enums.removed]
    found.ops = [*enums.added, *enums.altered, *added, *found.ops]
    found.ops += [] if target.leaves_others else unknown
    found.ops = [each for each in found.ops if not _is_empty(each)]
    return context, found


def _is_compared(target: Target, name: str | None, kind: str) -> bool:
    """Return whether Alembic compares this: not what is ours, nor a schema without models."""
    if kind == "schema":
        return name is None or any(name == each.schema for each in _tables(target.metadata))
    if kind != "table":
        return True
    if target.leaves_others and all(name != each.name for each in _tables(target.metadata)):
        return False
    ours = {target.version_table, target.progress_table}
    return not (name in ours or (name or "").startswith(MOMENTARY))


def _has_another_length(
    context: MigrationContext,
    _column: object,
    _wanted_column: object,
    there: TypeEngine[Any],
    wanted: TypeEngine[Any],
) -> bool | None:
    """Return True where a text gets a length or loses it, which Alembic overlooks."""
    if context.dialect.name != "postgresql" or not isinstance(there, VARCHAR):
        return None  # DuckDB keeps no lengths
    while isinstance(wanted, TypeDecorator):
        wanted = wanted.load_dialect_impl(context.dialect)
    kind = wanted.dialect_impl(context.dialect)
    return True if isinstance(kind, String) and kind.length != there.length else None


def _run(connection: Connection, target: Target, operation: MigrateOperation) -> None:
    from alembic.operations import Operations

    Operations(target.context(connection)).invoke(operation)


# ---- defaults and checks ------------------------------------------------------------------


def _defaults(
    connection: Connection, table: Table, wanted: Mapping[str, str | None]
) -> Iterator[MigrateOperation]:
    """Yield what has to be done to the defaults of a table that is on both sides."""
    in_database = defaults_of(connection, table)
    spelled = plain if connection.dialect.name == "postgresql" else str  # DuckDB adds nothing
    types = {
        each["name"]: each["type"]
        for each in inspect(connection).get_columns(table.name, table.schema)
    }
    for column in table.columns:
        is_counted = column is table._autoincrement_column and column.server_default is None  # noqa: SLF001 - as Alembic does
        if column.name not in in_database or column.computed is not None or is_counted:
            continue
        before, after = in_database[column.name], wanted.get(column.name)
        if column.identity is not None or spelled(before or "") == spelled(after or ""):
            continue
        yield ops.AlterColumnOp(
            table.name,
            column.name,
            schema=table.schema,
            existing_type=types[column.name],
            existing_nullable=column.nullable,
            existing_server_default=None if before is None else DefaultClause(_text(before)),
            modify_server_default=column.server_default,
        )


def _checks(
    connection: Connection, table: Table, wanted: Sequence[Check], retyped: Collection[str]
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Return the checks to drop, and those to add, of a table that is on both sides.

    A check on a column of another type is dropped and added: PostgreSQL would leave in it
    the casts that the former type wanted.
    """
    in_database = checks_of(connection, table)
    gone = _without(in_database, wanted, retyped)
    come = _without(wanted, in_database, retyped)
    return [_drop(each, table) for each in gone], [
        _add(each, table, connection.dialect) for each in come
    ]


def _without(
    some: Sequence[Check], others: Iterable[Check], retyped: Collection[str]
) -> Iterator[Check]:
    """Yield those of ``some`` that the database does not write like one of the ``others``.

    And those that mention a column in ``retyped``.
    """
    texts = [plain(each.text) for each in others]
    for each in some:
        if any(mentions(each.text, column) for column in retyped):
            yield each
        elif plain(each.text) in texts:
            texts.remove(plain(each.text))
        else:
            yield each


def _retyped(found: ops.UpgradeOps, table: Table) -> set[str]:
    """Return the columns of a table that are to have another type."""
    return {
        each.column_name
        for each in _flat(found.ops)
        if isinstance(each, ops.AlterColumnOp)
        and each.modify_type is not None
        and (each.table_name, each.schema) == (table.name, table.schema)
    }


def _add(check: Check, table: Table, dialect: Dialect) -> MigrateOperation:
    """Return what adds a check; it is text, for columns in it would attach it to their table."""
    assert check.constraint is not None  # noqa: S101 - it is one of the models
    options = {"include_table": False, "literal_binds": True}
    condition = check.constraint.sqltext.compile(dialect=dialect, compile_kwargs=options)
    place = Table(table.name, MetaData(), schema=table.schema)
    constraint = CheckConstraint(_text(str(condition)), name=check.constraint.name)
    place.append_constraint(constraint)
    return ops.CreateCheckConstraintOp.from_constraint(constraint)


def _drop(check: Check, table: Table) -> MigrateOperation:
    place = Table(table.name, MetaData(), schema=table.schema)
    constraint = CheckConstraint(_text(check.text), name=check.name)
    place.append_constraint(constraint)
    return ops.DropConstraintOp.from_constraint(constraint)


def _text(sql: str) -> TextClause:
    return text(escaped(sql))


# ---- sequences and enums --------------------------------------------------------------------


def _sequences(
    connection: Connection, metadata: Iterable[MetaData]
) -> tuple[list[CreateSequenceOp], list[DropSequenceOp]]:
    """Return the sequences to make and those to drop; those of keys come with their tables."""
    on_duckdb = connection.dialect.name == "duckdb"
    owned = set(connection.scalars(_OF_KEYS if on_duckdb else _OWNED))
    if on_duckdb:
        owned.update(f"{each.table.name}_{each.name}_seq" for each in _counted(metadata))
    there = set(inspect(connection).get_sequence_names())
    wanted = {
        each.name: each
        for models in metadata
        for each in models._sequences.values()  # noqa: SLF001 - SQLAlchemy publishes no list of them
        if not each.optional
    }
    added = [
        CreateSequenceOp(name, start=each.start or 1, increment=each.increment or 1)
        for name, each in sorted(wanted.items())
        if name not in there
    ]
    return added, [DropSequenceOp(name) for name in sorted(there - owned - set(wanted))]


class _Enums:
    """The types with a list of values: those of the models, and those of the database."""

    def __init__(self, connection: Connection, metadata: Iterable[MetaData]) -> None:
        self._wanted: dict[str, Enum] = {}
        self._columns: dict[str, list[str]] = {}
        inspector: Any = inspect(connection)
        there = {each["name"]: list(each["labels"]) for each in inspector.get_enums()}
        for table in _tables(metadata):
            for column in table.columns:
                type_: Any = column.type.dialect_impl(connection.dialect)
                if isinstance(type_, Enum) and type_.native_enum and type_.name:
                    self._wanted[type_.name] = type_
                    if inspector.has_table(table.name, table.schema):
                        place = f"{table.fullname}.{column.name}"
                        self._columns.setdefault(type_.name, []).append(place)
        self.added = [
            CreateEnum(name, each.enums)
            for name, each in sorted(self._wanted.items())
            if name not in there
        ]
        self.removed = [
            DropEnum(name, labels)
            for name, labels in sorted(there.items())
            if name not in self._wanted
        ]
        self.altered = [
            AlterEnum(name, each.enums, self._columns.get(name, []), there[name])
            for name, each in sorted(self._wanted.items())
            if name in there and list(each.enums) != there[name]
        ]

    def leave_out(self, change: MigrateOperation) -> None:
        """Let a column alone whose type is given other values."""
        altered = {each.name for each in self.altered}
        if isinstance(change, ops.AlterColumnOp):
            wanted = change.modify_type
            if isinstance(wanted, Enum) and wanted.name in altered:
                change.modify_type = None


def _counted(metadata: Iterable[MetaData]) -> Iterator[Column[Any]]:
    """Yield the keys that the database counts."""
    for table in _tables(metadata):
        if table._autoincrement_column is not None:  # noqa: SLF001 - as Alembic does
            yield table._autoincrement_column  # noqa: SLF001 - as Alembic does


def _tables(metadata: Iterable[MetaData]) -> Iterator[Table]:
    for each in metadata:
        yield from each.sorted_tables


# ---- operations ----------------------------------------------------------------------------


def _flat(operations: Iterable[Any]) -> Iterator[Any]:
    """Yield operations one by one, out of those that are for one table."""
    for each in operations:
        if isinstance(each, ops.OpContainer):
            yield from _flat(each.ops)
        else:
            yield each


def _is_empty(operation: MigrateOperation) -> bool:
    if isinstance(operation, ops.OpContainer):
        operation.ops = [each for each in operation.ops if not _is_empty(each)]
        return not operation.ops
    return isinstance(operation, ops.AlterColumnOp) and not operation.has_changes()
