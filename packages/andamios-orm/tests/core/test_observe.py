import asyncio
import logging
import threading
import time

import pytest
from sqlalchemy import MetaData, event, insert, select, text
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.core import SlowStatement, StatementRecord, observe

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

LOG = "andamios_orm.statements"


class Base(DeclarativeBase):
    """The tables of these tests."""


class Point(Base):
    """A place."""

    __tablename__ = "points"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as session:
        session.add_all([Point(id=number, label="canary") for number in range(1, 4)])
    return database


async def run(database: Database, sql: str, **values: object) -> None:
    async with database.session() as session:
        await session.execute(text(sql), values)


async def test_every_statement_is_told_with_its_time_and_without_its_values(
    filled: Database,
) -> None:
    records: list[StatementRecord] = []
    filled.observer.subscribe(records.append)

    await run(filled, "  select label FROM points WHERE label = :label", label="canary")

    (record,) = records
    assert (record.operation, record.many, record.error, record.plan) == (
        "SELECT",
        False,
        None,
        None,
    )
    assert 0 < record.seconds < 5
    assert abs(record.started - time.time()) < 5
    assert "canary" not in repr(record)


async def test_totals_are_counted(filled: Database) -> None:
    observer = observe(filled.engine)

    await run(filled, "SELECT 1")
    await run(filled, "UPDATE points SET label = 'b'")
    with pytest.raises(DBAPIError):
        await run(filled, "SELECT * FROM nothing")

    counters = observer.counters
    assert (counters.statements, counters.errors, counters.slow) == (3, 1, 0)
    assert counters.by_operation == {"SELECT": 2, "UPDATE": 1}
    assert sum(counters.by_error.values()) == 1
    assert counters.seconds > 0


async def test_an_error_is_told_by_the_name_of_its_class(filled: Database) -> None:
    records: list[StatementRecord] = []
    filled.observer.subscribe(records.append)

    with pytest.raises(DBAPIError):
        await run(filled, "SELECT * FROM nothing")

    assert records[0].error in {"MissingTable", "UndefinedTable", "UndefinedTableError"}
    assert records[0].rowcount == -1


async def test_an_error_without_a_statement_is_not_counted(tmp_path: object) -> None:
    database = Database(f"duckdb:///{tmp_path}/no-folder/file.duckdb")

    await database.health()

    assert database.observer.counters.statements == 0


async def test_many_rows_in_one_statement_are_told_as_such(filled: Database) -> None:
    records: list[StatementRecord] = []
    filled.observer.subscribe(records.append)

    async with filled.engine.begin() as connection:
        await connection.execute(
            insert(Point), [{"id": 10, "label": "a"}, {"id": 11, "label": "b"}]
        )

    assert [(record.operation, record.many) for record in records] == [("INSERT", True)]


async def test_who_no_longer_subscribes_is_not_told(filled: Database) -> None:
    records: list[StatementRecord] = []
    leave = filled.observer.subscribe(records.append)

    leave()
    await run(filled, "SELECT 1")

    assert records == []


async def test_a_subscriber_that_fails_disturbs_nobody(
    filled: Database, caplog: pytest.LogCaptureFixture
) -> None:
    records: list[StatementRecord] = []

    def fail(_record: StatementRecord) -> None:
        raise LookupError

    filled.observer.subscribe(fail)
    filled.observer.subscribe(records.append)
    await run(filled, "SELECT 1")

    assert len(records) == 1
    assert "a subscriber of the observer failed" in caplog.text


async def test_a_closed_observer_sees_nothing(filled: Database) -> None:
    observer = observe(filled.engine)

    observer.close()
    await run(filled, "SELECT 1")

    assert observer.counters.statements == 0


async def test_the_system_is_named(filled: Database) -> None:
    assert filled.observer.system == filled.engine.dialect.name


@pytest.mark.slow
async def test_a_slow_statement_is_logged_without_its_values(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, LOG)

    async with Database(url, slow_query=0) as database:
        await run(database, f"SELECT :v AS v, {'1 + ' * 300}1", v="canary")

    assert "slow statement, " in caplog.text
    assert "…" in caplog.text
    assert "canary" not in caplog.text
    assert database.observer.counters.slow == 1


async def test_slow_statements_are_remembered_by_their_text(filled: Database) -> None:
    observer = observe(filled.engine, slow=0)

    for label in ("canary", "bird", "bird"):
        await run(filled, "SELECT  :label AS label", label=label)

    (slow,) = observer.slowest
    assert slow.statement.startswith("SELECT ")
    assert slow == SlowStatement(slow.statement, 3, observer.counters.seconds, slow.longest)
    assert slow.seconds / 3 <= slow.longest < slow.seconds


