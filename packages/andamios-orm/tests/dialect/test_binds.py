# ruff: noqa: ARG002  # the signatures are SQLAlchemy's
from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Time,
    TypeDecorator,
    Uuid,
    bindparam,
    create_engine,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import andamios_orm  # noqa: F401  # it registers the dialect
from andamios_orm.dialect.binds import as_list, bind_column, each_once
from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.types import TypeEngine

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Item(Base):
    """Something counted."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int | None]
    name: Mapped[str | None] = mapped_column(String(5))


ITEMS: Any = Item.__table__


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine("duckdb:///:memory:")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """Yield a connection with one item; nothing is committed."""
    with engine.connect() as connection:
        connection.execute(insert(ITEMS), {"id": 1, "count": 1})
        yield connection


upsert = postgresql.insert(ITEMS).values(id=1)
DOORS: dict[str, Callable[[Connection], Any]] = {
    "insert": lambda c: c.execute(insert(ITEMS), {"id": 2, "count": 1.9}),
    "insert of values": lambda c: c.execute(insert(ITEMS).values(id=2, count=1.9)),
    "insert of rows": lambda c: c.execute(
        insert(ITEMS).values([{"id": 2, "count": 1}, {"id": 3, "count": 1.9}])
    ),
    "many inserts": lambda c: c.execute(
        insert(ITEMS), [{"id": 2, "count": 1}, {"id": 3, "count": 1.9}]
    ),
    "insert of a parameter": lambda c: c.execute(
        insert(ITEMS).values(id=2, count=bindparam("given")), {"given": 1.9}
    ),
    "insert returning": lambda c: c.execute(
        insert(ITEMS).returning(ITEMS.c.id), [{"id": 2, "count": 1}, {"id": 3, "count": 1.9}]
    ),
    "update": lambda c: c.execute(update(ITEMS), {"count": 1.9}),
    "update of values": lambda c: c.execute(update(ITEMS).values(count=1.9)),
    "update by column": lambda c: c.execute(update(ITEMS).values({ITEMS.c.count: 1.9})),
    "update of a parameter": lambda c: c.execute(
        update(ITEMS).values(count=bindparam("given")), {"given": 1.9}
    ),
    "many updates": lambda c: c.execute(
        update(ITEMS).where(ITEMS.c.id == bindparam("which")),
        [{"which": 1, "count": 1}, {"which": 1, "count": 1.9}],
    ),
    "upsert": lambda c: c.execute(
        upsert.on_conflict_do_update(index_elements=["id"], set_={"count": 1.9})
    ),
    "upsert by column": lambda c: c.execute(
        upsert.on_conflict_do_update(index_elements=["id"], set_={ITEMS.c.count: 1.9})
    ),
    "upsert of a parameter": lambda c: c.execute(
        upsert.on_conflict_do_update(index_elements=["id"], set_={"count": bindparam("given")}),
        {"given": 1.9},
    ),
    "update in order": lambda c: c.execute(
        update(ITEMS).ordered_values((ITEMS.c.name, "x"), (ITEMS.c.count, 1.9))
    ),
    "insert in a cte": lambda c: c.execute(
        select(literal_column("1")).add_cte(insert(ITEMS).values(id=2, count=1.9).cte("new"))
    ),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_every_way_of_writing_refuses_with_the_column(
    connection: Connection, door: Callable[[Connection], Any]
) -> None:
    with pytest.raises(ValueRefused, match="round it first") as refused:
        door(connection)

    assert refused.value.value == 1.9
    assert refused.value.column == "count"
    assert str(refused.value).startswith("column 'count': 1.9 is refused")


def test_the_transaction_goes_on_after_a_refusal(connection: Connection) -> None:
    with pytest.raises(ValueRefused):
        connection.execute(insert(ITEMS), {"id": 2, "count": 1.9})

    connection.execute(insert(ITEMS), {"id": 2, "count": 2})
    assert connection.scalar(select(func.count()).select_from(ITEMS)) == 2


def test_a_statement_from_the_cache_checks_as_well(connection: Connection) -> None:
    connection.execute(insert(ITEMS).values(id=2, count=2))

    with pytest.raises(ValueRefused):
        connection.execute(insert(ITEMS).values(id=3, count=2.5))


def test_comparisons_take_any_value(connection: Connection) -> None:
    statement = select(ITEMS.c.id).where(ITEMS.c.count > 0.5, ITEMS.c.name.is_(None))

    assert connection.scalars(statement).all() == [1]
    assert (
        connection.execute(
            update(ITEMS).where(ITEMS.c.count < 1.5).values(count=ITEMS.c.count + 1)
        ).rowcount
        == 1
    )
    assert connection.scalars(select(ITEMS.c.count)).all() == [2]


def test_an_upsert_compares_and_computes_freely(connection: Connection) -> None:
    statement = upsert.on_conflict_do_update(
        index_elements=["id"],
        set_={"count": ITEMS.c.count + 6, "name": "x"},
        where=ITEMS.c.count < 1.5,
    )

    connection.execute(statement)

    assert connection.execute(select(ITEMS.c.count, ITEMS.c.name)).one() == (7, "x")


def test_an_upsert_warns_of_unknown_columns_as_ever(connection: Connection) -> None:
    statement = upsert.on_conflict_do_update(index_elements=["id"], set_={"nothing": 5})

    with pytest.warns(match="Additional column names"), pytest.raises(Exception, match="nothing"):
        connection.execute(statement)


def test_an_in_list_is_not_a_value_of_a_column(connection: Connection) -> None:
    statement = update(ITEMS).where(ITEMS.c.count.in_([1, 1.5])).values(name="one")

    assert connection.execute(statement).rowcount == 1


def test_literals_rendered_into_the_statement_are_left_alone(connection: Connection) -> None:
    statement = update(ITEMS).values(count=bindparam("given", literal_execute=True))

    connection.execute(statement, {"given": 5})

    assert connection.scalars(select(ITEMS.c.count)).all() == [5]


def test_a_session_refuses_at_flush(engine: Engine) -> None:
    with Session(engine) as session:
        session.add(Item(id=5, name="too long"))

        with pytest.raises(ValueRefused) as refused:
            session.flush()

    assert refused.value.column == "name"


def test_a_refusal_survives_pickling(connection: Connection) -> None:
    with pytest.raises(ValueRefused) as refused:
        connection.execute(insert(ITEMS), {"id": 2, "count": 1.9})

    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301


async def test_an_async_session_refuses_at_flush() -> None:
    engine = create_async_engine("duckdb:///:memory:")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)

    async with AsyncSession(engine) as session:
        session.add(Item(id=5, count=1.9))
        with pytest.raises(ValueRefused) as refused:
            await session.flush()

    assert refused.value.column == "count"
    await engine.dispose()


class Doubled(TypeDecorator[float]):
    """A type that stores twice what it is given."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Any) -> Any:
        """Double it."""
        return value and value * 2


