"""What Alembic sees and does on DuckDB; all changes of a table are in test_alembic_changes."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect import constraint_names
from andamios_orm.dialect.rebuilding import read
from andamios_orm.exceptions import (
    CheckViolation,
    DuplicateKey,
    MigrationRefused,
    NotNullViolation,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


@pytest.fixture
def connection(andamios_memory_url: str) -> Iterator[sa.Connection]:
    """Yield a connection to an empty database."""
    engine = sa.create_engine(andamios_memory_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def shop(**info: Any) -> sa.MetaData:
    """Return two tables, one with a key to the other."""
    metadata = sa.MetaData(info=info)
    sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("b", metadata, sa.Column("a_id", sa.ForeignKey("a.id", name="fk_b_a")))
    return metadata


CHECKED = {"duckdb_foreign_keys": "none"}


def physical_keys(connection: sa.Connection) -> int:
    found = connection.scalar(
        sa.text("SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY'")
    )
    assert isinstance(found, int)
    return found


def operations(connection: sa.Connection, metadata: Any) -> Operations:
    return Operations(MigrationContext.configure(connection, opts={"target_metadata": metadata}))


def migrate(op: Operations) -> None:
    op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table("b", sa.Column("a_id", sa.Integer, sa.ForeignKey("a.id")))


def test_keys_that_the_library_checks_are_no_difference(connection: sa.Connection) -> None:
    metadata = shop(**CHECKED)
    metadata.create_all(connection)

    differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert differences == []
    assert physical_keys(connection) == 0


def test_keys_of_other_metadata_are_compared(connection: sa.Connection) -> None:
    shop(**CHECKED).create_all(connection)

    differences = compare_metadata(MigrationContext.configure(connection), shop())

    assert [difference[0] for difference in differences] == ["add_fk"]


@pytest.mark.parametrize("several", [False, True])
def test_a_migration_creates_no_key_that_the_library_checks(
    connection: sa.Connection, *, several: bool
) -> None:
    metadata = shop(**CHECKED)

    migrate(operations(connection, [metadata, sa.MetaData()] if several else metadata))

    assert physical_keys(connection) == 0


@pytest.mark.parametrize("metadata", [None, shop()])
def test_a_migration_of_other_models_creates_its_keys(
    connection: sa.Connection, metadata: sa.MetaData | None
) -> None:
    migrate(operations(connection, metadata))

    assert physical_keys(connection) == 1


def test_adding_and_dropping_such_a_key_does_nothing(connection: sa.Connection) -> None:
    op = operations(connection, shop(**CHECKED))
    migrate(op)

    op.create_foreign_key("fk_b_a", "b", "a", ["a_id"], ["id"])
    op.drop_constraint("fk_b_a", "b", type_="foreignkey")

    assert physical_keys(connection) == 0


# ---- constraints and their names --------------------------------------------------


@pytest.mark.slow
def test_a_check_is_added_and_dropped(connection: sa.Connection) -> None:
    op = operations(connection, shop(**CHECKED))
    migrate(op)

    op.create_check_constraint("positive", "a", "id > 0")
    with pytest.raises(CheckViolation):
        op.execute("INSERT INTO a VALUES (0)")
    connection.rollback()
    migrate(op)
    op.create_check_constraint("positive", "a", "id > 0")
    op.drop_constraint("positive", "a", type_="check")

    op.execute("INSERT INTO a VALUES (0)")


def named(op: Operations) -> None:
    """Create tables whose constraints have names."""
    op.create_table("p", sa.Column("id", sa.Integer), sa.PrimaryKeyConstraint("id", name="pk_p"))
    op.create_table(
        "t",
        sa.CheckConstraint("b > 1", name="b_positive"),
        sa.Column("id", sa.Integer, sa.CheckConstraint("id > 0", name="id_positive")),
        sa.Column("b", sa.Integer),
        sa.ForeignKeyConstraint(["b"], ["p.id"], name="fk_t"),
        sa.UniqueConstraint("b", name="uq_t"),
        sa.UniqueConstraint("b", "id"),
    )


def names(connection: sa.Connection, table: str = "t", schema: str | None = None) -> set[str]:
    shape = read(connection, table, schema)
    assert shape is not None
    return {
        each.name for each in constraint_names.named(connection, shape).constraints if each.name
    }


ALL = {"b_positive", "id_positive", "fk_t", "uq_t"}
RENAMING: dict[str, Callable[[Operations], object]] = {
    "nothing": lambda _: None,
    "a column of it": lambda op: op.alter_column("t", "b", new_column_name="c"),
    "a column it refers to": lambda op: op.alter_column("p", "id", new_column_name="key"),
    "the table it refers to": lambda op: op.rename_table("p", "parents"),
    "an index of it": lambda op: op.create_index("i", "t", ["id"]),
    "its default": lambda op: op.alter_column("t", "b", server_default=None),
}


@pytest.mark.sampled(12)
@pytest.mark.parametrize("change", RENAMING.values(), ids=RENAMING)
def test_names_of_constraints_outlive_changes(
    connection: sa.Connection, change: Callable[[Operations], object]
) -> None:
    op = operations(connection, None)
    named(op)

    change(op)

    assert names(connection) == ALL
    op.drop_constraint("b_positive", "t", type_="check")
    assert names(connection) == ALL - {"b_positive"}
    op.execute("INSERT INTO t (id) VALUES (1)")
    with pytest.raises(CheckViolation):
        op.execute("INSERT INTO t (id) VALUES (0)")


@pytest.mark.parametrize("schema", [None, "s"])
def test_names_of_constraints_follow_the_table(
    connection: sa.Connection, schema: str | None
) -> None:
    op = operations(connection, None)
    op.execute("CREATE SCHEMA s")
    column = sa.Column("id", sa.Integer, sa.CheckConstraint("id > 0", name="positive"))
    op.create_table("t", column, schema=schema)

    op.rename_table("t", "u", schema=schema)
    seen = names(connection, "u", schema)
    op.drop_table("u", schema=schema)
    op.create_table("u", sa.Column("id", sa.Integer, sa.CheckConstraint("id > 0")), schema=schema)

    assert seen == {"positive"}
    assert names(connection, "u", schema) == set()


@pytest.mark.parametrize("kind", [None, "unique", "check", "foreignkey", "primary"])
def test_a_constraint_that_is_not_there_is_not_dropped(
    connection: sa.Connection, kind: Any
) -> None:
    op = operations(connection, None)
    op.create_table("t", sa.Column("a", sa.Integer), sa.Column("b", sa.Integer, unique=True))

    with pytest.raises(MigrationRefused, match=r't has no constraint x; it has UNIQUE \("b"\)'):
        op.drop_constraint("x", "t", type_=kind if kind != "unique" else None)


def test_a_constraint_is_dropped_if_it_exists(connection: sa.Connection) -> None:
    implementation: Any = operations(connection, None).impl
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer))
    table.create(connection)

    implementation.drop_constraint(
        sa.CheckConstraint("a > 0", name="x", table=table), if_exists=True
    )

    assert sa.inspect(connection).has_table("t")


@pytest.mark.parametrize("schema", [None, "main", "s"])
def test_a_key_is_to_a_table_of_the_same_schema(
    connection: sa.Connection, schema: str | None
) -> None:
    op = operations(connection, None)
    op.execute("CREATE SCHEMA s")
    op.create_table("p", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table("p", sa.Column("id", sa.Integer, primary_key=True), schema="s")
    op.create_table("t", sa.Column("a", sa.Integer))

    if schema == "s":
        with pytest.raises(MigrationRefused, match="no keys between schemas"):
            op.create_foreign_key("fk", "t", "p", ["a"], ["id"], referent_schema="s")
    else:
        op.create_foreign_key("fk", "t", "p", ["a"], ["id"], referent_schema=schema)

    assert physical_keys(connection) == int(schema != "s")


@pytest.mark.slow
def test_tables_of_other_schemas_are_changed(connection: sa.Connection) -> None:
    op = operations(connection, None)
    op.execute('CREATE SCHEMA "my schema"')
    where: dict[str, Any] = {"schema": "my schema"}
    op.create_table("t", sa.Column("a", sa.Integer), sa.Column("b", sa.Integer), **where)
    op.execute("""INSERT INTO "my schema".t VALUES (1, 2)""")
    op.create_index("i", "t", ["a"], **where)
    connection.commit()

    op.drop_index("i", "t", **where)
    op.create_index("i", "t", ["a"], unique=True, **where)
    op.alter_column("t", "b", new_column_name="c", comment="so", nullable=False, **where)
    op.create_check_constraint("positive", "t", "c > 0", **where)
    op.rename_table("t", "u", **where)
    op.add_column("u", sa.Column("d", sa.Integer, nullable=False, server_default="4"), **where)
    op.drop_constraint("positive", "u", type_="check", **where)
    connection.commit()

    found = connection.exec_driver_sql("""SELECT * FROM "my schema".u WHERE a = 1""")
    assert list(found.mappings()) == [{"a": 1, "c": 2, "d": 4}]
    with pytest.raises(DuplicateKey):
        op.execute("""INSERT INTO "my schema".u VALUES (1, 0, 0)""")


# ---- columns ---------------------------------------------------------------------


def test_a_column_that_others_are_computed_from_stays(connection: sa.Connection) -> None:
    op = operations(connection, None)
    op.execute("CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1))")

    with pytest.raises(MigrationRefused, match=r"t\.b is computed from A"):
        op.drop_column("t", "A")
    with pytest.raises(MigrationRefused, match=r"t\.a has values of its own"):
        op.alter_column("t", "a", server_default=sa.Computed("1"))


def test_a_column_is_found_whatever_its_case(connection: sa.Connection) -> None:
    op = operations(connection, None)
    op.execute('CREATE TABLE t ("Price" INTEGER PRIMARY KEY, "Other" INTEGER)')
    op.execute("INSERT INTO t VALUES (1, 2)")

    op.alter_column("T", "price", type_=sa.String())
    op.alter_column("T", "PRICE", new_column_name="PRICE", existing_nullable=False)
    op.alter_column("T", "price", new_column_name="PRICE", nullable=False)
    op.drop_column("T", "OTHER")

    assert list(connection.exec_driver_sql("SELECT * FROM t").mappings()) == [{"PRICE": "1"}]


def test_a_computed_column_is_changed_where_the_table_is_made_anew(
    connection: sa.Connection,
) -> None:
    op = operations(connection, None)
    op.execute("CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1))")
    op.execute("INSERT INTO t VALUES (1)")
    op.execute("CREATE INDEX i ON t (a)")

    op.alter_column("t", "b", new_column_name="c", type_=sa.String(), comment="so")
    op.alter_column("t", "a", new_column_name="z")

    assert connection.exec_driver_sql("SELECT z, c FROM t WHERE z = 1").all() == [(1, "2")]


@pytest.mark.slow
def test_collations_come_and_go_with_the_type(connection: sa.Connection) -> None:
    op = operations(connection, None)
    op.execute("CREATE TABLE t (a VARCHAR COLLATE nocase PRIMARY KEY)")
    op.execute("INSERT INTO t VALUES ('1')")

    op.add_column("t", sa.Column("b", sa.String(collation="nocase"), sa.Computed("a || 'x'")))
    op.execute("DELETE FROM t WHERE a = '2'")
    op.add_column("t", sa.Column("c", sa.String(collation="nocase"), server_default="x"))
    found = connection.exec_driver_sql("SELECT c = 'X', b FROM t").all()
    op.drop_column("t", "b")
    op.alter_column("t", "a", type_=sa.Integer())
    op.alter_column("t", "a", type_=sa.String(collation="nocase"))

    shape = read(connection, "t")
    assert shape is not None
    assert found == [(True, "1x")]
    assert (shape.columns[0].type, shape.columns[0].collation) == ("VARCHAR", "nocase")


def test_what_is_there_is_not_added_again(connection: sa.Connection) -> None:
    op = operations(connection, None)
    op.create_table("t", sa.Column("a", sa.Integer))
    op.execute("INSERT INTO t VALUES (1)")

    implementation: Any = op.impl
    table = sa.Table("t", sa.MetaData(), sa.Column("z", sa.Integer))
    implementation.create_table(table, if_not_exists=True)
    implementation.add_column("t", sa.Column("A", sa.String), if_not_exists=True)

    assert list(connection.exec_driver_sql("SELECT * FROM t").mappings()) == [{"a": 1}]


MISSING: dict[str, Callable[[Operations], object]] = {
    "add": lambda op: op.add_column("x", sa.Column("a", sa.Integer)),
    "drop": lambda op: op.drop_column("x", "a"),
    "alter": lambda op: op.alter_column("x", "a", nullable=False),
    "rename": lambda op: op.rename_table("x", "y"),
    "check": lambda op: op.create_check_constraint("c", "x", "a > 0"),
    "drop check": lambda op: op.drop_constraint("c", "x", type_="check"),
    "index": lambda op: op.create_index("i", "x", ["a"]),
    "drop index": lambda op: op.drop_index("i", "x"),
    "drop table": lambda op: op.drop_table("x"),
    "alter a column": lambda op: op.alter_column("t", "x", nullable=False),
    "drop a column": lambda op: op.drop_column("t", "x"),
}


@pytest.mark.parametrize("change", MISSING.values(), ids=MISSING)
def test_what_is_not_there_is_duckdbs_own_error(
    connection: sa.Connection, change: Callable[[Operations], object]
) -> None:
    op = operations(connection, None)
    op.create_table("t", sa.Column("a", sa.Integer))

    with pytest.raises(sa.exc.DBAPIError, match=r"does not|there is no|No support"):
        change(op)


# ---- indexes and transactions ----------------------------------------------------


@pytest.mark.parametrize("table", ["t", None])
def test_an_index_is_dropped_and_made_again(connection: sa.Connection, table: str | None) -> None:
    op = operations(connection, None)
    op.execute("CREATE TABLE t (a INTEGER)")
    op.execute("INSERT INTO t VALUES (1), (2)")
    op.create_index("i", "t", ["a"])
    connection.commit()

    op.drop_index("I", table)
    op.create_index("i", "t", ["a"], unique=True)
    op.create_index("j", "t", ["a"])
    connection.commit()

    assert connection.exec_driver_sql("SELECT a FROM t WHERE a = 2").all() == [(2,)]
    with pytest.raises(DuplicateKey):
        op.execute("INSERT INTO t VALUES (1)")


def copies(connection: sa.Connection) -> list[str]:
    """Return a list to which the names of tables are added that are made anew."""
    found: list[str] = []

    def note(*all_: Any) -> None:
        if all_[2].startswith("CREATE TABLE andamios_stash"):
            found.append(all_[2].rpartition("FROM ")[2])

    sa.event.listen(connection, "before_cursor_execute", note)
    return found


@pytest.mark.slow
def test_only_an_index_of_the_same_transaction_and_table_is_in_the_way(
    connection: sa.Connection,
) -> None:
    op, made = operations(connection, None), copies(connection)
    for table in ("t", "u"):
        op.create_table(table, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))
        op.create_index(f"{table}_i", table, ["a"])

    op.drop_index("t_i", "t")
    connection.commit()
    op.drop_index("u_i", "u")
    op.alter_column("t", "a", type_=sa.String())
    op.create_index("t_i", "t", ["b"])
    op.drop_column("u", "a")
    op.drop_column("u", "c", if_exists=True)

    assert made == ['"u"']


@pytest.mark.slow
def test_changed_rows_matter_to_older_tables_of_the_same_transaction(
    connection: sa.Connection,
) -> None:
    op, made = operations(connection, None), copies(connection)
    for table in ("t", "u", "v"):
        op.create_table(table, sa.Column("a", sa.Integer))

    op.execute("DELETE FROM t")
    connection.commit()
    op.add_column("t", sa.Column("b", sa.Integer))
    op.execute("DELETE FROM u")
    op.create_table("w", sa.Column("a", sa.Integer))
    op.rename_table("w", "x")
    op.add_column("x", sa.Column("b", sa.Integer))
    op.add_column("u", sa.Column("b", sa.Integer))
    op.add_column("u", sa.Column("c", sa.Integer))
    op.drop_table("v")

    connection.commit()
    assert made == ['"u"']


def test_names_that_are_kept_make_no_table_anew(connection: sa.Connection) -> None:
    op, made = operations(connection, None), copies(connection)
    named(op)
    op.create_table("u", sa.Column("a", sa.Integer))
    connection.commit()

    op.drop_table("t")
    op.add_column("u", sa.Column("b", sa.Integer))

    assert made == []


def test_a_table_is_made_anew_in_one_transaction_of_an_autocommit_block(
    connection: sa.Connection,
) -> None:
    context = MigrationContext.configure(connection)
    op = Operations(context)
    with context.begin_transaction():
        op.create_table("t", sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))
        op.create_index("i", "t", ["a"])
        op.execute("INSERT INTO t VALUES (1, NULL)")

        with context.autocommit_block():
            op.execute("UPDATE t SET a = 2")
            op.add_column("t", sa.Column("c", sa.Integer))
            op.alter_column("t", "a", type_=sa.String())
            with pytest.raises(NotNullViolation):
                op.alter_column("t", "b", nullable=False)
            after = connection.exec_driver_sql("SELECT * FROM t WHERE a = '2'").all()

    assert after == [("2", None, None)]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("recreate", ["auto", "always"])
def test_a_batch_changes_the_table(connection: sa.Connection, recreate: Any) -> None:
    op = operations(connection, None)
    named(op)
    op.create_index("i", "t", ["id"])
    op.execute("INSERT INTO t VALUES (7, NULL)")

    with op.batch_alter_table("t", recreate=recreate) as batch:
        batch.add_column(sa.Column("c", sa.Integer, server_default="3", nullable=False))
        batch.alter_column("id", type_=sa.BigInteger())

    assert connection.exec_driver_sql("SELECT id, c FROM t WHERE id = 7").all() == [(7, 3)]


# ---- SQL that is only printed ---------------------------------------------------------

PRINTED: dict[str, tuple[Callable[[Operations], object], str]] = {
    "add": (
        lambda op: op.add_column(
            "t", sa.Column("a", sa.Integer, nullable=False, server_default="1")
        ),
        """ALTER TABLE t ADD COLUMN a INTEGER DEFAULT '1';