@pytest.mark.slow
async def test_of_many_slow_statements_those_that_took_most_are_remembered(
    andamios_memory_url: str,
) -> None:
    async with Database(andamios_memory_url, slow_query=0) as database:
        await run(database, "SELECT sum(range) AS longest FROM range(30000000)")

        for number in range(101):
            await run(database, f"SELECT {number}")

        slowest = database.observer.slowest
    assert len(slowest) == 100
    assert "longest" in slowest[0].statement
    assert "SELECT 100" in {each.statement for each in slowest}


async def test_a_fast_statement_is_not_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Database(url, slow_query=60, explain_slow=True) as database:
        await run(database, "SELECT 1")

    assert caplog.records == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT label FROM points WHERE id = :id",
        "WITH p AS (SELECT * FROM points) SELECT * FROM p WHERE id = :id",
        "UPDATE points SET label = 'b' WHERE id = :id",
        "DELETE FROM points WHERE id = :id",
        "INSERT INTO points (id, label) VALUES (:id, 'b') ON CONFLICT DO NOTHING",
    ],
)
async def test_the_plan_of_a_slow_statement_is_attached(filled: Database, sql: str) -> None:
    records: list[StatementRecord] = []
    observe(filled.engine, slow=0, explain=True).subscribe(records.append)

    async with filled.transaction() as session:
        await session.execute(text(sql), {"id": 1})

    assert "points" in (records[0].plan or "").lower()


async def test_explaining_leaves_the_transaction_as_it_is(filled: Database) -> None:
    observe(filled.engine, slow=0, explain=True)

    async with filled.transaction() as session:
        point = await session.get_one(Point, 1)
        point.label = "changed"
        await session.flush()
        await session.execute(text("CREATE TABLE more (id INTEGER)"))
        await session.execute(insert(Point), [{"id": 20, "label": "a"}, {"id": 21, "label": "b"}])

    async with filled.session() as session:
        assert (await session.get_one(Point, 1)).label == "changed"
        assert (await session.get_one(Point, 21)).label == "b"


async def test_a_plan_that_cannot_be_had_costs_nobody_a_transaction(filled: Database) -> None:
    """PostgreSQL explains no statement that it cannot plan; whatever it is, the row stays."""
    records: list[StatementRecord] = []
    observe(filled.engine, slow=0, explain=True).subscribe(records.append)

    async with filled.transaction() as session:
        await session.execute(text("UPDATE points SET label = 'b' WHERE id = 1 RETURNING id"))
        await session.execute(text("SELECT count(*) FROM points"))

    async with filled.session() as session:
        assert (await session.get_one(Point, 1)).label == "b"


async def test_a_stream_is_not_explained(filled: Database) -> None:
    records: list[StatementRecord] = []
    observe(filled.engine, slow=0, explain=True).subscribe(records.append)

    async with filled.session() as session:
        rows = await session.stream(select(Point.id).order_by(Point.id))
        found = [key async for (key,) in rows]

    assert found == [1, 2, 3]
    assert [record.plan for record in records] == [None]


@pytest.mark.slow
async def test_statements_of_many_tasks_are_all_counted(filled: Database) -> None:
    observer = observe(filled.engine)

    await asyncio.gather(*(run(filled, "SELECT 1") for _ in range(50)))

    assert observer.counters.statements == 50


def test_a_blocking_engine_can_be_observed_from_several_threads(andamios_memory_url: str) -> None:
    engine = create_sync_engine(andamios_memory_url)
    observer = observe(engine)

    def work() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()

    assert observer.counters.statements == 8


async def test_a_statement_that_another_listener_refused_took_no_time(filled: Database) -> None:
    def refuse(*_: object) -> None:
        raise LookupError

    event.listen(filled.engine.sync_engine, "before_cursor_execute", refuse)
    observer = observe(filled.engine)

    with pytest.raises(LookupError):
        await run(filled, "SELECT 1")

    assert observer.counters.seconds == 0.0  # SQLAlchemy 2.0 does not even tell of it


async def test_two_observers_both_see_the_time(filled: Database) -> None:
    first, second = observe(filled.engine), observe(filled.engine)

    await run(filled, "SELECT 1")

    assert first.counters.seconds > 0
    assert second.counters.seconds > 0