class Trimmed(TypeDecorator[str]):
    """A type whose SQL changes the value."""

    impl = String(2)
    cache_ok = True

    def bind_expression(self, bindvalue: Any) -> Any:
        """Trim it."""
        return func.trim(bindvalue)


def stored(engine: Engine, type_: TypeEngine[Any], value: Any) -> Any:
    table = Table("one", MetaData(), Column("kept", type_))
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(insert(table), {"kept": value})
        return connection.scalars(select(table.c.kept)).one()


def test_a_decorated_type_is_checked_after_its_conversion(engine: Engine) -> None:
    assert stored(engine, Doubled(), 1.5) == 3
    with pytest.raises(ValueRefused, match="round it first") as refused:
        stored(engine, Doubled(), 1.3)

    assert refused.value.value == 2.6


def test_a_type_with_sql_of_its_own_is_not_checked(engine: Engine) -> None:
    assert stored(engine, Trimmed(), "  ab  ") == "ab"


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Integer(), 1.9),
        (BigInteger(), 2**63),
        (Numeric(10, 2), Decimal("1.005")),
        (Numeric(5), Decimal("1.5")),
        (Numeric(), Decimal("1.0005")),
        (Float(), "1.5"),
        (String(2), "abc"),
        (LargeBinary(), "abc"),
        (Date(), "2020-01-01"),
        (Time(), dt.time(1, tzinfo=dt.UTC)),
        (Time(timezone=True), dt.time(1)),
        (DateTime(), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
        (DateTime(timezone=True), dt.datetime(2020, 1, 1)),  # noqa: DTZ001
        (postgresql.TIMESTAMP(precision=0), dt.datetime(2020, 1, 1, 1, 1, 1, 5)),  # noqa: DTZ001
        (postgresql.TIMESTAMP(precision=3), dt.datetime(2020, 1, 1, 1, 1, 1, 5)),  # noqa: DTZ001
        (Interval(), 5),
        (Uuid(), 5),
        (JSON(), float("nan")),
    ],
    ids=repr,
)
def test_a_column_refuses_what_single_rows_refuse(
    engine: Engine, type_: TypeEngine[Any], value: Any
) -> None:
    with pytest.raises(ValueRefused) as one:
        stored(engine, type_, value)
    with pytest.raises(ValueRefused) as many:
        bind_column(type_, [None, value], engine.dialect, column="kept")

    assert str(one.value) == str(many.value)


def test_microseconds_fit_a_column_that_keeps_them(engine: Engine) -> None:
    at = dt.datetime(2020, 1, 1, 1, 1, 1, 123456)  # noqa: DTZ001

    assert stored(engine, postgresql.TIMESTAMP(precision=6), at) == at


def test_a_column_without_checks_is_sent_as_it_is(engine: Engine) -> None:
    values = [object()]

    assert bind_column(Boolean(), [True], engine.dialect, column="kept") == [True]
    assert as_list(JSON(), values, engine.dialect) is values


def test_a_column_may_make_its_values_as_they_are_asked_for(engine: Engine) -> None:
    values = range(1000, 3000)  # objects that are gone when the next one comes

    assert bind_column(JSON(), values, engine.dialect, column="kept") == [str(n) for n in values]


@pytest.mark.parametrize(("kinds", "times"), [(1, 1), (2, 2), (3, 3), (4, 12), (12, 12)])
def test_objects_that_come_often_are_looked_at_once(kinds: int, times: int) -> None:
    objects = [[number] for number in range(kinds)]
    values = [objects[place % kinds] for place in range(12)]
    seen: list[Any] = []

    def counted(value: Any) -> int:
        seen.append(value)
        return len(seen)

    found = each_once(counted, values)

    assert len(seen) == times
    assert [seen[place - 1] for place in found] == values
