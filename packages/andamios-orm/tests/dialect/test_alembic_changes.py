"""Every change of a table by Alembic, whatever keeps DuckDB from making it itself."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

import andamios_orm  # noqa: F401 - makes duckdb:// ours

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.integration, pytest.mark.db]

Rows = list[tuple[Any, ...]]
BY_NUMBER = "CREATE INDEX by_number ON t (n)"
BY_NAME = "CREATE UNIQUE INDEX by_name ON t (name)"


@dataclass
class Blocker:
    """What is there, and what is done in the transaction, before a change."""

    boss: str = ""
    more: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    drops: str | None = None

    @property
    def setup(self) -> list[str]:
        """The statements that make the table, with its rows."""
        columns = "n INTEGER, name VARCHAR NOT NULL, extra VARCHAR DEFAULT 'e'"
        return [
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, boss INTEGER {self.boss}, {columns})",
            "INSERT INTO t VALUES (1, NULL, 10, 'a', 'x')",
            "INSERT INTO t VALUES (2, 1, 20, 'b', 'y')",
            "INSERT INTO t VALUES (3, 2, 30, 'c', 'z')",
            *self.more,
        ]


BLOCKERS = {
    "nothing": Blocker(),
    "indexes": Blocker(more=(BY_NUMBER, BY_NAME)),
    "rows updated": Blocker(
        more=(BY_NUMBER, BY_NAME),
        before=("UPDATE t SET n = n + 1", "UPDATE t SET n = n - 1"),
    ),
    "rows deleted": Blocker(
        more=("INSERT INTO t VALUES (4, 1, 40, 'd', 'z')",), before=("DELETE FROM t WHERE id = 4",)
    ),
    "rows inserted or updated": Blocker(
        more=(BY_NUMBER, BY_NAME),
        before=(
            "INSERT INTO t (id, n, name) VALUES (3, 30, 'c') ON CONFLICT (id) DO UPDATE SET n = 30",
        ),
    ),
    "rows inserted": Blocker(
        more=(BY_NUMBER, BY_NAME, "DELETE FROM t WHERE id = 3"),
        before=("INSERT INTO t VALUES (3, 2, 30, 'c', 'z')",),
    ),
    "an index dropped": Blocker(more=(BY_NUMBER,), drops="by_number"),
    "one of two indexes dropped": Blocker(more=(BY_NUMBER, BY_NAME), drops="by_number"),
    "a child": Blocker(
        more=("CREATE TABLE child (t_id INTEGER REFERENCES t (id))", "INSERT INTO child VALUES (1)")
    ),
    "a parent": Blocker(boss="REFERENCES parent (id)"),
    "itself": Blocker(boss="REFERENCES t (id)", more=(BY_NAME,)),
    "itself, a child and rows updated": Blocker(
        boss="REFERENCES t (id)",
        more=(BY_NAME, "CREATE TABLE child (t_id INTEGER REFERENCES t (id))"),
        before=("UPDATE t SET n = n + 1", "UPDATE t SET n = n - 1"),
    ),
}
PARENT = ["CREATE TABLE parent (id INTEGER PRIMARY KEY)", "INSERT INTO parent VALUES (1), (2)"]


@dataclass
class Change:
    """An operation, and what a query tells afterwards."""

    work: Callable[[Operations], object]
    query: str
    expected: Rows
    table: str = "t"
    native: bool = False
    """Whether DuckDB makes it itself, if nothing keeps it from that."""


def constraint(kind: str, columns: str) -> str:
    return (
        f"SELECT count(*) FROM duckdb_constraints() WHERE table_name = 't' "
        f"AND constraint_type = '{kind}' AND constraint_column_names = [{columns}]"
    )


def default_of(column: str) -> str:
    return (
        f"SELECT column_default, is_nullable, comment FROM duckdb_columns() "
        f"WHERE table_name = 't' AND column_name = '{column}'"
    )


CHANGES = {
    "add": Change(
        lambda op: op.add_column("t", sa.Column("k", sa.Integer)),
        "SELECT id, k FROM t",
        [(1, None), (2, None), (3, None)],
        native=True,
    ),
    "add with a default": Change(
        lambda op: op.add_column("t", sa.Column("k", sa.String, server_default="it's")),
        "SELECT id, k FROM t",
        [(1, "it's"), (2, "it's"), (3, "it's")],
        native=True,
    ),
    "add with an expression": Change(
        lambda op: op.add_column("t", sa.Column("k", sa.Integer, server_default=sa.text("1 + 1"))),
        "SELECT id, k FROM t",
        [(1, 2), (2, 2), (3, 2)],
        native=True,
    ),
    "add a required one": Change(
        lambda op: op.add_column(
            "t", sa.Column("k", sa.Integer, nullable=False, server_default="7")
        ),
        "SELECT id, k FROM t",
        [(1, 7), (2, 7), (3, 7)],
        native=True,
    ),
    "add a required one with an expression": Change(
        lambda op: op.add_column(
            "t", sa.Column("k", sa.Integer, nullable=False, server_default=sa.text("1 + 1"))
        ),
        "SELECT id, k FROM t",
        [(1, 2), (2, 2), (3, 2)],
    ),
    "add a computed one": Change(
        lambda op: op.add_column("t", sa.Column("k", sa.Integer, sa.Computed("n * 2"))),
        "SELECT id, k FROM t",
        [(1, 20), (2, 40), (3, 60)],
    ),
    "add a unique one": Change(
        lambda op: op.add_column("t", sa.Column("k", sa.Integer, unique=True)),
        constraint("UNIQUE", "'k'"),
        [(1,)],
    ),
    "drop": Change(
        lambda op: op.drop_column("t", "extra"),
        "SELECT * FROM t",
        [(1, None, 10, "a"), (2, 1, 20, "b"), (3, 2, 30, "c")],
        native=True,
    ),
    "drop one with an index": Change(
        lambda op: op.drop_column("t", "n"),
        "SELECT * FROM t",
        [(1, None, "a", "x"), (2, 1, "b", "y"), (3, 2, "c", "z")],
        native=True,
    ),
    "rename": Change(
        lambda op: op.alter_column("t", "n", new_column_name="select"),
        'SELECT id, "select" FROM t',
        [(1, 10), (2, 20), (3, 30)],
        native=True,
    ),
    "rename the key": Change(
        lambda op: op.alter_column("t", "id", new_column_name="key"),
        "SELECT key, boss FROM t",
        [(1, None), (2, 1), (3, 2)],
        native=True,
    ),
    "retype": Change(
        lambda op: op.alter_column("t", "n", type_=sa.String(), existing_type=sa.Integer()),
        "SELECT id, n FROM t",
        [(1, "10"), (2, "20"), (3, "30")],
        native=True,
    ),
    "retype with an expression": Change(
        lambda op: op.alter_column(
            "t", "name", type_=sa.Integer(), postgresql_using="ascii(name) % 96"
        ),
        "SELECT id, name FROM t",
        [(1, 1), (2, 2), (3, 3)],
    ),
    "require": Change(
        lambda op: op.alter_column("t", "n", nullable=False),
        default_of("n"),
        [(None, False, None)],
        native=True,
    ),
    "require what is required": Change(
        lambda op: op.alter_column("t", "name", nullable=False, server_default="?"),
        default_of("name"),
        [("'?'", False, None)],
        native=True,
    ),
    "free": Change(
        lambda op: op.alter_column("t", "name", nullable=True),
        default_of("name"),
        [(None, True, None)],
        native=True,
    ),
    "no default": Change(
        lambda op: op.alter_column("t", "extra", server_default=None),
        default_of("extra"),
        [(None, True, None)],
        native=True,
    ),
    "comment": Change(
        lambda op: op.alter_column("t", "extra", comment="it's 100 % :x"),
        default_of("extra"),
        [("'e'", True, "it's 100 % :x")],
        native=True,
    ),
    "all at once": Change(
        lambda op: op.alter_column(
            "t",
            "extra",
            new_column_name="More",
            type_=sa.String(5),
            nullable=False,
            server_default=sa.text("lower('Q')"),
            comment="so",
        ),
        default_of("More"),
        [("lower('Q')", False, "so")],
        native=True,
    ),
    "rename the table": Change(
        lambda op: op.rename_table("t", "a 'new' \"one\""),
        'SELECT id, n, name FROM "a \'new\' ""one"""',
        [(1, 10, "a"), (2, 20, "b"), (3, 30, "c")],
        table='"a \'new\' ""one"""',
        native=True,
    ),
    "index": Change(
        lambda op: op.create_index("by_extra", "t", ["extra"], unique=True),
        "SELECT id FROM t WHERE extra = 'y'",
        [(2,)],
        native=True,
    ),
    "check": Change(
        lambda op: op.create_check_constraint("positive", "t", r"n > 0 AND name <> '\:x %'"),
        "SELECT expression FROM duckdb_constraints() WHERE constraint_type = 'CHECK'",
        [("((n > 0) AND (\"name\" != ':x %'))",)],
    ),
    "unique": Change(
        lambda op: op.create_unique_constraint("uq", "t", ["n", "name"]),
        constraint("UNIQUE", "'n', 'name'"),
        [(1,)],
    ),
    "foreign key": Change(
        lambda op: op.create_foreign_key("fk", "t", "parent", ["boss"], ["id"]),
        "SELECT count(*) >= 1 FROM duckdb_constraints() WHERE referenced_table = 'parent'",
        [(True,)],
    ),
}


