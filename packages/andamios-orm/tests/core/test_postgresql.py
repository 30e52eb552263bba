from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    MetaData,
    bindparam,
    create_engine,
    delete,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy import exc as sa_exc
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from andamios_orm.core import postgresql
from andamios_orm.core.drivers import close
from andamios_orm.core.postgresql import guard
from andamios_orm.exceptions import (
    CheckViolation,
    ConfigurationError,
    ConstraintViolation,
    DatabaseUnavailable,
    DataFault,
    DiskFull,
    DuplicateKey,
    ForeignKeyViolation,
    MissingTable,
    NotNullViolation,
    StatementRefused,
    StatementTimeout,
    TransactionAborted,
    WriteConflict,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Place(Base):
    """Something that others refer to."""

    __tablename__ = "places"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    size: Mapped[int] = mapped_column(CheckConstraint("size > 0", name="size_positive"), default=1)


class Visit(Base):
    """A row that refers to a place, checked when it is written."""

    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("places.id"))


class Booking(Base):
    """A row that refers to a place, checked at COMMIT."""

    __tablename__ = "bookings"
    id: Mapped[int] = mapped_column(primary_key=True)
    place_id: Mapped[int] = mapped_column(
        ForeignKey("places.id", deferrable=True, initially="DEFERRED")
    )


MISTAKES = {
    "duplicate key": ("INSERT INTO places VALUES (1, 'again', 1)", DuplicateKey),
    "missing value": ("INSERT INTO places VALUES (9, NULL, 1)", NotNullViolation),
    "no parent": ("INSERT INTO visits VALUES (1, 99)", ForeignKeyViolation),
    "broken rule": ("INSERT INTO places VALUES (9, 'x', 0)", CheckViolation),
    "bad cast": ("SELECT CAST('abc' AS integer)", sa_exc.DBAPIError),
    "no such table": ("SELECT * FROM nowhere", MissingTable),
    "too slow": ("SELECT pg_sleep(30)", StatementTimeout),
}
mistakes = pytest.mark.parametrize(("mistake", "kind"), list(MISTAKES.values()), ids=list(MISTAKES))


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    """Yield a guarded engine on the tables, with place 1 in them."""
    engine = create_engine(postgres_url, connect_args={"options": "-c statement_timeout=200"})
    guard(engine)
    with engine.begin() as connection:
        connection.execute(insert(Place), [{"id": 1, "name": "one"}])
    yield engine
    engine.dispose()


@pytest.fixture(params=["psycopg", "asyncpg"])
async def async_engine(
    engine: Engine, request: pytest.FixtureRequest
) -> AsyncIterator[AsyncEngine]:
    """Yield a guarded async engine on the same tables, with each driver in turn."""
    settings: dict[str, dict[str, Any]] = {
        "psycopg": {"options": "-c statement_timeout=200"},
        "asyncpg": {"server_settings": {"statement_timeout": "200"}},
    }
    async_engine = create_async_engine(
        engine.url.set(drivername=f"postgresql+{request.param}"),
        connect_args=settings[request.param],
    )
    guard(async_engine)
    yield async_engine
    await async_engine.dispose()


def names(engine: Engine) -> list[str]:
    """Return what is stored."""
    with engine.connect() as connection:
        return list(connection.scalars(select(Place.name).order_by(Place.id)))


# Errors


def test_a_duplicate_key_names_table_column_value_and_rule(engine: Engine) -> None:
    with pytest.raises(DuplicateKey) as caught, engine.begin() as connection:
        connection.execute(insert(Place), {"id": 2, "name": "one"})

    error = caught.value
    assert (error.table, error.columns, error.value) == ("places", ("name",), "one")
    assert error.constraint == "places_name_key"
    assert error.statement is not None
    assert error.statement.startswith("INSERT INTO places")
    assert error.params == {"id": 2, "name": "one", "size": 1}
    assert type(error.orig).__name__ == "UniqueViolation"
    assert "Key (name)=(one) already exists" in str(error)


async def test_an_async_engine_translates_as_well(async_engine: AsyncEngine) -> None:
    with pytest.raises(DuplicateKey) as caught:
        async with async_engine.begin() as connection:
            await connection.execute(insert(Place), {"id": 1, "name": "two"})

    assert (caught.value.columns, caught.value.value) == (("id",), "1")


