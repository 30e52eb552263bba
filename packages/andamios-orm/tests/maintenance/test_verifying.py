"""Each kind of fault is found where it was planted, and nothing where there is none."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.core import ChangeFeed
from andamios_orm.exceptions import DatabaseCorrupt, StatementTimeout
from andamios_orm.maintenance import Finding, Verification, vacuum, verify
from andamios_orm.maintenance.findings import Snapshot, _is_damage
from andamios_orm.models import HistoryMixin, IntegerKeyMixin, Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


class Author(HistoryMixin, IntegerKeyMixin, Base):
    """Who writes."""

    __tablename__ = "author"
    name: Mapped[str] = mapped_column(unique=True)
    born: Mapped[int | None] = mapped_column(
        sa.CheckConstraint("born > 0", name="born"), index=True
    )


class Book(IntegerKeyMixin, Base):
    """What was written."""

    __tablename__ = "book"
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("author.id"))


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return authors, books and the change feed."""
    return Base.metadata


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[ChangeFeed]:
    """Yield the feed of a database in which two transactions wrote."""
    for first in (1, 4):
        async with database.transaction() as session:
            session.add_all([Author(name=f"a{n}", born=n) for n in range(first, first + 3)])
    async with ChangeFeed(database, Base) as feed:
        yield feed


async def run(database: Database, *statements: str) -> None:
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(sa.text(statement))


def told(found: Verification) -> list[tuple[str, str, int, tuple[dict[str, Any], ...]]]:
    assert found.sound == (not found.findings)
    assert all(finding.remedy for finding in found.findings)
    return [(each.table, each.what, each.rows, each.keys) for each in found.findings]


@pytest.mark.slow
async def test_nothing_is_found_where_nothing_is_wrong(
    database: Database, feed: ChangeFeed
) -> None:
    await feed.follow("index").__anext__()
    async with database.transaction() as session:
        session.add(Book(author_id=1))
        session.add(Book(author_id=None))
    steps: list[tuple[int, int]] = []

    found = await verify(
        database, metadata=Base.metadata, progress=lambda *tables: steps.append(tables)
    )

    assert told(found) == []
    assert (found.tables, found.rows) == (5, 6 + 2 + 8 + 6 + 1)
    assert steps == [(n, 5) for n in range(1, 6)]


@pytest.mark.slow
async def test_orphans_are_found_by_the_keys_of_the_models(database: Database) -> None:
    await run(
        database,
        "ALTER TABLE book DROP CONSTRAINT fk_book_author_id_author"
        if database.engine.dialect.name == "postgresql"
        else "SELECT 1",
        "INSERT INTO author (id, name) VALUES (1, 'a')",
        *(f"INSERT INTO book (id, author_id) VALUES ({n}, {n})" for n in range(1, 9)),
    )

    by_catalog = await verify(database)
    by_models = await verify(database, metadata=[Base.metadata, sa.MetaData()])

    assert told(by_catalog) == []
    [(table, what, rows, keys)] = told(by_models)
    assert (table, rows) == ("book", 7)
    assert what == "refers by author_id to rows of author that do not exist"
    assert len(keys) == 5
    assert {"id": 2, "author_id": 2} in keys


async def test_models_that_the_database_does_not_have_are_left_out(database: Database) -> None:
    metadata = sa.MetaData()
    sa.Table("author", metadata, sa.Column("id"), sa.Column("other", sa.ForeignKey("nobody.id")))
    sa.Table("nobody", metadata, sa.Column("id", sa.Integer))
    sa.Table("book", metadata, sa.Column("gone", sa.ForeignKey("author.id")))

    assert told(await verify(database, metadata=metadata)) == []


# ---- the change feed -----------------------------------------------------------


async def test_followers_that_cannot_be_served_are_found(
    database: Database, feed: ChangeFeed
) -> None:
    first = (await feed.read())[0].position
    await feed.move("slow", first)
    await feed.prune(before=first + 2)
    newest = await feed.position()
    await feed.move("on time", newest)
    await feed.move("ahead", newest + 1)

    found = await verify(database)

    assert told(found) == [
        (
            "andamios_followers",
            "followers are at positions that no change has had yet",
            1,
            ({"name": "ahead", "position": newest + 1},),
        ),
        (
            "andamios_followers",
            "followers have not seen changes that retention has removed",
            1,
            ({"name": "slow", "position": first},),
        ),
    ]


