"""Results that are kept: never older than the same read without the cache, never another's."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    Select,
    SelectBase,
    String,
    TypeDecorator,
    bindparam,
    event,
    func,
    insert,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.exc import SQLAlchemyError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database, Session
from andamios_orm.core import ChangeFeed, ResultCache
from andamios_orm.core.commits import commits_of
from andamios_orm.exceptions import ConfigurationError, QueryRefused, TransactionAborted
from andamios_orm.models import IntegerKeyMixin, Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import MetaData

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Note(IntegerKeyMixin, Base):
    """A model."""

    __tablename__ = "notes"

    text: Mapped[str]
    tags: Mapped[list[str] | None]


class Other(IntegerKeyMixin, Base):
    """Another one."""

    __tablename__ = "others"

    text: Mapped[str]


class Silent(IntegerKeyMixin, Base):
    """A model whose changes nobody records."""

    __tablename__ = "silent"
    __feed__ = False

    text: Mapped[str]


class Owned(IntegerKeyMixin, Base):
    """A model whose rows belong to tenants."""

    __tablename__ = "owned"
    __tenant__ = "owner"

    owner: Mapped[str]


TEXTS = select(Note.text).order_by(Note.id)


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def notes(database: Database) -> Queries:
    """Return the queries of a database with one note."""
    await write(database, "a")
    queries = Queries()
    database.observer.subscribe(queries.note)
    return queries


class Queries:
    """How many queries of the tables have run."""

    def __init__(self) -> None:
        """Begin to count."""
        self.count = 0

    def note(self, record: Any) -> None:
        """Count a statement that reads a table of the tests."""
        if "FROM notes" in record.statement or "FROM silent" in record.statement:
            self.count += 1


async def write(database: Database, *texts: str, model: Any = Note) -> None:
    async with database.transaction() as session:
        session.add_all([model(text=each) for each in texts])


async def read(
    source: Database | AsyncSession, statement: SelectBase = TEXTS, **options: Any
) -> list[Any]:
    """Return the first column of a cached result."""
    if isinstance(source, Database):
        async with source.session() as session:
            return await read(session, statement, **options)
    found = ResultCache.of(source, statement)
    return list((await found.execute(source, statement, **options)).scalars())


# ---- hits and misses ---------------------------------------------------------------


async def test_a_statement_that_is_asked_again_is_known_without_a_look_at_its_parts(
    database: Database, notes: Queries
) -> None:
    statement = select(Note.text).where(Note.text.in_(["a", "b"]))
    await read(database, statement)
    assert statement in database.cache.told

    await write(database, "b")

    assert sorted(await read(database, statement)) == ["a", "b"]
    database.cache.clear()
    assert sorted(await read(database, statement)) == ["a", "b"]
    assert notes.count == 3


async def test_a_value_that_is_another_one_each_time_is_looked_at_each_time(
    database: Database, notes: Queries
) -> None:
    wanted = ["a"]
    called = select(Note.text).where(Note.text == bindparam("t", callable_=lambda: wanted[0]))
    tags: list[str] = []
    changed = select(Note.text).where(Note.tags == tags)
    assert (await read(database, called), await read(database, changed)) == (["a"], [])
    await write(database, "b")

    wanted[0] = "b"

    assert await read(database, called) == ["b"]
    assert called not in database.cache.told
    assert changed not in database.cache.told


async def test_parameters_of_a_statement_that_somebody_keeps_are_looked_at_each_time(
    database: Database, notes: Queries
) -> None:
    wanted: list[str] = ["a"]
    several = select(Note.text).where(Note.text.in_(bindparam("wanted", expanding=True)))
    given = several.params(wanted=wanted)
    bound = select(Note.text).where(Note.text.in_(bindparam("own", wanted, expanding=True)))
    assert (await read(database, given), await read(database, bound)) == (["a"], ["a"])
    await write(database, "b")

    wanted[0] = "b"

    assert (await read(database, given), await read(database, bound)) == (["b"], ["b"])
    assert given not in database.cache.told
    assert bound not in database.cache.told


async def test_a_value_that_was_not_given_is_asked_for_each_time(database: Database) -> None:
    several = select(Note.text).where(Note.text.in_(bindparam("wanted", expanding=True)))

    for _ in range(2):
        with pytest.raises(StatementError, match="value is required for bind parameter 'wanted'"):
            await read(database, several)


async def test_the_second_read_runs_no_query(database: Database, notes: Queries) -> None:
    first, second = await read(database), await read(database)

    statistics = database.cache.statistics()
    assert (first, second, notes.count) == (["a"], ["a"], 1)
    assert (statistics.hits, statistics.misses, statistics.entries) == (1, 1, 1)
    assert statistics.hit_rate == 0.5
    assert 0 < statistics.size < statistics.limit == 64 * 2**20


async def test_values_are_part_of_the_key(database: Database, notes: Queries) -> None:
    wanted = select(Note.id).where(Note.text == bindparam("wanted"))
    await write(database, "b")

    found = [
        await read(database, statement)
        for statement in (
            select(Note.id).where(Note.text == "a"),
            select(Note.id).where(Note.text == "b"),
            select(Note.id).where(Note.text.in_(["a", "b"])).order_by(Note.id),
            wanted.params(wanted="a"),
            wanted.params(wanted="b"),
        )
    ]

    assert found == [[1], [2], [1, 2], [1], [2]]
    assert (notes.count, database.cache.statistics().hits) == (5, 0)


async def test_values_that_are_equal_and_not_the_same_are_told_apart(database: Database) -> None:
    def typed(value: object) -> Select[Any]:
        return select(func.coalesce(bindparam("value", value, type_=Note.tags.type), None))

    first = [await read(database, typed(value)) for value in ([1], [1.0], [True])]

    assert repr(first) == "[[[1]], [[1.0]], [[True]]]"


async def test_what_a_reader_changes_is_its_own(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Note(text="a", tags=["x"]))
    first = await read(database, select(Note.tags))
    first[0].append("y")

    second = await read(database, select(Note.tags))
    second[0].append("z")

    assert await read(database, select(Note.tags)) == [["x"]]
    assert database.cache.statistics().misses == 1


async def test_rows_of_a_hit_are_as_of_a_query(database: Database, notes: Queries) -> None:
    statement = select(Note.id, Note.text.label("label"))
    async with database.session() as session:
        await database.cache.execute(session, statement)
        (row,) = (await database.cache.execute(session, statement)).all()

    assert (row.label, row._mapping["id"], row._mapping[Note.id]) == ("a", 1, 1)
    assert notes.count == 1


# ---- what makes a result stale -------------------------------------------------------


async def test_a_commit_makes_results_of_its_tables_stale(
    database: Database, notes: Queries
) -> None:
    others = select(Other.text)
    await read(database)
    await read(database, others)

    await write(database, "b")

    assert (await read(database), await read(database, others)) == (["a", "b"], [])
    statistics = database.cache.statistics()
    assert (statistics.stale, statistics.misses, statistics.hits) == (1, 3, 1)


async def test_a_rollback_changes_nothing(database: Database, notes: Queries) -> None:
    await read(database)
    async with database.session() as session:
        session.add(Note(text="b"))
        await session.flush()
        await session.rollback()

    assert (await read(database), notes.count) == (["a"], 1)


async def test_a_commit_that_fails_leaves_nothing_under_way(duckdb_database: Database) -> None:
    await write(duckdb_database, "a")
    dialect: Any = duckdb_database.engine.dialect
    commits = commits_of(dialect)
    assert commits is not None

    await read(duckdb_database)
    commits.begin(["notes"])
    await read(duckdb_database)
    commits.end({"notes": None})
    await read(duckdb_database)
    await read(duckdb_database)

    statistics = duckdb_database.cache.statistics()
    assert (statistics.misses, statistics.stale, statistics.hits) == (3, 2, 1)


async def test_an_old_snapshot_leaves_nothing_for_others(
    database: Database, notes: Queries
) -> None:
    await read(database, select(Other.text))  # from now on it is noted when transactions begin
    async with database.session() as old:
        await old.execute(select(Other.id))
        await write(database, "b")
        seen = await read(old)

        assert seen == ["a"]
        assert await read(database) == ["a", "b"]
        # On PostgreSQL it is asked in the old snapshot, and the result stays as new as it was.
        assert await read(old) == ["a", "b"]
    hits = database.cache.statistics().hits
    async with asyncio.timeout(5):
        # Until the transactions end that ran in the server's other databases meanwhile.
        while database.cache.statistics().hits == hits:
            assert await read(database) == ["a", "b"]


async def test_a_result_that_a_commit_overtakes_is_not_served(
    database: Database, notes: Queries
) -> None:
    async with Slow(database.engine) as slow:
        reading = asyncio.create_task(read(slow))
        await slow.read.wait()
        await write(database, "b")
        waiting = asyncio.create_task(read(database))
        await asyncio.sleep(0.01)
        slow.release.set()

        assert await reading == ["a"]
        assert await waiting == ["a", "b"]
    assert await read(database) == ["a", "b"]


class Slow(Session):
    """A session whose queries have read, and do not answer yet."""

    def __init__(self, bind: Any = None, **options: Any) -> None:
        """Wait to be released."""
        super().__init__(bind, **options)
        self.read, self.release = asyncio.Event(), asyncio.Event()
        self.failure: Exception | None = None

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        """Return a result once it is released."""
        result = await super().execute(*arguments, **options)
        self.read.set()
        await self.release.wait()
        if self.failure is not None:
            raise self.failure
        return result


async def test_clearing_forgets_what_is_being_read_as_well(
    database: Database, notes: Queries
) -> None:
    async with Slow(database.engine) as slow:
        reading = asyncio.create_task(read(slow))
        await slow.read.wait()
        async with database.engine.begin() as connection:
            await connection.execute(text("UPDATE notes SET text = 'b'"))
        database.cache.clear()
        slow.release.set()
        assert await reading == ["a"]

    assert await read(database) == ["b"]
    assert database.cache.statistics().entries == 1


# ---- transactions that have written ----------------------------------------------------


@pytest.mark.parametrize("how", ["pending", "changed", "deleted", "flush", "statement", "raw"])
@pytest.mark.sampled(3)
async def test_a_transaction_that_has_written_reads_beside_the_cache(
    database: Database, notes: Queries, how: str
) -> None:
    await read(database)
    async with database.session() as session:
        note = await session.get_one(Note, 1)
        expected = ["b"]
        if how == "pending":
            session.add(Note(text="b"))
            expected = ["a", "b"]
        elif how == "changed":
            note.text = "b"
        elif how == "deleted":
            await session.delete(note)
            expected = []
        elif how == "flush":
            note.text = "b"
            await session.flush()
        elif how == "statement":
            await session.execute(update(Note).values(text="b"))
        else:
            await session.execute(text("UPDATE notes SET text = 'b'"))

        assert await read(session) == expected
        assert await read(session, ttl=60) == expected
        assert await read(session, select(func.count(Note.id))) == [len(expected)]
        assert await read(database) == ["a"]
        await session.rollback()
        assert await read(session) == ["a"]

    assert database.cache.statistics().bypassed == 3
    assert await read(database, select(func.count(Note.id))) == [1]


async def test_a_transaction_that_has_failed_is_told_so(database: Database) -> None:
    await read(database)
    async with database.session() as session:
        _ = await session.connection()
        with pytest.raises(SQLAlchemyError):
            await session.execute(text("SELECT * FROM nowhere"))

        with pytest.raises(TransactionAborted):
            await read(session)


async def test_a_session_on_a_connection_of_somebody_else_reads_beside_the_cache(
    database: Database,
) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(insert(Note).values(id=7, text="mine"))
        async with AsyncSession(connection) as session:
            assert await read(session) == ["mine"]
        await connection.rollback()

    assert await read(database) == []


# ---- one query for all who ask at once ---------------------------------------------------


@pytest.mark.slow
async def test_many_who_ask_at_once_share_one_query(database: Database, notes: Queries) -> None:
    found = await asyncio.gather(*(read(database) for _ in range(30)))

    assert found == [["a"]] * 30
    assert notes.count == 1
    assert database.cache.statistics().misses == 1


@pytest.mark.slow
async def test_when_the_one_who_asks_is_cancelled_another_one_does(
    database: Database, notes: Queries
) -> None:
    async with Slow(database.engine) as slow:
        reading = asyncio.create_task(read(slow))
        await slow.read.wait()
        waiting = [asyncio.create_task(read(database)) for _ in range(5)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        reading.cancel()
        found = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [["a"]] * 4
    assert notes.count == 2


async def test_a_failure_is_of_the_one_who_had_it(database: Database, notes: Queries) -> None:
    async with (
        Slow(database.engine) as first,
        Slow(database.engine) as second,
        Slow(database.engine) as third,
    ):
        first.failure = LookupError("mine")
        failing = asyncio.create_task(read(first))
        await first.read.wait()
        waiting = [asyncio.create_task(read(each)) for each in (second, third)]
        await asyncio.sleep(0.01)
        first.release.set()
        await asyncio.gather(second.read.wait(), third.read.wait())
        third.release.set()
        second.release.set()

        assert await asyncio.gather(*waiting) == [["a"]] * 2
        with pytest.raises(LookupError, match="mine"):
            await failing
    assert notes.count == 3
    assert database.cache.flights == {}


@pytest.mark.slow
async def test_those_who_wait_need_no_connection(duckdb_url: str) -> None:
    async with Database(duckdb_url, pool_size=2, max_overflow=0, pool_timeout=5) as database:
        await write(database, "a")
        async with Slow(database.engine) as slow, database.session() as holder:
            await holder.execute(select(Other.id))
            reading = asyncio.create_task(read(slow))
            await slow.read.wait()
            waiting = [asyncio.create_task(read(database)) for _ in range(5)]
            waiting.append(asyncio.create_task(read(holder)))
            await asyncio.sleep(0.05)
            slow.release.set()

            assert await asyncio.gather(reading, *waiting) == [["a"]] * 7


async def test_loops_in_other_threads_share_results(duckdb_database: Database) -> None:
    await write(duckdb_database, "a")
    found: list[Any] = []

    def elsewhere() -> None:
        found.append(asyncio.run(read(duckdb_database)))

    async with Slow(duckdb_database.engine) as slow:
        reading = asyncio.create_task(read(slow))
        await slow.read.wait()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        slow.release.set()
        await reading

    assert (found, await read(duckdb_database)) == ([["a"]], ["a"])
    statistics = duckdb_database.cache.statistics()
    assert (statistics.misses, statistics.hits) == (2, 1)


# ---- memory ----------------------------------------------------------------------------


async def test_the_least_used_results_leave_first(duckdb_url: str) -> None:
    async with Database(duckdb_url, result_cache_size=20_000) as database:
        await write(database, "x" * 3_000)

        async def ask(number: int) -> None:
            assert await read(database, TEXTS.where(Note.id != number)) == ["x" * 3_000]

        for number in (10, 11, 12, 13, 10, 14, 10):
            await ask(number)

        statistics = database.cache.statistics()
        assert statistics.size <= 20_000
        assert (statistics.evicted, statistics.entries, statistics.hits) == (1, 4, 2)


async def test_a_result_that_is_too_large_is_given_to_those_who_wait_and_not_kept(
    duckdb_url: str,
) -> None:
    async with Database(duckdb_url, result_cache_size=10_000) as database:
        await write(database, "x" * 3_000)
        await asyncio.gather(*(read(database) for _ in range(4)))

        statistics = database.cache.statistics()
    assert (statistics.oversized, statistics.hits, statistics.entries) == (1, 3, 0)


async def test_a_cache_without_size_keeps_nothing(duckdb_url: str) -> None:
    async with Database(duckdb_url, result_cache_size=0) as database:
        await write(database, "a")
        assert await read(database) == ["a"]
        assert await read(database) == ["a"]
        statistics = database.cache.statistics()

    assert (statistics.misses, statistics.hit_rate) == (0, 0.0)


async def test_results_of_forgotten_statements_go_with_them(
    duckdb_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andamios_orm.core.entries._STATEMENTS", 1)
    await read(duckdb_database)
    async with Slow(duckdb_database.engine) as slow:
        reading = asyncio.create_task(read(slow, select(Other.id)))
        await slow.read.wait()
        await read(duckdb_database, select(Other.text))
        slow.release.set()
        await reading

    statistics = duckdb_database.cache.statistics()
    assert (statistics.entries, statistics.evicted) == (1, 1)


async def test_an_older_result_replaces_no_newer_one(duckdb_database: Database) -> None:
    async with Slow(duckdb_database.engine) as slow:
        reading = asyncio.create_task(read(slow))
        await slow.read.wait()
        await write(duckdb_database, "a")
        duckdb_database.cache.flights.clear()
        await read(duckdb_database)
        slow.release.set()

        assert await reading == []
    assert await read(duckdb_database) == ["a"]
    assert duckdb_database.cache.statistics().hits == 1


async def test_closing_and_opening_anew_begins_anew(duckdb_url: str) -> None:
    database = Database(duckdb_url)
    await write(database, "a")
    await read(database)
    await database.engine.dispose()
    async with Database(duckdb_url) as other:
        await write(other, "b")

    assert await read(database) == ["a", "b"]
    await database.close()
    assert database.cache.statistics().entries == 0


# ---- what nobody records -----------------------------------------------------------------


async def test_what_nobody_records_takes_a_time(database: Database) -> None:
    statement = select(Silent.text)
    await write(database, "a", model=Silent)

    with pytest.raises(QueryRefused, match=r"silent are not recorded.*ttl=60"):
        await read(database, statement)

    assert await read(database, statement, ttl=60) == ["a"]
    await write(database, "b", model=Silent)
    assert await read(database, statement, ttl=60) == ["a"]
    with pytest.raises(QueryRefused, match="not recorded"):
        await read(database, statement)


async def test_a_result_is_served_for_its_time(
    database: Database, notes: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    statement = select(Silent.text)
    await read(database, statement, ttl=10)
    await write(database, "a", model=Silent)

    now += 10
    assert await read(database, statement, ttl=10) == []
    assert await read(database, statement, ttl=9) == ["a"]
    assert notes.count == 2


async def test_commits_of_this_process_end_the_time_at_once(
    database: Database, notes: Queries
) -> None:
    await read(database, ttl=60)
    assert await read(database, ttl=60) == ["a"]

    await write(database, "b")

    assert await read(database, ttl=60) == ["a", "b"]


@pytest.mark.parametrize("ttl", [0, -1, float("inf"), float("nan"), True, "60"])
async def test_a_time_is_a_number_of_seconds(database: Database, ttl: Any) -> None:
    with pytest.raises(QueryRefused, match="ttl="):
        await read(database, ttl=ttl)


# ---- for whom it is ------------------------------------------------------------------------


async def test_rows_of_tenants_take_a_tenant(database: Database) -> None:
    statement = select(Owned.owner)
    with pytest.raises(QueryRefused, match=r"Owned belong to tenants.*tenant="):
        await read(database, statement)

    await read(database, statement, tenant="a")
    await read(database, statement, tenant="b")
    async with database.session() as session:
        session.info["tenant"] = "a"
        await read(session, statement)

    statistics = database.cache.statistics()
    assert (statistics.entries, statistics.hits) == (2, 1)


async def test_a_session_whose_statements_are_changed_takes_a_tenant(database: Database) -> None:
    await read(database)
    async with database.session() as session:
        event.listen(session.sync_session, "do_orm_execute", lambda _: None)

        with pytest.raises(QueryRefused, match="do_orm_execute"):
            await read(session)
        assert await read(session, tenant="a") == []


async def test_schemas_are_told_apart(duckdb_database: Database) -> None:
    statement = select(Note.text)
    async with duckdb_database.engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA acme"))
        await connection.execute(text("CREATE TABLE acme.notes AS FROM notes"))
        await connection.execute(text("INSERT INTO acme.notes (id, text) VALUES (1, 'acme')"))
    await read(duckdb_database, statement)
    acme = {"schema_translate_map": {None: "acme"}}
    engine = duckdb_database.engine.execution_options(**acme)

    async with Session(engine) as session:
        assert await read(session, statement) == ["acme"]
    async with duckdb_database.session() as session:
        _ = await session.connection(execution_options=acme)
        assert await read(session, statement) == ["acme"]
    assert await read(duckdb_database, statement.execution_options(**acme)) == ["acme"]
    assert await read(duckdb_database, statement) == []


# ---- what is refused -------------------------------------------------------------------------


async def test_statements_that_cannot_be_told_apart_are_refused(database: Database) -> None:
    class Untold(TypeDecorator[str]):
        impl = String
        cache_ok = False

    with pytest.raises(QueryRefused, match="cache_ok = True"):
        await read(database, select(type_coerce(Note.text, Untold())))
    with pytest.raises(QueryRefused, match="a value cannot be told"):
        await read(database, select(Note.id).where(Note.tags == [lambda: None]))


async def test_the_cache_of_another_database_is_refused(database: Database) -> None:
    other = Database("duckdb:///:memory:")
    async with database.session() as session:
        with pytest.raises(ConfigurationError, match="another database"):
            await other.cache.execute(session, TEXTS)


# ---- engines and sessions that are not ours ----------------------------------------------------


async def test_a_session_of_an_engine_of_ones_own_has_a_cache(url: str) -> None:
    engine = create_async_engine(url)
    try:
        async with AsyncSession(engine) as session:
            first = ResultCache.of(session, TEXTS)
            assert await read(session) == []
            assert await read(session) == []
            assert ResultCache.of(session, TEXTS) is first
            assert first.statistics().hits == 1
    finally:
        await engine.dispose()


async def test_engines_on_one_file_know_of_each_other(
    duckdb_url: str, duckdb_database: Database
) -> None:
    await write(duckdb_database, "a")
    async with Database(duckdb_url) as other:
        assert await read(other) == ["a"]
        await write(duckdb_database, "b")

        assert await read(other) == ["a", "b"]
        assert other.cache.statistics().stale == 1


async def test_what_began_before_anybody_noted_it_is_not_kept(database: Database) -> None:
    async with database.session() as session:
        await session.execute(select(Other.id))
        assert await read(session) == []
    statistics = database.cache.statistics()

    assert (statistics.misses, statistics.entries) == (1, 0)


# ---- with other processes on PostgreSQL ----------------------------------------------------------


@pytest.fixture
async def servers(postgres_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Yield two databases that know nothing of each other, on the same tables with one note."""
    async with Database(postgres_url) as one, Database(postgres_url) as two:
        await write(one, "a")
        yield one, two


