from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import exc as sa_exc
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect.translation import is_invalidated, opening_error, statement_error
from andamios_orm.exceptions import (
    CheckViolation,
    CommitOutcomeUnknown,
    ConstraintViolation,
    DatabaseAlreadyOpen,
    DatabaseCorrupt,
    DatabaseLocked,
    DatabaseUnavailable,
    DataFault,
    DiskFull,
    DuplicateKey,
    ForeignKeyViolation,
    MissingTable,
    NestedTransactionUnsupported,
    NotNullViolation,
    StatementRefused,
    WriteConflict,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from andamios_orm.dialect import DuckDBDatabase

pytestmark = [pytest.mark.integration, pytest.mark.db]

TABLES = (
    """CREATE TABLE parent (id INTEGER PRIMARY KEY, code VARCHAR UNIQUE, a INTEGER, b VARCHAR,
    size INTEGER NOT NULL DEFAULT 1 CHECK (size > 0), UNIQUE (a, b))""",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id))",
    "CREATE SCHEMA s",
    'CREATE TABLE s."Odd ""Name" ("first col" INTEGER NOT NULL, day DATE PRIMARY KEY)',
    "INSERT INTO parent VALUES (1, 'it''s: a, \"b\"', 1, 'x', 1)",
    "INSERT INTO child VALUES (1, 1)",
    'INSERT INTO s."Odd ""Name" VALUES (1, \'2020-01-01\')',
)


@pytest.fixture
async def engine() -> AsyncIterator[AsyncEngine]:
    """Yield an engine on a memory database with rules in it."""
    engine = create_async_engine("duckdb:///:memory:", threads=1)
    for statement in TABLES:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(statement)
    yield engine
    await engine.dispose()


def raw_of(engine: AsyncEngine) -> DuckDBDatabase:
    dialect: Any = engine.dialect
    database: DuckDBDatabase = dialect.holder.database
    return database


def around_the_gate(engine: AsyncEngine, statement: str) -> None:
    """Write as nobody is supposed to, so that two transactions do overlap."""
    cursor, _ = raw_of(engine).cursor()
    cursor.execute(statement)
    cursor.close()


VIOLATIONS: dict[str, tuple[str, type[ConstraintViolation], dict[str, object]]] = {
    "primary key": (
        "INSERT INTO parent (id) VALUES (1)",
        DuplicateKey,
        {"table": "parent", "columns": ("id",), "value": "1"},
    ),
    "unique text": (
        "INSERT INTO parent (id, code) VALUES (2, 'it''s: a, \"b\"')",
        DuplicateKey,
        {"table": "parent", "columns": ("code",), "value": 'it\'s: a, "b"'},
    ),
    "unique pair": (
        "INSERT INTO main.parent (id, a, b) VALUES (2, 1, 'x')",
        DuplicateKey,
        {"table": "parent", "columns": ("a", "b"), "value": "1, x"},
    ),
    "twice in one statement": (
        "INSERT INTO parent (id) VALUES (2), (2)",
        DuplicateKey,
        {"table": "parent", "columns": (), "value": "2"},
    ),
    "quoted table": (
        'INSERT INTO s."Odd ""Name" VALUES (1, \'2020-01-01\')',
        DuplicateKey,
        {"table": 'Odd "Name', "columns": ("day",), "value": "2020-01-01"},
    ),
    "insert or ignore is no other statement": (
        "INSERT OR IGNORE INTO parent (id, size) VALUES (2, NULL)",
        NotNullViolation,
        {"table": "parent", "columns": ("size",), "value": None},
    ),
    "behind a WITH the table is not guessed": (
        "WITH new AS (SELECT 1 AS id) INSERT INTO parent (id) SELECT id FROM new",
        DuplicateKey,
        {"table": None, "columns": ("id",), "value": "1"},
    ),
    "merge": (
        """MERGE INTO parent USING (SELECT 1 AS id) AS new ON false
        WHEN NOT MATCHED THEN INSERT (id) VALUES (new.id)""",
        DuplicateKey,
        {"table": "parent", "columns": ("id",), "value": "1"},
    ),
    "update": (
        "UPDATE child SET id = NULL",
        NotNullViolation,
        {"table": "child", "columns": ("id",), "value": None},
    ),
    "not null": (
        "INSERT INTO parent (id, size) VALUES (2, NULL)",
        NotNullViolation,
        {"table": "parent", "columns": ("size",), "value": None},
    ),
    "not null of an odd name": (
        'INSERT INTO s."Odd ""Name" VALUES (NULL, \'2020-01-02\')',
        NotNullViolation,
        {"table": 'Odd "Name', "columns": ("first col",)},
    ),
    "check": (
        "INSERT INTO parent (id, size) VALUES (2, 0)",
        CheckViolation,
        {"table": "parent", "constraint": "CHECK((size > 0))"},
    ),
    "missing parent": (
        "INSERT INTO child VALUES (2, 77)",
        ForeignKeyViolation,
        {"table": "child", "columns": ("id",), "value": "77"},
    ),
    "parent with children": (
        "DELETE FROM parent WHERE id = 1",
        ForeignKeyViolation,
        {"table": "parent", "columns": ("parent_id",), "value": "1"},
    ),
}