@pytest.mark.parametrize(
    ("statement", "kind", "table", "columns", "value"),
    [
        (MISTAKES["missing value"][0], NotNullViolation, "places", ("name",), None),
        (MISTAKES["no parent"][0], ForeignKeyViolation, "visits", ("place_id",), "99"),
        (MISTAKES["broken rule"][0], CheckViolation, "places", (), None),
        ("DELETE FROM places", ForeignKeyViolation, "places", ("id",), "1"),
        ('INSERT INTO odd VALUES (1, \'a)=(b, "c\'), (1, \'a)=(b, "c\')', DuplicateKey, "odd",
            ('The, "One"', "lower(b)"), '1, a)=(b, "c'),
        ("INSERT INTO spans VALUES ('[1,3]'), ('[2,4]')", ConstraintViolation, "spans",
            ("span",), None),
    ],
    ids=["not null", "foreign key", "check", "parent", "odd names", "exclude"],
)  # fmt: skip
def test_a_broken_rule_names_what_it_is_about(
    engine: Engine,
    statement: str,
    kind: type[ConstraintViolation],
    table: str,
    columns: tuple[str, ...],
    value: str | None,
) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO visits VALUES (7, 1)"))
        connection.execute(text('CREATE TABLE odd ("The, ""One""" integer, b text)'))
        connection.execute(text('CREATE UNIQUE INDEX ON odd ("The, ""One""", lower(b))'))
        connection.execute(
            text("CREATE TABLE spans (span int4range, EXCLUDE USING gist (span WITH &&))")
        )

    with pytest.raises(kind) as caught, engine.begin() as connection:
        connection.exec_driver_sql(statement)

    error = caught.value
    assert (error.table, error.columns) == (table, columns)
    assert value is None or error.value == value


def test_hidden_parameters_are_not_in_the_message(engine: Engine) -> None:
    hiding = create_engine(engine.url, hide_parameters=True)
    guard(hiding)

    with pytest.raises(DuplicateKey) as caught, hiding.begin() as connection:
        connection.execute(insert(Place), {"id": 2, "name": "one"})

    hiding.dispose()
    assert "one" not in str(caught.value).replace("one at", "")
    assert caught.value.value == "one"


def test_an_error_of_many_rows_shows_some_of_them(engine: Engine) -> None:
    rows = [{"key": 1, "value": f"place-{number}"} for number in range(500)]
    statement = update(Place).where(Place.id == bindparam("key")).values(name=bindparam("value"))

    with pytest.raises(sa_exc.DBAPIError) as caught, engine.begin() as connection:
        connection.execute(insert(Place), [{"id": 2, "name": "place-0"}])
        connection.execute(statement, rows)

    assert isinstance(caught.value, DuplicateKey)
    assert caught.value.ismulti
    assert "displaying 10 of 500 total bound parameter sets" in str(caught.value)


def test_an_error_survives_pickling(engine: Engine) -> None:
    with pytest.raises(DuplicateKey) as caught, engine.begin() as connection:
        connection.execute(insert(Place), {"id": 1, "name": "two"})

    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 (our own)

    assert (type(copy), copy.columns, copy.value) == (DuplicateKey, ("id",), "1")


async def test_a_deadlock_is_a_write_conflict(async_engine: AsyncEngine) -> None:
    async def swap(first: int, second: int) -> None:
        async with async_engine.begin() as connection:
            await connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            await connection.execute(update(Place).where(Place.id == first).values(size=2))
            await both.wait()
            await connection.execute(update(Place).where(Place.id == second).values(size=2))

    both = asyncio.Barrier(2)
    async with async_engine.begin() as connection:
        await connection.execute(insert(Place), {"id": 2, "name": "two"})

    outcomes = await asyncio.gather(swap(1, 2), swap(2, 1), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "WriteConflict"]


def test_a_serialization_failure_is_a_write_conflict(engine: Engine) -> None:
    options = {"isolation_level": "REPEATABLE READ"}
    with (
        engine.connect().execution_options(**options) as first,
        engine.connect().execution_options(**options) as second,
    ):
        first.execute(select(Place)).all()
        second.execute(update(Place).values(size=2))
        second.commit()

        with pytest.raises(WriteConflict):
            first.execute(update(Place).values(size=3))