@pytest.mark.slow
async def test_a_feed_that_was_pruned_and_compacted_is_sound(
    database: Database, feed: ChangeFeed
) -> None:
    changes = await feed.read()
    await feed.prune(before=changes[2].position)
    async with database.transaction() as session:
        author = await session.get(Author, 1)
        assert author is not None
        author.born = 99
    await feed.compact()

    assert told(await verify(database)) == []
    await feed.prune(before=2**62)
    assert told(await verify(database)) == []


async def test_changes_that_are_missing_are_found(database: Database, feed: ChangeFeed) -> None:
    second = (await feed.read())[3].position
    await run(database, f"DELETE FROM andamios_changes WHERE position = {second + 1}")

    assert told(await verify(database)) == [
        ("andamios_changes", "changes of transactions are missing", 1, ({"position": second},)),
        (
            "andamios_history",
            "versions of rows are there whose change is missing",
            1,
            ({"entity": "author", "key": "5", "position": second + 1},),
        ),
    ]


@pytest.mark.slow
async def test_changes_that_came_back_are_found(database: Database, feed: ChangeFeed) -> None:
    first = (await feed.read())[0].position
    await feed.prune(before=first + 1)
    statement = sa.insert(feed.tables.changes)
    async with database.engine.begin() as connection:
        values = {"position": first, "time": sa.func.now(), "entity": "e", "kind": "k", "count": 1}
        await connection.execute(statement.values(**values))

    assert told(await verify(database)) == [
        (
            "andamios_changes",
            "changes are there that retention has removed",
            1,
            ({"position": first},),
        )
    ]


async def test_changes_with_one_position_are_found(duckdb_database: Database) -> None:
    async with duckdb_database.transaction() as session:
        session.add(Book())
    await run(duckdb_database, "INSERT INTO andamios_changes SELECT * FROM andamios_changes")

    [(table, what, rows, keys)] = told(await verify(duckdb_database))

    assert (table, what, rows, len(keys)) == (
        "andamios_changes",
        "changes have the same position",
        1,
        1,
    )


# ---- DuckDB --------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with small blocks."""
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(":memory:") as raw:
        raw.execute(f"ATTACH '{path}' AS shop (BLOCK_SIZE 16384)")
    return path


