"""Tables as they are read from DuckDB, and made anew with all that belongs to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect.constraint_names import keep, named
from andamios_orm.dialect.quoting import quoted
from andamios_orm.dialect.rebuilding import children_of, read, rebuild
from andamios_orm.exceptions import DuplicateKey, ForeignKeyViolation, NotNullViolation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm.dialect.shapes import TableShape

pytestmark = [pytest.mark.integration, pytest.mark.db]

TABLES = {
    "plain": [
        "CREATE TABLE t (a INTEGER, b VARCHAR)",
        "INSERT INTO t VALUES (1, 'x'), (NULL, '')",
    ],
    "without rows": ["CREATE TABLE t (a INTEGER PRIMARY KEY)"],
    "odd names": [
        """CREATE TABLE t ("a b" INTEGER, "select" INTEGER UNIQUE, "q""r" INTEGER, "x,y" INTEGER,
        "it's" INTEGER, "ÄÖ" INTEGER, "%s :x" INTEGER, CHECK ("q""r" > "x,y"))""",
        """CREATE INDEX "an ""odd"" index" ON t
        ("a b", "select", "q""r", "x,y", "it's", "%s :x")""",
        """CREATE UNIQUE INDEX "select" ON t ((concat("it's", ', \\ ''x''', "x,y")))""",
        """COMMENT ON INDEX "an ""odd"" index" IS 'it''s :x %s'""",
        "INSERT INTO t VALUES (1, 2, 3, -4, 5, 6, 7)",
    ],
    "defaults": [
        """CREATE TABLE t (a VARCHAR DEFAULT 'it''s %s %% :x $1', b INTEGER DEFAULT (1 + 1),
        c BOOLEAN DEFAULT true, d STRUCT(a INTEGER) DEFAULT {'a': 1},
        e TIMESTAMP DEFAULT current_timestamp)""",
        "INSERT INTO t (b) VALUES (7)",
    ],
    "comments": [
        "CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1))",
        "COMMENT ON TABLE t IS 'it''s\n100 % :x'",
        "COMMENT ON COLUMN t.a IS '\"quoted\"'",
        "COMMENT ON COLUMN t.b IS 'computed'",
    ],
    "generated": [
        """CREATE TABLE t (a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2),
        b DATE DEFAULT '2020-01-01',
        h VARCHAR GENERATED ALWAYS AS (CAST(b AS VARCHAR) || 'GENERATED ALWAYS AS'))""",
        "INSERT INTO t (a) VALUES (4)",
    ],
    "looks generated": ["CREATE TABLE t (a VARCHAR DEFAULT 'GENERATED ALWAYS AS')"],
    "collations": [
        """CREATE TABLE t (a VARCHAR COLLATE nocase, "b ""c" VARCHAR COLLATE de.nocase, c VARCHAR,
        d VARCHAR DEFAULT 'c VARCHAR COLLATE nocase')""",
        "INSERT INTO t (a) VALUES ('x'), ('X')",
    ],
    "types": [
        "CREATE TYPE mood AS ENUM ('so', 'it''s')",
        """CREATE TABLE t (m mood, l mood[], s STRUCT("a b" INTEGER, m mood), u UNION(a INTEGER,
        b VARCHAR), f INTEGER[3], d MAP(VARCHAR, DECIMAL(10, 2)), i UUID, j JSON,
        z TIMESTAMP WITH TIME ZONE, o BLOB)""",
        """INSERT INTO t VALUES ('so', ['so'], {'a b': 1, 'm': 'it''s'}, 1, [1, 2, 3],
        MAP {'k': 1.5}, uuid(), '{"a": 1}', '2020-01-01 00:00:00+00', 'x')""",
    ],
    "checks": [
        """CREATE TABLE t (a INTEGER NOT NULL CHECK (a > 0), b VARCHAR, CHECK (b LIKE 'a%'),
        CHECK (b <> ':x %s'), CHECK (t.a < 10), PRIMARY KEY (a), UNIQUE (b, a))""",
        "INSERT INTO t VALUES (1, 'ab')",
    ],
    "partial index": [
        "CREATE TABLE t (a INTEGER, b INTEGER)",
        "CREATE UNIQUE INDEX i ON t (a, (CASE WHEN b > 0 THEN '(counts)' END))",
        "INSERT INTO t VALUES (1, 0), (1, 0), (1, 1)",
    ],
    "parent": [
        "CREATE TABLE Parent (Id INTEGER PRIMARY KEY)",
        "CREATE TABLE t (a INTEGER REFERENCES PARENT (ID))",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO t VALUES (1), (NULL)",
    ],
    "self": [
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER REFERENCES T (A))",
        "INSERT INTO t VALUES (3, NULL)",
        "INSERT INTO t VALUES (2, 3)",
        "INSERT INTO t VALUES (1, 2), (4, 2)",
    ],
    "self by two columns, in two ways": [
        """CREATE TABLE t (a INTEGER, b INTEGER, c INTEGER, d INTEGER UNIQUE, e INTEGER,
        UNIQUE (a, b), FOREIGN KEY (a, c) REFERENCES t (a, b), FOREIGN KEY (e) REFERENCES t (d))""",
        "INSERT INTO t VALUES (1, 1, NULL, 5, NULL), (NULL, NULL, NULL, NULL, NULL)",
        "INSERT INTO t VALUES (1, 2, 1, 6, 5), (NULL, 1, 7, NULL, 5), (NULL, 1, 7, NULL, 5)",
        "INSERT INTO t VALUES (1, 3, 2, NULL, 6), (NULL, NULL, 8, NULL, 6)",
    ],
}


@pytest.fixture
def connection(andamios_memory_url: str) -> Iterator[sa.Connection]:
    """Yield a connection to an empty database on which USE is allowed."""
    url = sa.make_url(andamios_memory_url).update_query_dict({"hardened": "false"})
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def execute(connection: sa.Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def rows(connection: sa.Connection, table: str = "t") -> list[str]:
    """Return the rows as texts, sorted."""
    found = connection.exec_driver_sql(f"SELECT CAST(r AS VARCHAR) FROM {table} AS r ORDER BY 1")
    return list(found.scalars())


def known(connection: sa.Connection, table: str, schema: str | None = None) -> TableShape:
    shape = read(connection, table, schema)
    assert shape is not None
    return shape


def again(connection: sa.Connection, old: TableShape, new: TableShape | None = None) -> list[Any]:
    """Make a table anew; columns that are no longer there are left out."""
    new = new or old
    values = {each.name: quoted(each.name) for each in new.stored if old.has_column(each.name)}
    return rebuild(connection, old, new, values)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("schema", [None, 'an "odd" schema'])
@pytest.mark.parametrize("statements", TABLES.values(), ids=TABLES)
def test_a_table_made_anew_is_as_before(
    connection: sa.Connection, statements: list[str], schema: str | None
) -> None:
    if schema is not None:
        execute(connection, f"CREATE SCHEMA {quoted(schema)}", f"USE memory.{quoted(schema)}")
    execute(connection, *statements)
    if schema is not None:
        execute(connection, "USE memory.main")
    name = f"{quoted(schema)}.t" if schema else "t"
    connection.commit()
    shape, before = known(connection, "T", schema), rows(connection, name)

    made = again(connection, shape)
    connection.commit()

    assert made == [shape]
    assert replace(shape, indexes=()) == replace(known(connection, "t", schema), indexes=())
    assert set(shape.indexes) == set(known(connection, "t", schema).indexes)
    assert rows(connection, name) == before
    assert stashes(connection) == 0


def stashes(connection: sa.Connection) -> Any:
    return connection.scalar(
        sa.text("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'andamios_stash%'")
    )


def test_what_is_not_there_has_no_shape(connection: sa.Connection) -> None:
    execute(connection, "CREATE TEMPORARY TABLE t (a INTEGER)", "CREATE VIEW v AS SELECT 1 AS a")

    shapes = [read(connection, "t"), read(connection, "v"), read(connection, "x", "y")]

    assert shapes == [None, None, None]


def test_a_table_of_the_current_schema_needs_no_schema(connection: sa.Connection) -> None:
    execute(connection, "CREATE TABLE t (a INTEGER)")

    assert read(connection, "t", "main") == read(connection, "t")


def test_indexes_are_enforced_afterwards(connection: sa.Connection) -> None:
    execute(connection, *TABLES["partial index"])
    again(connection, known(connection, "t"))
    connection.commit()

    execute(connection, "INSERT INTO t VALUES (1, 0)")
    with pytest.raises(DuplicateKey):
        execute(connection, "INSERT INTO t VALUES (1, 2)")


def test_a_column_that_is_left_out_gets_its_default(connection: sa.Connection) -> None:
    execute(connection, "CREATE SEQUENCE s START 5", *TABLES["plain"])
    shape = known(connection, "t")
    column = replace(shape.columns[0], name="c", default="nextval('s')", nullable=False)

    again(connection, shape, shape.with_column(column))

    assert sorted(connection.exec_driver_sql("SELECT c FROM t").scalars()) == [5, 6]


def test_a_sequence_goes_on_where_it_was(connection: sa.Connection) -> None:
    execute(
        connection,
        "CREATE SEQUENCE s",
        "CREATE TABLE t (a INTEGER PRIMARY KEY DEFAULT nextval('s'), b INTEGER)",
        "INSERT INTO t (b) VALUES (7), (8)",
    )
    connection.commit()

    again(connection, known(connection, "t"))
    connection.commit()
    execute(connection, "INSERT INTO t (b) VALUES (9)")

    assert list(connection.exec_driver_sql("SELECT a FROM t ORDER BY b").scalars()) == [1, 2, 3]


def test_a_view_shows_the_new_table(connection: sa.Connection) -> None:
    execute(connection, *TABLES["plain"], "CREATE VIEW v AS SELECT a FROM t")

    again(connection, known(connection, "t"))

    assert connection.scalar(sa.text("SELECT max(a) FROM v")) == 1


def test_rows_that_cannot_be_taken_over_are_an_error(connection: sa.Connection) -> None:
    execute(connection, *TABLES["plain"])
    connection.commit()
    shape = known(connection, "t")

    with pytest.raises(NotNullViolation):
        again(connection, shape, shape.with_column_changed("a", nullable=False))
    connection.rollback()

    assert rows(connection) == ["{'a': 1, 'b': x}", "{'a': NULL, 'b': ''}"]


def test_rows_that_refer_in_a_circle_are_an_error(connection: sa.Connection) -> None:
    execute(connection, "CREATE TABLE t (a INTEGER, b INTEGER)", "INSERT INTO t VALUES (1, 1)")
    shape = known(connection, "t")
    execute(connection, "CREATE TABLE u (a INTEGER PRIMARY KEY, b INTEGER REFERENCES u (a))")

    with pytest.raises(ForeignKeyViolation):
        again(connection, shape, replace(known(connection, "u"), name="v").with_name("t"))


# ---- keys between tables -------------------------------------------------------------

FAMILIES = {
    "chain": ["p", "a: p", "b: a", "c: b"],
    "diamond": ["p", "a: p", "b: p", "c: a b"],
    "diamond with a short cut": ["p", "b: p", "a: p b", "c: p a"],
    "self": ["p", "a: a p"],
}


@pytest.mark.slow
@pytest.mark.parametrize("schema", [None, "s"])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_all_tables_that_refer_to_it_are_made_again(
    connection: sa.Connection, family: list[str], schema: str | None
) -> None:
    names = [member[0] for member in family]
    execute(connection, "CREATE SCHEMA s", f"USE memory.{schema or 'main'}")
    for member in family:
        name, _, parents = member.partition(": ")
        keys = "".join(f", to_{each} INTEGER REFERENCES {each} (id)" for each in parents.split())
        execute(connection, f"CREATE TABLE {name} (id INTEGER PRIMARY KEY{keys})")
        values = ", 1" * len([each for each in parents.split() if each != name])
        nothing = ", NULL" if name in parents.split() else ""
        execute(connection, f"INSERT INTO {name} VALUES (1{nothing}{values})")
        execute(connection, f"CREATE INDEX {name}_index ON {name} (id)")
    execute(connection, "USE memory.main")
    connection.commit()
    before = {name: known(connection, name, schema) for name in names}

    made = again(connection, before["p"])
    connection.commit()

    assert {shape.name: shape for shape in made} == before
    assert {name: known(connection, name, schema) for name in names} == before
    prefix = f"{schema}." if schema else ""
    assert [len(rows(connection, prefix + name)) for name in names] == [1] * len(names)
    with pytest.raises(ForeignKeyViolation):
        execute(connection, f"DELETE FROM {prefix}p")


def test_children_are_those_of_the_same_schema(connection: sa.Connection) -> None:
    execute(
        connection,
        "CREATE SCHEMA s",
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE s.p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (id INTEGER REFERENCES p (id), b INTEGER REFERENCES P (id))",
        "CREATE TABLE s.d (id INTEGER REFERENCES s.p (id))",
    )

    assert children_of(connection, known(connection, "p")) == ["c"]
    assert children_of(connection, known(connection, "p", "s")) == ["d"]


def test_children_follow_new_names_and_keep_their_own(connection: sa.Connection) -> None:
    execute(
        connection,
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (p_id INTEGER REFERENCES P (ID))",
        "INSERT INTO p VALUES (1)",
        "INSERT INTO c VALUES (1)",
    )
    child, parent = known(connection, "c"), known(connection, "p")
    keep(connection, replace(child, constraints=(replace(child.constraints[0], name="fk"),)))
    new = parent.with_column_renamed("id", "Key", quoted).with_name("people")

    made = rebuild(connection, parent, new, {"Key": "CAST(id AS INTEGER)"})
    connection.commit()

    (key,) = known(connection, "c").constraints
    assert made[1].constraints == (replace(key, name="fk"),)
    assert (key.refers_to, key.referred) == ("people", ("Key",))
    assert rows(connection, "c") == ["{'p_id': 1}"]
    assert named(connection, known(connection, "people")) == known(connection, "people")