@pytest.mark.parametrize(
    ("statement", "kind", "attributes"), VIOLATIONS.values(), ids=list(VIOLATIONS)
)
@pytest.mark.sampled(3)
async def test_a_broken_rule_is_named(
    engine: AsyncEngine,
    statement: str,
    kind: type[ConstraintViolation],
    attributes: dict[str, object],
) -> None:
    with pytest.raises(sa_exc.IntegrityError) as caught:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(statement)
    error = caught.value

    assert type(error) is kind
    assert {name: getattr(error, name) for name in attributes} == attributes
    assert error.statement == statement
    assert isinstance(error.orig, duckdb.Error)
    assert str(attributes["table"] or "the table") in str(error)
    assert str(attributes.get("value") or "") in str(error).replace("\\", "")


async def test_a_duplicate_found_at_commit_is_a_duplicate_key(engine: AsyncEngine) -> None:
    with pytest.raises(DuplicateKey) as caught:
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO parent (id) VALUES (5)"))
            bypass, _ = raw_of(engine).cursor()
            bypass.execute("INSERT INTO parent (id) VALUES (5)")

    assert caught.value.value == "5"
    assert caught.value.statement == "COMMIT"
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM parent WHERE id = 5")) == 1


async def test_a_row_changed_around_the_gate_is_a_conflict(engine: AsyncEngine) -> None:
    with pytest.raises(WriteConflict, match="another writer was first"):
        async with engine.begin() as connection:
            await connection.execute(text("SELECT * FROM child"))
            await connection.execute(text("INSERT INTO parent (id) VALUES (6)"))
            bypass, _ = raw_of(engine).cursor()
            bypass.execute("UPDATE child SET parent_id = NULL")
            await connection.execute(text("UPDATE child SET parent_id = 6"))


async def test_a_savepoint_is_refused_in_any_spelling(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(NestedTransactionUnsupported):
            async with connection.begin_nested():
                pass
        with pytest.raises(NestedTransactionUnsupported):
            await connection.exec_driver_sql("SAVEPOINT a")


async def test_parameters_are_hidden_on_request() -> None:
    engine = create_async_engine("duckdb:///:memory:", hide_parameters=True)
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TABLE t (secret VARCHAR CHECK (secret = ''))"))
        with pytest.raises(CheckViolation) as caught:
            await connection.execute(text("INSERT INTO t VALUES (:s)"), {"s": "hunter2"})
    await engine.dispose()

    assert "hunter2" not in str(caught.value)
    assert "hidden" in str(caught.value)


async def test_parameters_are_shown_otherwise(engine: AsyncEngine) -> None:
    with pytest.raises(NotNullViolation, match="6021"):
        async with engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO parent (id, size) VALUES (:id, NULL)"), {"id": 6021}
            )


async def test_an_error_survives_pickling(engine: AsyncEngine) -> None:
    with pytest.raises(DuplicateKey) as caught:
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO parent (id) VALUES (:id)"), {"id": 1})

    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own

    assert type(copy) is DuplicateKey
    assert str(copy) == str(caught.value)
    assert (copy.table, copy.columns, copy.value) == ("parent", ("id",), "1")
    assert (copy.statement, copy.params) == (caught.value.statement, caught.value.params)


# ---- what takes a broken disk or a bug of DuckDB ------------------------------


def translated(error: duckdb.Error) -> BaseException:
    return statement_error(
        error, "INSERT INTO t VALUES (1)", None, hide_parameters=False, path=Path("f.duckdb")
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (duckdb.IOException("Could not write file: No space left on device"), DiskFull),
        (duckdb.TransactionException("Failed to commit: File too large"), DiskFull),
        (duckdb.IOException("Corrupt database file: computed checksum"), DatabaseCorrupt),
        (duckdb.TransactionException("Catalog write-write conflict on create"), WriteConflict),
        (duckdb.PermissionException("file system operations are disabled"), StatementRefused),
    ],
    ids=repr,
)
def test_an_error_is_named_by_kind_and_words(error: duckdb.Error, kind: type[Any]) -> None:
    named = translated(error)

    assert type(named) is kind
    assert getattr(named, "orig", None) is error
    if isinstance(named, DatabaseUnavailable):
        assert named.path == Path("f.duckdb")