@pytest.mark.slow
def test_a_statement_that_takes_too_long_is_a_timeout(engine: Engine) -> None:
    with (
        pytest.raises(TimeoutError, match="statement timeout") as caught,
        engine.connect() as connection,
    ):
        connection.execute(text("SELECT pg_sleep(30)"))

    assert isinstance(caught.value, StatementTimeout)


@pytest.mark.slow
async def test_a_statement_that_an_operator_cancels_is_no_timeout(
    async_engine: AsyncEngine,
) -> None:
    async with async_engine.connect() as connection, async_engine.connect() as operator:
        await connection.execute(text("SET statement_timeout = 0"))
        key = await connection.scalar(text("SELECT pg_backend_pid()"))
        sleeper = asyncio.create_task(connection.scalar(text("SELECT pg_sleep(30)")))
        await asyncio.sleep(0.1)
        await operator.execute(text("SELECT pg_cancel_backend(:key)"), {"key": key})

        with pytest.raises(sa_exc.DBAPIError, match="due to user request") as caught:
            await sleeper

    assert not isinstance(caught.value, StatementTimeout)


def test_a_full_disk_is_named(engine: Engine) -> None:
    with pytest.raises(DiskFull), engine.connect() as connection:
        connection.execute(text("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$"))


def test_a_key_that_is_checked_at_commit_is_named_there(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(insert(Booking), {"id": 1, "place_id": 99})

        with pytest.raises(ForeignKeyViolation) as caught:
            connection.commit()

        assert (caught.value.table, caught.value.value) == ("bookings", "99")
        connection.rollback()
        assert connection.scalar(select(Booking.id)) is None


def test_an_error_that_is_not_ours_stays_as_it_is(engine: Engine) -> None:
    with pytest.raises(sa_exc.ProgrammingError) as caught, engine.connect() as connection:
        connection.execute(text("SELECT no_such_column"))

    assert type(caught.value) is sa_exc.ProgrammingError


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT 1 / :value", 0),
        ("SELECT CAST(:value AS TEXT)", "\0"),
        ("SELECT 'a'::int", None),
    ],
    ids=["computed", "sent", "written"],
)
def test_a_value_that_does_not_fit_is_named(engine: Engine, query: str, value: object) -> None:
    given = {} if value is None else {"value": value}
    with pytest.raises(DataFault) as caught, engine.connect() as connection:
        connection.execute(text(query), given)

    assert caught.value.orig is not None
    assert caught.value.statement is not None


def test_a_value_that_the_driver_does_not_know_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementRefused, match="dict"), engine.connect() as connection:
        connection.execute(text("SELECT CAST(:value AS TEXT)"), {"value": {"a": 1}})


def test_a_database_that_does_not_exist_is_unavailable(engine: Engine) -> None:
    nowhere = create_engine(engine.url.set(database="andamios_test_none", password="hush"))  # noqa: S106 (must not be shown)
    guard(nowhere)

    with pytest.raises(DatabaseUnavailable, match="andamios_test_none") as caught:
        nowhere.connect()

    assert "hush" not in str(caught.value)


# Swallowed errors: the next statement raises, and so does the commit


async def test_a_commit_on_a_connection_that_is_known_as_dead_fails(
    async_engine: AsyncEngine, engine: Engine
) -> None:
    async with async_engine.connect() as connection:
        await connection.execute(insert(Place), {"id": 2, "name": "two"})
        await close((await connection.get_raw_connection()).driver_connection)

        with pytest.raises(sa_exc.DBAPIError, match="closed"):
            await connection.commit()

    assert names(engine) == ["one"]


@mistakes
@pytest.mark.sampled(4)
async def test_core_refuses_to_go_on_after_a_swallowed_error(
    async_engine: AsyncEngine, engine: Engine, mistake: str, kind: type[Exception]
) -> None:
    with pytest.raises(TransactionAborted) as at_commit:
        async with async_engine.begin() as connection:
            await connection.execute(insert(Place), {"id": 2, "name": "two"})
            with pytest.raises(kind) as swallowed:
                await connection.execute(text(mistake))
            with pytest.raises(TransactionAborted) as at_statement:
                await connection.execute(insert(Place), {"id": 3, "name": "three"})

    cause = at_commit.value.cause_message
    told = str(swallowed.value.orig).splitlines()[0]  # type: ignore[attr-defined]  # all are DBAPIError
    assert cause
    assert told.endswith(cause)  # SQLAlchemy 2.0 tells asyncpg's class in front of it
    assert not cause.startswith("<class")
    assert at_statement.value.cause_message == cause
    assert cause in str(at_commit.value)
    assert at_commit.value.statement == "COMMIT"
    assert names(engine) == ["one"]