async def test_commits_elsewhere_are_seen_at_once(servers: tuple[Database, Database]) -> None:
    one, two = servers
    assert await read(one) == ["a"]

    await write(two, "b")

    assert (await read(one), await read(one)) == (["a", "b"], ["a", "b"])
    statistics = one.cache.statistics()
    assert (statistics.stale, statistics.hits) == (1, 1)


async def test_with_a_time_commits_elsewhere_are_seen_after_it(
    servers: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = servers
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    await read(one, ttl=10)
    await write(two, "b")

    assert await read(one, ttl=10) == ["a"]
    async with one.session() as session:
        await session.execute(select(Other.id))
        assert await read(session, ttl=10) == ["a"]
    now += 11
    assert await read(one, ttl=10) == ["a", "b"]


async def test_asking_makes_a_result_new_again(
    servers: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = servers
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    await read(one)
    now += 20
    await read(one)

    await write(two, "b")

    assert await read(one, ttl=10) == ["a"]


async def test_transactions_that_commit_out_of_order_are_seen(
    servers: tuple[Database, Database],
) -> None:
    one, two = servers
    async with two.session() as slow:
        slow.add(Note(text="slow"))
        await slow.flush()
        await write(two, "quick")
        assert await read(one) == await read(one) == ["a", "quick"]
        assert one.cache.statistics().hits == 1
        await slow.commit()

    assert await read(one) == ["a", "slow", "quick"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["prune", "compact"])
async def test_changes_that_retention_has_removed_are_not_missed(
    servers: tuple[Database, Database], how: str
) -> None:
    one, two = servers
    feed = ChangeFeed(two, Base)
    assert await feed.compact() == 0
    await read(one)
    for value in ("b", "c"):
        async with two.transaction() as session:
            (await session.get_one(Note, 1)).text = value
    async with asyncio.timeout(5):
        # Changes that the server may still hold back are not removed.
        while not await (feed.compact() if how == "compact" else feed.prune(before=2**62)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)

    async with asyncio.timeout(5):
        # Until the transactions end that ran in the server's other databases meanwhile.
        while not one.cache.statistics().hits:
            assert await read(one) == ["c"]
    assert await feed.followers() == []


async def test_asyncpg_is_asked_as_well(servers: tuple[Database, Database]) -> None:
    one, two = servers
    engine = create_async_engine(one.engine.url.set(drivername="postgresql+asyncpg"))
    try:
        async with AsyncSession(engine) as session:
            assert await read(session) == ["a"]
            await session.rollback()
            await write(two, "b")
            assert await read(session) == ["a", "b"]
            assert await read(session) == ["a", "b"]
            assert ResultCache.of(session, TEXTS).statistics().hits == 1
    finally:
        await engine.dispose()


async def test_a_transaction_in_two_phases_is_seen(servers: tuple[Database, Database]) -> None:
    one, two = servers
    await read(one)
    async with two.session() as session, one.session() as reader:
        session.sync_session.twophase = True
        session.add(Note(text="b"))
        await reader.execute(select(Other.id))
        try:
            await session.commit()
        except SQLAlchemyError as error:
            if "max_prepared_transactions" not in str(error):
                raise
            pytest.skip("the server prepares no transactions")

    assert await read(one) == ["a", "b"]


def become_reader(_session: Any, _transaction: Any, connection: Any) -> None:
    """Take a role that sees less, as soon as a transaction begins."""
    connection.execute(text("SET LOCAL ROLE cache_reader"))


async def test_a_role_that_row_level_security_restricts_takes_a_tenant(
    servers: tuple[Database, Database],
) -> None:
    one, _ = servers
    await read(one)
    async with one.engine.begin() as connection:
        for statement in (
            "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
            "CREATE ROLE cache_reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO cache_reader",
        ):
            await connection.execute(text(statement))
    try:
        async with one.session() as session:
            await session.execute(text("SET LOCAL ROLE cache_reader"))
            with pytest.raises(QueryRefused, match="row-level security"):
                await read(session)
            assert await read(session, tenant="a") == []
            await session.rollback()
        assert await read(one, ttl=60) == await read(one) == ["a"]
        async with one.session() as session:
            event.listen(session.sync_session, "after_begin", become_reader)
            with pytest.raises(QueryRefused, match="row-level security"):
                await read(session, ttl=60)
            assert await read(session, tenant="a", ttl=60) == []
    finally:
        async with one.engine.begin() as connection:
            await connection.execute(text("DROP OWNED BY cache_reader"))
            await connection.execute(text("DROP ROLE cache_reader"))
            await connection.execute(text("ALTER TABLE notes DISABLE ROW LEVEL SECURITY"))