def fill(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as raw:
        for statement in statements:
            raw.execute(statement)


async def verified(path: Path) -> Verification:
    async with Database(f"duckdb:///{path}?read_only=true") as database:
        return await verify(database)


def damage(path: Path, table: str) -> None:
    with duckdb.connect(str(path), read_only=True) as raw:
        blocks = f"SELECT max(block_id) FROM pragma_storage_info('{table}') WHERE persistent"
        [(block,)] = raw.execute(blocks).fetchall()
    content = bytearray(path.read_bytes())
    content[3 * 4096 + block * 16384 + 8000] ^= 0xFF
    path.write_bytes(content)


TABLES = (
    "CREATE TABLE a AS SELECT hash(range) AS n FROM range(9000)",
    "CREATE TABLE b AS SELECT 's' || hash(range) AS s FROM range(9000)",
    "CREATE SCHEMA other; CREATE TABLE other.c AS SELECT 7 AS n",
)


@pytest.mark.slow
async def test_a_block_that_is_damaged_is_found(file: Path) -> None:
    fill(file, *TABLES)
    assert told(await verified(file)) == []
    damage(file, "b")

    found = await verified(file)

    [(table, what, rows, keys)] = told(found)
    assert (table, rows, keys) == ("b", 0, ())
    assert what.startswith("cannot be read: IO Error: Corrupt database file: computed checksum")
    assert (found.tables, found.rows) == (3, 9001)


@pytest.mark.slow
async def test_keys_to_rows_that_cannot_be_read_are_told(file: Path) -> None:
    fill(
        file,
        "CREATE TABLE p (s VARCHAR UNIQUE)",
        "INSERT INTO p SELECT 's' || hash(range) FROM range(9000)",
        "CREATE TABLE c (s VARCHAR REFERENCES p (s))",
        "INSERT INTO c SELECT s FROM p",
    )
    damage(file, "p")

    found = told(await verified(file))

    assert {(table, what.partition(":")[0]) for table, what, *_ in found} == {
        ("p", "cannot be read"),
        ("p", "UNIQUE (s) cannot be read"),
        ("c", "cannot be compared with p"),
    }


async def test_a_file_that_cannot_be_opened_is_an_error(file: Path) -> None:
    file.write_bytes(b"no database" * 5_000)

    with pytest.raises(DatabaseCorrupt):
        await verified(file)


@pytest.mark.slow
async def test_rows_that_break_a_rule_are_found(file: Path) -> None:
    fill(
        file,
        'CREATE TABLE "a b" ("n ""n" INTEGER NOT NULL, s VARCHAR)',
        """INSERT INTO "a b" SELECT range, ':x %s' FROM range(9)""",
        'ALTER TABLE "a b" ALTER "n ""n" TYPE VARCHAR USING NULL',
        "CREATE TABLE until (id INTEGER PRIMARY KEY, "
        "moment TIMESTAMPTZ CHECK (moment > get_current_timestamp()), "
        "s VARCHAR CHECK (s <> ':x'))",
        "INSERT INTO until SELECT 7, get_current_timestamp() + to_milliseconds(20), 'y'",
    )
    await asyncio.sleep(0.03)

    found = await verified(file)

    assert told(found) == [
        ("a b", 'n "n has no value', 9, tuple({"rowid": n} for n in range(5))),
        ("until", "breaks CHECK (moment > get_current_timestamp())", 1, ({"id": 7},)),
    ]
    assert str(found.findings[0]) == (
        'a b: n "n has no value (9 rows)\n'
        "       at rowid = 0; rowid = 1; rowid = 2; rowid = 3; rowid = 4; ...\n"
        "       -> give these rows a value that the rule allows, or delete them"
    )


def lost(path: Path, *statements: str) -> Path:
    """Return a copy in whose indexes rows are missing: DuckDB issue 23788."""
    copy = path.with_name("lost.duckdb")
    with duckdb.connect(str(path)) as raw:
        raw.execute("SET checkpoint_threshold='1TB'")
        for statement in (
            "CREATE TABLE t (id BIGINT PRIMARY KEY, k INTEGER, s VARCHAR, st INTEGER)",
            "CREATE INDEX t_s ON t (s); CREATE INDEX t_low ON t ((lower(s)));",
            "CREATE UNIQUE INDEX t_k ON t (k); CREATE INDEX t_st ON t (st)",
            "CREATE UNIQUE INDEX t_two ON t (st, k)",
            "CREATE TABLE nothing (id BIGINT PRIMARY KEY)",
            "INSERT INTO t SELECT i, i, 's' || i, 0 FROM range(5000) r(i)",
            "CHECKPOINT",
            "INSERT INTO t SELECT i, i, 's' || i, 0 FROM range(5000, 5020) r(i)",
        ):
            raw.execute(statement)
        for suffix in ("", ".wal"):
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    duckdb.connect(str(copy)).close()
    fill(copy, *statements)
    return copy


@pytest.mark.slow
async def test_rows_that_an_index_does_not_find_are_found_and_a_new_file_finds_them(
    file: Path,
) -> None:
    copy = lost(file)

    found = {what: (rows, len(keys)) for _, what, rows, keys in told(await verified(copy))}
    await vacuum(copy)

    assert found == {
        "t_s does not find rows, of 197 looked up": (20, 5),
        "t_low does not find rows, of 197 looked up": (20, 5),
        "t_k does not find rows, of 197 looked up": (20, 5),
    }
    assert told(await verified(copy)) == []


@pytest.mark.slow
async def test_keys_that_are_there_twice_are_found(file: Path) -> None:
    copy = lost(file, "INSERT INTO t VALUES (7000, 5003, 'x', 0), (7001, 5004, 'y', 0)")

    repeated = [each for each in told(await verified(copy)) if "more than once" in each[1]]

    assert [(what, rows) for _, what, rows, _ in repeated] == [
        ("has k more than once", 2),
        ("has st, k more than once", 2),
    ]
    assert sorted(key["k"] for key in repeated[1][3]) == [5003, 5004]


async def test_what_a_collation_calls_equal_is_not_there_twice(file: Path) -> None:
    fill(
        file,
        "CREATE TABLE t (s VARCHAR COLLATE NOCASE UNIQUE, f DOUBLE UNIQUE, b BLOB UNIQUE)",
        r"INSERT INTO t VALUES ('a', 'nan', '\x00'), ('A', 0.1, '\x01'), (NULL, NULL, NULL)",
        "INSERT INTO t VALUES (NULL, NULL, NULL)",
    )

    assert told(await verified(file)) == []


async def test_temporary_tables_are_not_looked_at(duckdb_url: str) -> None:
    async with Database(duckdb_url, pool_size=1, max_overflow=0) as database:
        await run(
            database,
            "CREATE TEMP TABLE x (a INTEGER PRIMARY KEY)",
            "CREATE INDEX temp_x ON x (a)",
            "INSERT INTO x VALUES (1)",
        )

        found = await verify(database)

    assert (found.sound, found.tables, found.rows) == (True, 5, 0)


async def test_a_feed_that_cannot_be_read_is_told_once(file: Path) -> None:
    fill(
        file,
        "CREATE TABLE andamios_changes AS SELECT hash(range) >> 1 AS position FROM range(9000)",
        "CREATE TABLE andamios_followers (name VARCHAR, position BIGINT)",
        "CREATE TABLE andamios_history (entity VARCHAR, key VARCHAR, position BIGINT)",
    )
    damage(file, "andamios_changes")

    [(table, what, _, _)] = told(await verified(file))

    assert (table, what.partition(":")[0]) == ("andamios_changes", "cannot be read")


@pytest.mark.slow
async def test_writers_are_no_fault(duckdb_database: Database) -> None:
    stop = asyncio.Event()

    async def write(number: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            async with duckdb_database.transaction(write=True) as session:
                key = number * 100_000 + turn
                session.add(Author(id=key, name=f"a{key}", born=key))
                session.add(Book(author_id=key))
            async with duckdb_database.transaction(write=True) as session:
                old = await session.get(Author, key - 3)
                if old is not None:
                    old.born = key + 50_000

    writers = [asyncio.create_task(write(number)) for number in range(1, 5)]

    found = [told(await verify(duckdb_database, metadata=Base.metadata)) for _ in range(15)]

    stop.set()
    await asyncio.gather(*writers)
    assert found == [[]] * 15


async def test_what_is_no_damage_is_raised(duckdb_database: Database) -> None:
    async with duckdb_database.engine.execution_options(statement_timeout=0.05).connect() as slow:
        with pytest.raises(StatementTimeout):
            await Snapshot(slow).rows(
                "SELECT count(*) FROM range(100000000000) WHERE range % 7 = 8"
            )


def test_a_connection_that_is_lost_is_no_damage() -> None:
    lost = sa.exc.InterfaceError("SELECT 1", None, Exception("closed"))
    lost.connection_invalidated = True

    assert not _is_damage(lost)


# ---- PostgreSQL ----------------------------------------------------------------


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Database]:
    """Yield a database on PostgreSQL."""
    async with Database(postgres_url) as database:
        yield database


async def test_keys_that_are_not_valid_are_looked_at(postgres: Database) -> None:
    await run(
        postgres,
        'CREATE SCHEMA "S"',
        'CREATE TABLE "S"."P" ("A" integer, "B" integer, PRIMARY KEY ("B", "A"))',
        'CREATE TABLE "S"."C" ("X" integer, "Y" integer) PARTITION BY LIST ("X")',
        'CREATE TABLE "S"."C1" PARTITION OF "S"."C" DEFAULT',
        'CREATE TABLE "S".p ("A" integer CHECK ("A" <> 9))',
        'INSERT INTO "S"."C" VALUES (1, 2), (3, 4), (5, NULL)',
        'INSERT INTO "S"."P" VALUES (1, 2)',
        'INSERT INTO "S".p VALUES (7)',
        'ALTER TABLE "S".p ADD CHECK ("A" < 5) NOT VALID',
        'ALTER TABLE "S"."C1" ADD FOREIGN KEY ("Y", "X") REFERENCES "S"."P" ("B", "A") NOT VALID',
    )

    found = await verify(postgres, metadata=Base.metadata)

    assert told(found) == [
        ("S.p", 'breaks CHECK ("A" < 5)', 1, ({"ctid": "(0,1)"},)),
        (
            "S.C1",
            "refers by Y, X to rows of P that do not exist",
            1,
            ({"ctid": "(0,2)", "Y": 4, "X": 3},),
        ),
    ]


async def test_an_index_that_is_not_valid_is_found(postgres: Database) -> None:
    await run(postgres, "CREATE TABLE twice (a integer)", "INSERT INTO twice VALUES (1), (1)")
    engine = postgres.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError):
            await connection.execute(
                sa.text("CREATE UNIQUE INDEX CONCURRENTLY twice_a ON twice (a)")
            )

    found = await verify(postgres)

    assert told(found) == [
        (
            "twice",
            "the index twice_a is not valid: it is not used, and keeps nothing unique",
            0,
            (),
        )
    ]
    assert found.findings[0].remedy.startswith('REINDEX INDEX CONCURRENTLY "public"."twice_a"')