@mistakes
@pytest.mark.sampled(4)
async def test_an_async_session_refuses_to_go_on_after_a_swallowed_error(
    async_engine: AsyncEngine, engine: Engine, mistake: str, kind: type[Exception]
) -> None:
    async with AsyncSession(async_engine) as session:
        session.add(Place(id=2, name="two"))
        await session.flush()
        with pytest.raises(kind):
            await session.execute(text(mistake))
        with pytest.raises(TransactionAborted):
            await session.execute(select(Place))
        with pytest.raises(TransactionAborted):
            await session.commit()

        await session.rollback()
        assert (await session.scalars(select(Place.name))).all() == ["one"]

    assert names(engine) == ["one"]


@pytest.mark.slow
@mistakes
@pytest.mark.sampled(4)
async def test_a_session_block_refuses_to_commit_after_a_swallowed_error(
    async_engine: AsyncEngine, engine: Engine, mistake: str, kind: type[Exception]
) -> None:
    with pytest.raises(TransactionAborted):
        async with AsyncSession(async_engine) as session, session.begin():
            session.add(Place(id=2, name="two"))
            await session.flush()
            with pytest.raises(kind):
                await session.execute(text(mistake))

    assert names(engine) == ["one"]


@pytest.mark.slow
@mistakes
@pytest.mark.sampled(3)
def test_a_sync_connection_refuses_to_go_on_after_a_swallowed_error(
    engine: Engine, mistake: str, kind: type[Exception]
) -> None:
    with engine.connect() as connection:
        connection.execute(insert(Place), {"id": 2, "name": "two"})
        with pytest.raises(kind):
            connection.execute(text(mistake))
        with pytest.raises(TransactionAborted):
            connection.execute(select(Place))
        with pytest.raises(TransactionAborted):
            connection.commit()

        connection.rollback()
        assert list(connection.scalars(select(Place.name))) == ["one"]


@mistakes
@pytest.mark.sampled(3)
def test_a_sync_session_refuses_to_go_on_after_a_swallowed_error(
    engine: Engine, mistake: str, kind: type[Exception]
) -> None:
    with pytest.raises(TransactionAborted), Session(engine) as session, session.begin():
        session.add(Place(id=2, name="two"))
        session.flush()
        with pytest.raises(kind):
            session.execute(text(mistake))

    assert names(engine) == ["one"]


async def test_a_session_stays_inactive_after_a_failed_flush(async_engine: AsyncEngine) -> None:
    async with AsyncSession(async_engine) as session:
        session.add(Place(id=1, name="again"))
        with pytest.raises(DuplicateKey):
            await session.flush()

        with pytest.raises(sa_exc.PendingRollbackError):
            await session.execute(select(Place))
        with pytest.raises(sa_exc.PendingRollbackError):
            await session.commit()


@pytest.mark.slow
@mistakes
@pytest.mark.sampled(3)
def test_a_connection_comes_back_clean_after_a_refused_commit(
    engine: Engine, mistake: str, kind: type[Exception]
) -> None:
    for _ in range(2):
        with (
            pytest.raises(TransactionAborted),
            engine.begin() as connection,
            pytest.raises(kind),
        ):
            connection.execute(text(mistake))

    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of QueuePool
    with engine.begin() as connection:
        connection.execute(insert(Place), {"id": 2, "name": "two"})
    assert names(engine) == ["one", "two"]


def test_a_failure_of_the_raw_driver_counts(engine: Engine) -> None:
    with pytest.raises(TransactionAborted) as caught, engine.begin() as connection:
        connection.execute(insert(Place), {"id": 2, "name": "two"})
        raw: Any = connection.connection.driver_connection
        with pytest.raises(raw.DataError):
            raw.execute("SELECT 1 / 0")
        with pytest.raises(TransactionAborted):
            connection.execute(select(Place))

    assert caught.value.cause_message == ""
    assert names(engine) == ["one"]