def migrate(engine: sa.Engine, blocker: Blocker, change: Change) -> list[str]:
    """Make the change in one transaction with what comes before it; return its statements."""
    statements: list[str] = []
    with engine.begin() as connection:
        for statement in [*PARENT, *blocker.setup]:
            connection.exec_driver_sql(statement)
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        for statement in blocker.before:
            connection.exec_driver_sql(statement)
        if blocker.drops:
            op.drop_index(blocker.drops, "t")
        sa.event.listen(
            connection, "before_cursor_execute", lambda *all_: statements.append(all_[2])
        )
        change.work(op)
    return statements


def check(raw: duckdb.DuckDBPyConnection, blocker: Blocker, change: Change) -> None:
    """Assert that all is there, found through indexes, and guarded by keys."""
    table, key = change.table, "key" if "SELECT key" in change.query else "id"
    assert sorted(raw.execute(change.query).fetchall()) == change.expected
    assert raw.execute(f"SELECT count(*) FROM {table}").fetchall() == [(3,)]
    tables = raw.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    assert not [name for (name,) in tables if name.startswith("andamios_stash")]
    found = {name for (name,) in raw.execute("SELECT index_name FROM duckdb_indexes()").fetchall()}
    columns = {row[0] for row in raw.execute(f"DESCRIBE {table}").fetchall()}
    wanted = {name for name in ("by_number", "by_name") if any(name in s for s in blocker.more)}
    wanted -= {blocker.drops} | ({"by_number"} if not columns & {"n", "select"} else set())
    assert found - {"by_extra"} == wanted
    assert raw.execute(f"SELECT boss FROM {table} WHERE {key} = 2").fetchall() == [(1,)]
    refused(raw, f"INSERT INTO {table} ({key}, name) VALUES (1, '99')")
    if "by_name" in wanted:
        [(name,)] = raw.execute(f"SELECT name FROM {table} WHERE {key} = 2").fetchall()
        assert raw.execute(f"SELECT {key} FROM {table} WHERE name = '{name}'").fetchall() == [(2,)]
        refused(raw, f"INSERT INTO {table} ({key}, name) VALUES (99, '{name}')")
    if any("child" in statement for statement in blocker.more):
        refused(raw, "INSERT INTO child VALUES (98)")
    if blocker.boss:
        refused(raw, f"INSERT INTO {table} ({key}, name, boss) VALUES (99, '99', 98)")