@pytest.mark.slow
async def test_rows_that_an_index_lacks_are_found_by_amcheck(postgres: Database) -> None:
    statements = (
        "CREATE TABLE t (a integer)",
        "CREATE FUNCTION f(a integer) RETURNS integer IMMUTABLE RETURN a",
        "CREATE INDEX t_f ON t (f(a))",
        "CREATE INDEX t_hash ON t USING hash (a)",
        "INSERT INTO t SELECT generate_series(1, 9)",
        "CREATE OR REPLACE FUNCTION f(a integer) RETURNS integer IMMUTABLE RETURN -a",
    )
    await run(postgres, *statements)
    without = await verify(postgres)
    await run(postgres, "CREATE EXTENSION amcheck")

    found = await verify(postgres)

    assert (without.sound, [note.partition(":")[0] for note in without.skipped]) == (
        True,
        ["the structure of indexes"],
    )
    assert found.skipped == ()
    [(table, what, _, _)] = told(found)
    assert (table, what.partition(":")[0]) == ("t", "the index t_f")
    assert "lacks matching index tuple" in what


async def test_a_value_that_cannot_be_read_is_found(postgres: Database) -> None:
    await run(
        postgres,
        "CREATE TYPE mood AS ENUM ('glad', 'gone')",
        "CREATE TABLE t (a mood)",
        "INSERT INTO t VALUES ('gone')",
        "DELETE FROM pg_enum WHERE enumlabel = 'gone'",
    )

    found = await verify(postgres)

    [(table, what, _, _)] = told(found)
    assert (table, what.partition(" for enum")[0]) == (
        "t",
        "cannot be read: invalid internal value",
    )
    assert found.tables == 6


async def test_what_this_user_may_not_read_is_told(postgres: Database, postgres_url: str) -> None:
    await run(
        postgres,
        "CREATE TABLE secret (id integer PRIMARY KEY)",
        "CREATE TABLE shared (id integer REFERENCES secret (id))",
        "ALTER TABLE shared ENABLE ROW LEVEL SECURITY",
        "CREATE ROLE andamios_verifier",
        "GRANT SELECT ON shared TO andamios_verifier",
    )
    try:
        await run(postgres, "ALTER ROLE andamios_verifier LOGIN")
        url = sa.make_url(postgres_url).set(username="andamios_verifier", password=None)
        async with Database(url.render_as_string(hide_password=False)) as other:
            found = await verify(other)
    finally:
        await run(postgres, "DROP OWNED BY andamios_verifier", "DROP ROLE andamios_verifier")

    assert (found.sound, found.tables) == (True, 1)
    assert "secret: this user may not read it" in found.skipped
    assert "shared: rows that policies hide from this user" in found.skipped


def test_a_finding_without_rows_takes_two_lines() -> None:
    assert str(Finding("t", "is odd", 0, (), "mend it")) == "t: is odd\n       -> mend it"