def test_a_statement_that_the_driver_stopped_halfway_counts(engine: Engine) -> None:
    statement = update(Place).where(Place.id == bindparam("key")).values(name=bindparam("value"))
    rows: list[dict[str, object]] = [{"key": 1, "value": "uno"}, {"key": 1, "value": object()}]

    with pytest.raises(TransactionAborted), engine.begin() as connection:
        with pytest.raises(sa_exc.ProgrammingError, match="cannot adapt"):
            connection.execute(statement, rows)
        with pytest.raises(TransactionAborted):
            connection.execute(select(Place))

    assert names(engine) == ["one"]


@mistakes
@pytest.mark.sampled(4)
async def test_an_error_in_a_savepoint_that_was_rolled_back_is_forgiven(
    async_engine: AsyncEngine, engine: Engine, mistake: str, kind: type[Exception]
) -> None:
    async with async_engine.begin() as connection:
        await connection.execute(insert(Place), {"id": 2, "name": "two"})
        with pytest.raises(kind):
            async with connection.begin_nested():
                await connection.execute(insert(Place), {"id": 3, "name": "three"})
                await connection.execute(text(mistake))
        await connection.execute(insert(Place), {"id": 4, "name": "four"})

    assert names(engine) == ["one", "two", "four"]


async def test_a_failed_flush_in_a_savepoint_is_forgiven(
    async_engine: AsyncEngine, engine: Engine
) -> None:
    async with AsyncSession(async_engine) as session, session.begin():
        session.add(Place(id=2, name="two"))
        with pytest.raises(DuplicateKey):
            async with session.begin_nested():
                session.add(Place(id=1, name="again"))
        session.add(Place(id=4, name="four"))

    assert names(engine) == ["one", "two", "four"]


def test_an_error_swallowed_inside_a_savepoint_is_not_forgiven(engine: Engine) -> None:
    with pytest.raises(TransactionAborted), engine.begin() as connection:
        connection.execute(insert(Place), {"id": 2, "name": "two"})
        with (
            pytest.raises(TransactionAborted, match="division by zero"),
            connection.begin_nested(),
            pytest.raises(sa_exc.DataError),
        ):
            connection.execute(text("SELECT 1 / 0"))

    assert names(engine) == ["one"]


def test_an_error_in_autocommit_stops_nothing(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(Place), {"id": 2, "name": "two"})
        with pytest.raises(sa_exc.DataError):
            connection.execute(text("SELECT 1 / 0"))
        connection.execute(insert(Place), {"id": 3, "name": "three"})
        connection.commit()

    assert names(engine) == ["one", "two", "three"]


def test_a_prepared_transaction_is_refused_as_well(engine: Engine) -> None:
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(insert(Place), {"id": 2, "name": "two"})
        with pytest.raises(sa_exc.DataError):
            connection.execute(text("SELECT 1 / 0"))

        with pytest.raises(TransactionAborted, match="division by zero"):
            transaction.prepare()
        with pytest.raises(TransactionAborted, match="division by zero"):
            transaction.commit()

        transaction.rollback()
        assert list(connection.scalars(select(Place.name))) == ["one"]


def test_a_two_phase_commit_works_unchanged(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin_twophase() as transaction:
        connection.execute(insert(Place), {"id": 2, "name": "two"})
        transaction.prepare()
        transaction.commit()

    assert names(engine) == ["one", "two"]


# The guard itself


def test_an_engine_is_guarded_once(engine: Engine) -> None:
    heard: list[str] = []
    event.listen(engine, "handle_error", lambda _: heard.append("error"))
    before = len(engine.dialect.dispatch.handle_error)

    guard(engine)

    assert len(engine.dialect.dispatch.handle_error) == before
    assert event.contains(engine, "commit", postgresql._commit)


def test_only_psycopg_3_can_be_guarded() -> None:
    with pytest.raises(ConfigurationError, match=r"postgresql\+psycopg://"):
        guard(create_engine("sqlite://"))


def test_a_guarded_engine_keeps_what_works(engine: Engine) -> None:
    def add(connection: Connection) -> None:
        connection.execute(insert(Place), {"id": 2, "name": "two"})

    with engine.begin() as connection:
        add(connection)
        connection.execute(delete(Place).where(Place.id == 1))
    with engine.connect() as connection:
        add_later = connection.begin()
        connection.execute(insert(Place), {"id": 3, "name": "three"})
        add_later.rollback()

    assert names(engine) == ["two"]