@pytest.mark.parametrize(
    "error",
    [
        duckdb.CatalogException("Table with name checksum does not exist"),
        duckdb.ConstraintException("a rule that nobody has heard of"),
        duckdb.ParserException("syntax error at or near"),
        duckdb.TransactionException("something else"),
    ],
    ids=repr,
)
def test_what_a_user_wrote_does_not_name_an_error(error: duckdb.Error) -> None:
    assert translated(error) is error


@pytest.mark.parametrize(
    "error",
    [
        duckdb.ConversionException("Could not convert string 'Conflict on update!' to INT32"),
        duckdb.ConversionException("Could not convert string 'disk full' to INT32"),
        duckdb.ConversionException("Could not convert string 'duplicate key \"1\"' to INT32"),
    ],
    ids=repr,
)
def test_what_a_user_wrote_is_a_value_whatever_it_says(error: duckdb.Error) -> None:
    assert type(translated(error)) is DataFault


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (duckdb.FatalException("anything"), True),
        (duckdb.IOException('Database "d" has been invalidated because'), True),
        (duckdb.TransactionException("The database has been invalidated."), True),
        (duckdb.ConversionException("'has been invalidated'"), False),
        (ValueError("has been invalidated"), False),
    ],
    ids=repr,
)
def test_an_invalidated_instance_is_recognised(error: Exception, expected: object) -> None:
    assert is_invalidated(error) is expected


def test_a_message_of_several_lines_is_cut_to_the_first() -> None:
    named = translated(duckdb.IOException("disk full\nStack trace:\n0x0"))

    assert "Stack trace" not in str(named).split("[SQL")[0]


def test_a_key_whose_parts_cannot_be_told_apart_is_left_whole() -> None:
    error = duckdb.ConstraintException(
        'Duplicate key "name: last, first" violates unique constraint.'
    )

    named = translated(error)

    assert isinstance(named, DuplicateKey)
    assert (named.columns, named.value) == (("name",), "last, first")


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        (
            'Could not set lock on file "f": Conflicting lock is held in python (PID 42)',
            DatabaseLocked,
            "PID 42",
        ),
        ("Could not set lock on file", DatabaseLocked, "open in another process. DuckDB"),
        ("Unique file handle conflict: already attached", DatabaseAlreadyOpen, "database.raw()"),
        ("different configuration than existing connections", DatabaseAlreadyOpen, "raw()"),
        ("Could not write: No space left on device", DiskFull, "no space left to open"),
        ("not a valid DuckDB database file", DatabaseCorrupt, "restore it from a backup"),
        ("Failure while replaying WAL file", DatabaseCorrupt, "restore it from a backup"),
        ("Permission denied", DatabaseUnavailable, "cannot be opened: Permission denied"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named(
    message: str, kind: type[DatabaseUnavailable], words: str
) -> None:
    path = Path("somewhere") / "f.duckdb"

    named = opening_error(duckdb.IOException(message), path)

    assert type(named) is kind
    assert words in str(named)
    assert str(path) in str(named)
    assert getattr(named, "path", None) == path


@pytest.mark.parametrize(
    ("message", "table"),
    [
        ('Catalog Error: Table with name notes does not exist!\nDid you mean "note"?', "notes"),
        ('Catalog Error: Table with name n does not exist because schema "s" does not', "n"),
    ],
)
def test_a_table_that_is_missing_is_named_with_what_to_do(message: str, table: str) -> None:
    named = translated(duckdb.CatalogException(message))

    assert isinstance(named, MissingTable)
    assert named.table == table
    assert f"no table {table}: make the tables" in str(named)


def test_a_lock_without_a_process_has_no_number() -> None:
    named = opening_error(duckdb.IOException("Could not set lock on file"), Path("f"))

    assert isinstance(named, DatabaseLocked)
    assert named.pid is None


def test_an_error_of_the_caller_is_left_as_it_is_when_opening() -> None:
    error = KeyboardInterrupt()

    assert opening_error(error, None) is error


async def test_a_commit_that_fails_for_no_known_reason_is_not_called_a_conflict(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = raw_of(engine)
    commit = duckdb.TransactionException("Failed to commit: Input/output error")

    def own(statement: str, connection: object) -> Any:
        if statement == "COMMIT":
            raise commit
        return statement

    monkeypatch.setattr(database.statements, "own", own)

    with pytest.raises(CommitOutcomeUnknown, match="look before you repeat it") as caught:
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO parent (id) VALUES (9)"))

    assert caught.value.orig is commit