ALTER TABLE t ALTER COLUMN a SET NOT NULL;""",
    ),
    "drop": (lambda op: op.drop_column("t", "a"), "ALTER TABLE t DROP COLUMN a;"),
    "alter": (
        lambda op: op.alter_column("t", "a", type_=sa.String(), duckdb_using="x"),
        "ALTER TABLE t ALTER COLUMN a TYPE VARCHAR;",
    ),
    "rename": (lambda op: op.rename_table("t", "u"), "ALTER TABLE t RENAME TO u;"),
    "index": (lambda op: op.create_index("i", "t", ["a"]), "CREATE INDEX i ON t (a);"),
    "drop index": (lambda op: op.drop_index("i", "t"), "DROP INDEX i;"),
    "check": (
        lambda op: op.create_check_constraint("c", "t", "a > 0"),
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);",
    ),
    "drop check": (
        lambda op: op.drop_constraint("c", "t", type_="check"),
        "ALTER TABLE t DROP CONSTRAINT c;",
    ),
    "table": (
        lambda op: op.create_table("t", sa.Column("a", sa.Integer)),
        "CREATE TABLE t (\n    a INTEGER\n);",
    ),
    "drop table": (lambda op: op.drop_table("t"), "DROP TABLE t;"),
}


@pytest.mark.parametrize(("change", "expected"), PRINTED.values(), ids=PRINTED)
def test_sql_that_is_printed_is_duckdbs_own(
    change: Callable[[Operations], object], expected: str
) -> None:
    printed = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="duckdb", opts={"as_sql": True, "output_buffer": printed}
    )

    change(Operations(context))

    assert printed.getvalue().strip() == expected


# ---- what is compared ------------------------------------------------------------

INDEXES: dict[str, tuple[dict[str, Any], str, bool]] = {
    "the same": ({}, "CREATE INDEX i ON t (a)", True),
    "unique": ({"unique": True}, "CREATE INDEX i ON t (a)", False),
    "another column": ({}, "CREATE INDEX i ON t (b)", False),
    "more columns": ({}, "CREATE INDEX i ON t (a, b)", False),
}


@pytest.mark.parametrize(("options", "made", "same"), INDEXES.values(), ids=INDEXES)
def test_indexes_are_compared(
    connection: sa.Connection, options: dict[str, Any], made: str, *, same: bool
) -> None:
    metadata = sa.MetaData()
    table = sa.Table("t", metadata, sa.Column("a", sa.String), sa.Column("b", sa.String))
    table.create(connection)
    sa.Index("i", table.c.a, **options)
    connection.exec_driver_sql(made)

    differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert (differences == []) is same


@pytest.mark.slow
def test_an_index_is_the_same_in_other_words(connection: sa.Connection) -> None:
    metadata = sa.MetaData()
    table = sa.Table("a (b", metadata, sa.Column("a DESC", sa.String), sa.Column("b", sa.String))
    sa.Index("i (x)", table.c["a DESC"].desc(), table.c.b.asc().nulls_last())
    sa.Index("e", sa.func.lower(table.c.b) + " DESC")
    sa.Index("u", table.c.b, unique=True, duckdb_where=table.c["a DESC"] != "it's")
    sa.Index("none", table.c.b, duckdb_index=False)
    metadata.create_all(connection)

    differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert differences == []


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        ("INTEGER", sa.Integer(), True),
        ("INTEGER", sa.BigInteger(), False),
        ("DOUBLE", sa.Float(53), True),
        ("DECIMAL(10, 2)", sa.Numeric(10, 2), True),
        ("DECIMAL(10, 2)", sa.Numeric(10, 3), False),
        ("VARCHAR", sa.String(20), True),
        ("VARCHAR COLLATE nocase", sa.String(collation="nocase"), True),
        ("ENUM('a', 'b')", sa.Enum("a", "b", name="e"), True),
        ("ENUM('a', 'b')", sa.Enum("a", "c", name="e"), False),
    ],
    ids=str,
)
def test_types_are_compared(
    connection: sa.Connection, found: str, wanted: Any, *, same: bool
) -> None:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("a", wanted))
    connection.exec_driver_sql(f"CREATE TABLE t (a {found})")

    differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert (differences == []) is same


OWN = """
import alembic.ddl.impl, sqlalchemy, andamios_orm
class Own(alembic.ddl.impl.DefaultImpl):
    __dialect__ = "duckdb"
with sqlalchemy.create_engine("duckdb:///:memory:").connect():
    print(alembic.ddl.impl._impls["duckdb"].__name__)
"""


@pytest.mark.parametrize(
    ("program", "found"), [(OWN, "Own"), (OWN.replace('duckdb"\nwith', '"\nwith'), "AndamiosImpl")]
)
@pytest.mark.slow
def test_an_implementation_of_the_application_stays(program: str, found: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == found