def refused(raw: duckdb.DuckDBPyConnection, statement: str) -> None:
    with pytest.raises(duckdb.ConstraintException):
        raw.execute(statement)


@pytest.mark.slow
@pytest.mark.sampled(120)
@pytest.mark.parametrize("blocker", BLOCKERS.values(), ids=BLOCKERS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_made_whatever_is_in_its_way(
    andamios_duckdb_url: str, tmp_path: Path, blocker: Blocker, change: Change
) -> None:
    path = Path(sa.make_url(andamios_duckdb_url).database or "")
    crashed = tmp_path / "crashed.duckdb"
    engine = sa.create_engine(andamios_duckdb_url)
    with engine.connect() as reader:
        reader.exec_driver_sql("SELECT 1 FROM duckdb_tables()")  # keeps the log from being cleared

        migrate(engine, blocker, change)
        shutil.copy(path, crashed)
        shutil.copy(f"{path}.wal", f"{crashed}.wal")
    engine.dispose()

    for file in (crashed, path):
        with duckdb.connect() as raw:
            raw.execute(f"ATTACH '{file}' AS again")  # as the library does; connect() fails
            raw.execute("USE again")  # over some logs: it replays them without a default database
            check(raw, blocker, change)


@pytest.mark.sampled(40)
@pytest.mark.parametrize(
    "change",
    [change for change in CHANGES.values() if change.native],
    ids=[name for name, change in CHANGES.items() if change.native],
)
def test_what_duckdb_changes_itself_is_left_to_it(andamios_memory_url: str, change: Change) -> None:
    engine = sa.create_engine(andamios_memory_url)

    statements = migrate(engine, BLOCKERS["nothing"], change)

    engine.dispose()
    assert not [each for each in statements if each.startswith(("CREATE TABLE", "DROP TABLE"))]
    assert [each for each in statements if each.startswith(("ALTER", "COMMENT", "CREATE"))]
