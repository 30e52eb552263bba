"""Foreign keys on DuckDB: no orphan gets through a flush, and what is allowed is allowed."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    column_property,
    load_only,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.orm import Session as SyncSession

from andamios_orm import Database
from andamios_orm.core.integrity import (
    Orphan,
    check_integrity,
    check_removed,
    check_rows,
    check_values,
)
from andamios_orm.core.session import Session
from andamios_orm.exceptions import ConfigurationError, ForeignKeyViolation
from andamios_orm.models import Row, SoftDeleteMixin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sqlalchemy import Connection
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Tagged(TypeDecorator[str]):
    """Text that is stored with a prefix."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's
        """Add the prefix."""
        return None if value is None else f"tag:{value}"

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's
        """Remove the prefix."""
        return None if value is None else value.removeprefix("tag:")


class Bound(TypeDecorator[str]):
    """Text with an expression around each value, which cannot travel in a list."""

    impl = String
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        """Store in lower case."""
        return func.lower(bindparam)


class Base(Row, DeclarativeBase):
    """The tables of these tests."""

    __feed__ = False


membership = Table(
    "membership",
    Base.metadata,
    Column("customer_id", ForeignKey("customer.id"), primary_key=True),
    Column("club_id", ForeignKey("club.id"), primary_key=True),
)


class Customer(Base):
    """A parent."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str | None] = mapped_column(unique=True)
    purchases: Mapped[list[Purchase]] = relationship(
        back_populates="customer",
        cascade="all, delete-orphan",
        foreign_keys="Purchase.customer_id",
    )
    clubs: Mapped[list[Club]] = relationship(secondary=membership, back_populates="customers")


class Club(Base):
    """The other end of many to many."""

    __tablename__ = "club"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customers: Mapped[list[Customer]] = relationship(secondary=membership, back_populates="clubs")


class Purchase(Base):
    """A child with several keys."""

    __tablename__ = "purchase"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))
    payer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))
    payer_code: Mapped[str | None] = mapped_column(ForeignKey("customer.code"))
    note: Mapped[str | None]
    customer: Mapped[Customer | None] = relationship(
        back_populates="purchases", foreign_keys=[customer_id]
    )


class Node(Base):
    """A row that refers to its own table."""

    __tablename__ = "node"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))


class Place(Base):
    """A parent whose key has two columns."""

    __tablename__ = "place"
    country: Mapped[str] = mapped_column(primary_key=True)
    town: Mapped[str] = mapped_column(primary_key=True)


class Visit(Base):
    """A child of a key of two columns, declared in another order."""

    __tablename__ = "visit"
    __table_args__ = (ForeignKeyConstraint(["town", "country"], ["place.town", "place.country"]),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    town: Mapped[str | None]
    country: Mapped[str | None]


class Document(SoftDeleteMixin, Base):
    """A parent whose key needs processing, and which is deleted softly."""

    __tablename__ = "document"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)


class Page(Base):
    """A child of a UUID."""

    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("document.id"))


class Day(Base):
    """A parent whose key is a moment."""

    __tablename__ = "day"
    begin: Mapped[dt.datetime] = mapped_column(primary_key=True)


class Hour(Base):
    """A child of a moment."""

    __tablename__ = "hour"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[dt.datetime] = mapped_column(ForeignKey("day.begin"))


class Label(Base):
    """A parent whose key is stored otherwise than it is read."""

    __tablename__ = "label"
    name: Mapped[str] = mapped_column(Tagged, primary_key=True)


class Sticker(Base):
    """A child whose column takes the key as it is stored."""

    __tablename__ = "sticker"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str] = mapped_column(Tagged, ForeignKey("label.name"))
    raw_label: Mapped[str | None] = mapped_column(String, ForeignKey("label.name"))


class Word(Base):
    """A parent whose key has an expression around it."""

    __tablename__ = "word"
    word: Mapped[str] = mapped_column(Bound, primary_key=True)


class Use(Base):
    """A child of such a key."""

    __tablename__ = "use"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    word: Mapped[str] = mapped_column(Bound, ForeignKey("word.word"))


class Lemma(Base):
    """A child whose own key has an expression around it."""

    __tablename__ = "lemma"
    word: Mapped[str] = mapped_column(Bound, primary_key=True)
    of: Mapped[str] = mapped_column(Bound, ForeignKey("word.word"))


class Scale(Base):
    """A parent whose keys are not of one kind in Python."""

    __tablename__ = "scale"
    size: Mapped[float] = mapped_column(primary_key=True, autoincrement=False)


class Weight(Base):
    """A child of such keys."""

    __tablename__ = "weight"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[float] = mapped_column(ForeignKey("scale.size"))


class Blob(Base):
    """A parent whose key is not text."""

    __tablename__ = "blob"
    digest: Mapped[bytes] = mapped_column(primary_key=True)


class Part(Base):
    """A child of bytes."""

    __tablename__ = "part"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(ForeignKey("blob.digest"))


class Folder(Base):
    """A parent that leaves its children to the database."""

    __tablename__ = "folder"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    files: Mapped[list[File]] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    links: Mapped[list[Shortcut]] = relationship()


class File(Base):
    """A child that PostgreSQL deletes with its folder."""

    __tablename__ = "file"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    folder_id: Mapped[int] = mapped_column(ForeignKey("folder.id", ondelete="CASCADE"))


class Shortcut(Base):
    """A child that outlives its folder."""

    __tablename__ = "shortcut"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folder.id"))


class Setting(Base):
    """A child whose key the database may fill in."""

    __tablename__ = "setting"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), server_default="1")


TABLES = Base.metadata.tables


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def engine(duckdb_database: Database) -> AsyncEngine:
    """Return an engine of DuckDB with the tables."""
    return duckdb_database.engine


@pytest.fixture
async def session(engine: AsyncEngine) -> AsyncIterator[Session]:
    """Yield a session; customers 1 and 2 are stored."""
    async with Session(engine) as session:
        session.add_all([Customer(id=1, code="one"), Customer(id=2, code="two")])
        await session.commit()
        yield session
        await session.rollback()


async def count(engine: AsyncEngine, model: type[Any]) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(model)) or 0


async def refused(session: AsyncSession) -> ForeignKeyViolation:
    with pytest.raises(ForeignKeyViolation) as caught:
        await session.commit()
    await session.rollback()
    return caught.value


# ---- children --------------------------------------------------------------------


async def test_a_child_of_nobody_is_refused_and_nothing_is_stored(
    session: Session, engine: AsyncEngine
) -> None:
    session.add_all([Purchase(id=1, customer_id=1), Purchase(id=2, customer_id=7)])

    error = await refused(session)

    assert (error.table, error.columns, error.value) == ("purchase", ("customer_id",), 7)
    assert error.constraint == "fk_purchase_customer_id_customer"
    assert "purchase(customer_id) refers to 7" in str(error)
    assert "add the missing customer" in str(error)
    assert await count(engine, Purchase) == 0


async def test_a_session_goes_on_after_a_refusal(session: Session, engine: AsyncEngine) -> None:
    session.add(Purchase(id=1, customer_id=7))
    await refused(session)

    session.add(Purchase(id=1, customer_id=1))
    await session.commit()

    assert await count(engine, Purchase) == 1


async def test_a_child_may_come_before_its_parent(session: Session, engine: AsyncEngine) -> None:
    session.add(Purchase(id=1, customer_id=3))
    await session.flush()
    session.add(Customer(id=3))
    await session.commit()

    assert await count(engine, Purchase) == 1


async def test_a_child_of_nobody_that_is_gone_at_commit_is_allowed(
    session: Session, engine: AsyncEngine
) -> None:
    purchase = Purchase(id=1, customer_id=7)
    session.add(purchase)
    await session.flush()
    await session.delete(purchase)
    await session.commit()

    assert await count(engine, Purchase) == 0


async def test_a_child_that_moves_to_nobody_is_refused(session: Session) -> None:
    purchase = Purchase(id=1, customer_id=1)
    session.add(purchase)
    await session.commit()
    purchase.customer_id = 7

    error = await refused(session)

    assert error.value == 7


async def test_a_change_of_another_column_checks_nothing(
    session: Session, engine: AsyncEngine
) -> None:
    purchase = Purchase(id=1, customer_id=1)
    session.add(purchase)
    await session.commit()
    await session.execute(text("DELETE FROM customer"))
    await session.commit()
    purchase.note = "new"

    await session.commit()

    assert await count(engine, Customer) == 0


async def test_a_key_with_a_null_part_refers_to_nothing(
    session: Session, engine: AsyncEngine
) -> None:
    session.add_all([Purchase(id=1), Visit(id=1, town="Nowhere", country=None)])
    await session.commit()

    assert await count(engine, Visit) == 1


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"customer_id": 7, "payer_id": 1}, "customer_id"),
        ({"customer_id": 1, "payer_id": 7}, "payer_id"),
        ({"payer_code": "seven"}, "payer_code"),
    ],
)
async def test_each_of_several_keys_is_checked(
    session: Session, values: dict[str, Any], column: str
) -> None:
    session.add(Purchase(id=1, **values))

    error = await refused(session)

    assert error.columns == (column,)


async def test_many_keys_are_checked_together(session: Session, engine: AsyncEngine) -> None:
    session.add_all(Customer(id=number) for number in range(10, 110))
    session.add_all(Purchase(id=number, customer_id=number) for number in range(10, 110))
    session.add_all(Purchase(id=number, payer_code=["one", "two"][number]) for number in (0, 1))
    await session.commit()
    session.add_all(Purchase(id=number, customer_id=number) for number in range(110, 300))

    error = await refused(session)

    assert error.value in range(110, 300)
    assert await count(engine, Purchase) == 102


async def test_a_key_of_several_columns_is_checked_whole(
    session: Session, engine: AsyncEngine
) -> None:
    session.add_all([Place(country="pe", town="Lima"), Place(country="us", town="Erie")])
    session.add_all(
        [Visit(id=1, country="pe", town="Lima"), Visit(id=2, country="us", town="Erie")]
    )
    await session.commit()
    session.add(Visit(id=3, country="us", town="Lima"))

    error = await refused(session)

    assert (error.columns, error.value) == (("town", "country"), ("Lima", "us"))
    assert await count(engine, Visit) == 2


async def test_a_row_may_refer_to_itself_and_to_its_own_table(
    session: Session, engine: AsyncEngine
) -> None:
    session.add_all([Node(id=1, parent_id=1), Node(id=2, parent_id=3), Node(id=3, parent_id=2)])
    await session.commit()
    session.add(Node(id=4, parent_id=5))

    error = await refused(session)

    assert error.value == 5
    assert await count(engine, Node) == 3


@pytest.mark.parametrize("number", [1, 2])
async def test_keys_of_every_type_are_bound_as_their_columns_bind_them(
    session: Session, engine: AsyncEngine, number: int
) -> None:
    zone = dt.timezone(dt.timedelta(hours=5))
    for at in range(number):
        document, begin = uuid.uuid4(), dt.datetime(2024, 1, 1 + at, tzinfo=zone)
        session.add_all([Document(id=document), Day(begin=begin), Label(name=f"l{at}")])
        session.add_all([Page(id=at, document_id=document), Hour(id=at, day=begin)])
        session.add(Sticker(id=at, label=f"l{at}", raw_label=f"tag:l{at}"))
        session.add_all([Word(word=f"W{at}"), Use(id=at, word=f"W{at}")])
        session.add_all([Scale(size=at * 1.5), Weight(id=at, size=at * 1.5 or 0)])
        session.add_all([Blob(digest=bytes([at])), Part(id=at, digest=bytes([at]))])
    await session.commit()

    assert await count(engine, Sticker) == number


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    "child",
    [
        lambda at: Page(id=at, document_id=uuid.uuid4()),
        lambda at: Hour(id=at, day=dt.datetime(2024, 1, 1 + at, tzinfo=dt.UTC)),
        lambda at: Sticker(id=at, label=f"l{at}"),
        lambda at: Use(id=at, word=f"W{at}"),
        lambda at: Weight(id=at, size=1.5 if at else 0),
        lambda at: Part(id=at, digest=bytes([at])),
    ],
)
@pytest.mark.sampled(3)
async def test_children_of_nobody_are_refused_whatever_the_type(
    session: Session, child: Callable[[int], Any], number: int
) -> None:
    session.add_all(child(at) for at in range(number))

    await refused(session)


async def test_a_parent_that_is_deleted_softly_still_exists(
    session: Session, engine: AsyncEngine
) -> None:
    document = Document(deleted_at=dt.datetime.now(dt.UTC))
    session.add(document)
    await session.flush()
    session.add(Page(id=1, document_id=document.id))
    await session.commit()

    assert await count(engine, Page) == 1


async def test_a_key_that_the_database_computes_is_checked(session: Session) -> None:
    session.add(Purchase(id=1, customer_id=select(func.max(Customer.id) + 5).scalar_subquery()))
    error = await refused(session)

    assert error.value == 7


async def test_a_key_that_the_database_fills_in_is_checked(
    session: Session, engine: AsyncEngine
) -> None:
    session.add(Setting(id=1))
    await session.commit()
    await session.execute(delete(Setting))
    await session.execute(delete(Customer))
    await session.commit()
    session.add(Setting(id=2))

    error = await refused(session)

    assert error.value == 1
    assert await count(engine, Setting) == 0


async def test_values_are_hidden_where_parameters_are(duckdb_url: str) -> None:
    engine = create_async_engine(duckdb_url, hide_parameters=True)
    async with Session(engine) as session:
        session.add(Purchase(id=1, customer_id=777_777))
        error = await refused(session)
        session.add_all([Customer(id=888_888), Purchase(id=1, payer_id=888_888)])
        await session.commit()
        await session.delete(await session.get_one(Customer, 888_888))
        second = await refused(session)
    await engine.dispose()

    assert "777777" not in str(error)
    assert "888888" not in str(second)
    assert (error.value, second.value) == (None, None)


# ---- many to many ------------------------------------------------------------------


async def test_rows_of_many_to_many_are_checked(session: Session, engine: AsyncEngine) -> None:
    customer = await session.get_one(Customer, 1, options=[selectinload(Customer.clubs)])
    customer.clubs.append(Club(id=1))
    await session.commit()
    assert await count(engine, membership) == 1  # type: ignore[arg-type]  # a table will do
    club = await session.get_one(Club, 1, options=[selectinload(Club.customers)])
    async with Session(engine) as other:
        await other.execute(delete(Customer).where(Customer.id == 2))
        await other.commit()
    club.customers.append(Customer(id=3))
    await session.commit()

    assert await count(engine, membership) == 2  # type: ignore[arg-type]


async def test_a_row_of_many_to_many_with_one_end_is_refused(
    session: Session, engine: AsyncEngine
) -> None:
    session.add(Club(id=1))
    await session.commit()
    club = await session.get_one(Club, 1, options=[selectinload(Club.customers)])
    customer = await session.get_one(Customer, 2)
    await session.commit()
    async with Session(engine) as other:
        await other.execute(delete(Customer).where(Customer.id == 2))
        await other.commit()
    club.customers.append(customer)

    error = await refused(session)

    assert (error.table, error.columns) == ("membership", ("customer_id",))


async def test_deleting_one_end_deletes_the_rows_of_many_to_many(
    session: Session, engine: AsyncEngine
) -> None:
    (await session.get_one(Customer, 1, options=[selectinload(Customer.clubs)])).clubs = [
        Club(id=1)
    ]
    await session.commit()
    session.expunge_all()

    await session.delete(await session.get_one(Club, 1))
    await session.commit()

    assert await count(engine, membership) == 0  # type: ignore[arg-type]


# ---- parents -----------------------------------------------------------------------


async def test_a_parent_is_not_deleted_while_a_child_remains(
    session: Session, engine: AsyncEngine
) -> None:
    session.add(Purchase(id=1, payer_id=1))
    await session.commit()
    await session.delete(await session.get_one(Customer, 1))

    error = await refused(session)

    assert (error.table, error.columns, error.value) == ("customer", ("id",), 1)
    assert "purchase(payer_id) still refers to it" in str(error)
    assert "cascade" in str(error)
    assert await count(engine, Customer) == 2


async def test_a_parent_without_children_is_deleted(session: Session, engine: AsyncEngine) -> None:
    session.add(Purchase(id=1, customer_id=2, payer_code="two"))
    await session.commit()
    await session.delete(await session.get_one(Customer, 1))
    await session.commit()

    assert await count(engine, Customer) == 1


async def test_parent_and_child_may_go_in_one_transaction(
    session: Session, engine: AsyncEngine
) -> None:
    session.add(Purchase(id=1, payer_id=1))
    await session.commit()
    await session.delete(await session.get_one(Customer, 1))
    await session.flush()
    await session.delete(await session.get_one(Purchase, 1))
    await session.commit()

    assert await count(engine, Purchase) == 0


async def test_a_parent_may_come_back_with_the_same_key(
    session: Session, engine: AsyncEngine
) -> None:
    session.add(Purchase(id=1, payer_id=1))
    await session.commit()
    await session.delete(await session.get_one(Customer, 1))
    await session.flush()
    session.add(Customer(id=1, code="again"))
    await session.commit()

    assert await count(engine, Customer) == 2


async def test_a_parent_may_be_replaced_in_one_flush(session: Session, engine: AsyncEngine) -> None:
    session.add(Purchase(id=1, payer_id=1))
    await session.commit()
    await session.delete(await session.get_one(Customer, 1))
    session.add(Customer(id=1, code="again"))
    await session.commit()

    assert await count(engine, Customer) == 2


async def test_a_parent_with_children_may_be_updated(session: Session) -> None:
    session.add(Purchase(id=1, customer_id=1))
    await session.commit()
    (await session.get_one(Customer, 1)).code = "uno"
    await session.commit()

    assert await session.scalar(select(Customer.code).where(Customer.id == 1)) == "uno"


async def test_a_unique_key_that_is_referred_to_is_not_changed(session: Session) -> None:
    session.add(Purchase(id=1, payer_code="one"))
    await session.commit()
    (await session.get_one(Customer, 1)).code = "uno"

    error = await refused(session)

    assert (error.table, error.columns, error.value) == ("customer", ("code",), "one")


async def test_a_unique_key_that_was_never_read_is_checked(session: Session) -> None:
    session.add(Purchase(id=1, payer_code="one"))
    await session.commit()
    session.expunge_all()
    only_the_key = [load_only(Customer.id)]

    await session.delete(await session.get_one(Customer, 1, options=only_the_key))

    error = await refused(session)
    assert (error.columns, error.value) == (("code",), "one")


async def test_deleting_a_parent_of_a_moment_is_checked(session: Session) -> None:
    begin = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    session.add_all([Day(begin=begin), Hour(id=1, day=begin)])
    session.add_all([Word(word="A"), Use(id=1, word="A")])
    await session.commit()
    await session.delete(await session.get_one(Day, begin))
    assert (await refused(session)).table == "day"
    await session.delete(await session.get_one(Word, "a"))

    assert (await refused(session)).table == "word"


# ---- cascades ------------------------------------------------------------------------


async def test_children_that_were_never_loaded_are_deleted_by_the_cascade(
    session: Session, engine: AsyncEngine
) -> None:
    session.add_all([Purchase(id=number, customer_id=1) for number in range(5)])
    await session.commit()
    session.expunge_all()

    await session.delete(await session.get_one(Customer, 1))
    await session.commit()

    assert await count(engine, Purchase) == 0


async def test_a_child_that_leaves_its_parent_is_deleted(
    session: Session, engine: AsyncEngine
) -> None:
    session.add(Purchase(id=1, customer_id=1))
    await session.commit()
    session.expunge_all()
    customer = await session.get_one(Customer, 1, options=[selectinload(Customer.purchases)])

    customer.purchases.clear()
    await session.commit()

    assert await count(engine, Purchase) == 0


async def test_children_of_a_relationship_without_cascade_are_let_go(
    session: Session, engine: AsyncEngine
) -> None:
    session.add_all([Folder(id=1), Shortcut(id=1, folder_id=1)])
    await session.commit()
    session.expunge_all()

    await session.delete(await session.get_one(Folder, 1))
    await session.commit()

    assert await session.scalar(select(Shortcut.folder_id)) is None
    assert await count(engine, Shortcut) == 1


async def test_passive_deletes_leave_children_and_are_refused(
    session: Session, engine: AsyncEngine
) -> None:
    session.add_all([Folder(id=1), File(id=1, folder_id=1)])
    await session.commit()
    session.expunge_all()
    await session.delete(await session.get_one(Folder, 1))

    error = await refused(session)

    assert error.table == "folder"
    assert "without passive_deletes" in str(error)
    assert await count(engine, File) == 1


# ---- concurrency -----------------------------------------------------------------------


@pytest.mark.slow
async def test_a_parent_that_goes_while_children_come_leaves_no_orphan(
    engine: AsyncEngine, rounds: Callable[..., int]
) -> None:
    async def add_child(number: int) -> None:
        async with Session(engine) as session:
            session.add(Purchase(id=number, payer_id=number))
            await session.flush()
            await asyncio.sleep(0)
            await session.commit()

    async def delete_parent(number: int) -> None:
        async with Session(engine) as session:
            customer = await session.get_one(Customer, number)
            await asyncio.sleep(0)
            await session.delete(customer)
            await session.commit()

    outcomes = set()
    for number in range(rounds(50, 100, 500)):
        async with Session(engine) as session:
            session.add(Customer(id=number))
            await session.commit()
        pair = [add_child(number), delete_parent(number)]
        if number % 2:
            pair.reverse()
        results = await asyncio.gather(*pair, return_exceptions=True)
        outcomes.add(tuple(type(result).__name__ for result in results))

    async with Session(engine) as session:
        assert await check_integrity(session, Base.metadata) == []
    assert all(len(set(outcome)) > 1 for outcome in outcomes)


# ---- other doors -----------------------------------------------------------------------


async def test_single_creates_are_checked(
    duckdb_database: Database, session: Session, engine: AsyncEngine
) -> None:
    good = [duckdb_database.create(Purchase, {"id": at, "customer_id": 1}) for at in range(4)]
    bad = duckdb_database.create(Purchase, {"id": 9, "customer_id": 7})

    results = await asyncio.gather(*good, bad, return_exceptions=True)

    assert isinstance(results[-1], ForeignKeyViolation)
    assert await count(engine, Purchase) == 4


async def test_a_plain_session_on_our_engine_is_checked(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        session.add(Purchase(id=1, customer_id=7))
        await refused(session)


async def test_a_plain_session_on_a_plain_engine_is_not_seen(
    engine: AsyncEngine, andamios_memory_url: str
) -> None:
    plain = create_async_engine(andamios_memory_url)
    async with plain.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)

    async with AsyncSession(plain) as session:
        session.add(Purchase(id=1, customer_id=7))
        await session.commit()

    assert (await count(plain, Purchase), await count(engine, Purchase)) == (1, 0)
    await plain.dispose()


async def test_our_session_on_a_plain_engine_is_checked(duckdb_url: str) -> None:
    engine = create_async_engine(duckdb_url)

    async with Session(engine) as session:
        session.add(Purchase(id=1, customer_id=7))
        await refused(session)
    await engine.dispose()


async def test_a_session_within_a_connections_transaction_is_checked_at_its_end(
    engine: AsyncEngine,
) -> None:
    async def write(connection: AsyncConnection) -> None:
        async with Session(bind=connection) as session:  # type: ignore[arg-type]  # a connection will do
            session.add(Purchase(id=1, customer_id=7))
            await session.commit()

    with pytest.raises(ForeignKeyViolation):
        async with engine.begin() as connection:
            await write(connection)

    assert await count(engine, Purchase) == 0


async def test_a_session_in_autocommit_refuses_before_it_stores(engine: AsyncEngine) -> None:
    door = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with Session(door) as session:
        session.add(Purchase(id=1, customer_id=7))
        with pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
            await session.commit()
        await session.rollback()

    assert await count(engine, Purchase) == 0


async def test_core_statements_are_not_seen(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(Purchase), {"id": 1, "customer_id": 7})

    assert await count(engine, Purchase) == 1


class Foreign(DeclarativeBase):
    """Models of somebody else."""


class Head(Foreign):
    """A parent."""

    __tablename__ = "head"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class Tail(Foreign):
    """A child."""

    __tablename__ = "tail"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    head_id: Mapped[int] = mapped_column(ForeignKey("head.id"))


@pytest.mark.parametrize(
    ("option", "message"), [("none", "does not have"), ("physical", "does not exist")]
)
async def test_an_engine_without_physical_keys_checks_models_of_others(
    duckdb_url: str, option: str, message: str
) -> None:
    async with Database(duckdb_url, foreign_keys=option) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Foreign.metadata.create_all)
        async with database.session() as session:
            session.add(Tail(id=1, head_id=7))
            with pytest.raises(ForeignKeyViolation, match=message):
                await session.commit()
            await session.rollback()


async def test_a_table_may_ask_for_it_alone(duckdb_url: str) -> None:
    class Single(DeclarativeBase):
        pass

    class Trunk(Single):
        __tablename__ = "trunk"
        id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)

    class Twig(Single):
        __tablename__ = "twig"
        __table_args__ = {"info": {"duckdb_foreign_keys": "none"}}  # noqa: RUF012 - SQLAlchemy's form
        id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
        trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"))

    async with Database(duckdb_url) as database, database.session() as session:
        connection = await session.connection()
        await connection.run_sync(Single.metadata.create_all)
        session.add_all([Trunk(id=1), Twig(id=1, trunk_id=1)])
        await session.commit()
        await session.delete(await session.get_one(Trunk, 1))
        error = await refused(session)

    assert error.table == "trunk"


async def test_a_model_of_two_tables_is_checked(session: Session) -> None:
    class Local(Row, DeclarativeBase):
        __feed__ = False
        metadata = Base.metadata

    visit, place = TABLES["visit"], TABLES["node"]

    class Both(Local):
        __table__ = visit.join(place, visit.c.id == place.c.id)
        id = column_property(visit.c.id, place.c.id)

    session.add(Both(id=1, town="Lima", country="pe"))

    error = await refused(session)

    assert error.table == "visit"


async def test_tables_in_schemas_are_found_where_they_are(duckdb_url: str) -> None:
    class Outer(Row, DeclarativeBase):
        __feed__ = False
        metadata = MetaData(schema="first schema")

    class Head2(Outer):
        __tablename__ = "head"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    class Tail2(Outer):
        __tablename__ = "tail"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        head_id: Mapped[int] = mapped_column(ForeignKey("first schema.head.id"))

    async with Database(duckdb_url) as database:
        translated = database.engine.execution_options(
            schema_translate_map={"first schema": "second"}
        )
        for engine, schema in ((database.engine, '"first schema"'), (translated, "second")):
            async with engine.begin() as connection:
                await connection.execute(text(f"CREATE SCHEMA {schema}"))
                await connection.run_sync(Outer.metadata.create_all)
            async with Session(engine) as session:
                session.add_all([Head2(id=1), Tail2(id=1, head_id=1)])
                await session.commit()
                session.add(Tail2(id=2, head_id=2))
                await refused(session)


async def test_a_model_that_inherits_the_table_of_another_is_checked(engine: AsyncEngine) -> None:
    class Family(Row, DeclarativeBase):
        __feed__ = False

    class Animal(Family):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        kind: Mapped[str]
        best_id: Mapped[int | None] = mapped_column(ForeignKey("cat.id"))
        best: Mapped[Cat | None] = relationship(
            foreign_keys=best_id, post_update=True, remote_side="Cat.id"
        )
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012 - SQLAlchemy's form

    class Cat(Animal):
        __tablename__ = "cat"
        id: Mapped[int] = mapped_column(
            ForeignKey("animal.id"), primary_key=True, autoincrement=False
        )
        __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy's form
            "polymorphic_identity": "cat",
            "inherit_condition": id == Animal.id,  # noqa: A003 - the column above
        }

    async with engine.begin() as connection:
        await connection.run_sync(Family.metadata.create_all)
    async with Session(engine) as session:
        tom = Cat(id=1)
        tom.best = tom
        session.add(tom)
        await session.commit()
        session.add(Animal(id=2, best_id=2))
        error = await refused(session)
        await session.delete(await session.get_one(Cat, 1))
        await session.commit()

        assert error.columns == ("best_id",)
        assert await count(engine, Animal) == 0


async def test_a_key_to_a_table_that_nobody_described_is_left_alone(engine: AsyncEngine) -> None:
    class Partial(Row, DeclarativeBase):
        __feed__ = False

    class Reader(Partial):
        __tablename__ = "reader"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    Table("other", Partial.metadata, Column("key", BigInteger, ForeignKey("unknown.id")))
    async with engine.begin() as connection:
        await connection.run_sync(
            Partial.metadata.create_all, tables=[Partial.metadata.tables["reader"]]
        )
    async with Session(engine) as session:
        session.add(Reader(id=1))
        await session.commit()

    assert await count(engine, Reader) == 1


async def test_rows_between_keys_that_cannot_be_sent_are_all_looked_at(session: Session) -> None:
    connection = await session.connection()
    await connection.execute(insert(Lemma), [{"word": "a", "of": "b"}])
    await connection.run_sync(check_rows, TABLES["lemma"], between=("x", "z"))

    error = await refused(session)

    assert error.table == "lemma"


async def test_new_tables_of_a_metadata_are_seen(engine: AsyncEngine) -> None:
    class Late(Row, DeclarativeBase):
        __feed__ = False

    class First(Late):
        __tablename__ = "first"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    async with engine.begin() as connection:
        await connection.run_sync(Late.metadata.create_all)
    async with Session(engine) as session:
        session.add(First(id=1))
        await session.commit()

    class Second(Late):
        __tablename__ = "second"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        first_id: Mapped[int] = mapped_column(ForeignKey("first.id"))

    async with engine.begin() as connection:
        await connection.run_sync(Late.metadata.create_all)
    async with Session(engine) as session:
        session.add(Second(id=1, first_id=7))
        await refused(session)


def test_a_blocking_session_is_checked(duckdb_url: str) -> None:
    from andamios_orm.core.integrity import watch_keys

    engine = create_engine(duckdb_url)
    watch_keys(engine)
    with SyncSession(engine) as session:
        session.add(Purchase(id=1, customer_id=7))
        with pytest.raises(ForeignKeyViolation):
            session.commit()
    engine.dispose()


# ---- writes by the column ----------------------------------------------------------------

ROWS = [{"id": number, "customer_id": number % 2 + 1} for number in range(100)]
BAD = [*ROWS, {"id": 100, "customer_id": 7}]


@pytest.mark.parametrize(
    "check",
    [
        lambda connection: check_rows(connection, TABLES["purchase"]),
        lambda connection: check_rows(connection, TABLES["purchase"], between=(0, 100)),
        lambda connection: check_rows(connection, TABLES["purchase"], keys=list(range(101))),
        lambda connection: check_rows(connection, TABLES["purchase"], keys=[(100,)]),
        lambda connection: check_rows(
            connection, TABLES["purchase"], columns=["customer_id", "note"]
        ),
        lambda connection: check_values(
            connection, TABLES["purchase"], {"customer_id": [row["customer_id"] for row in BAD]}
        ),
    ],
)
async def test_rows_that_were_written_by_the_column_are_checked(
    session: Session, check: Callable[[Connection], None]
) -> None:
    connection = await session.connection()
    await connection.execute(insert(Purchase), ROWS)
    await connection.run_sync(check)
    await session.commit()
    connection = await session.connection()
    await connection.execute(delete(Purchase))
    await connection.execute(insert(Purchase), BAD)
    await connection.run_sync(check)

    error = await refused(session)

    assert (error.columns, error.value) == (("customer_id",), 7)


@pytest.mark.parametrize(
    "check",
    [
        lambda connection: check_rows(connection, TABLES["purchase"], columns=["note"]),
        lambda connection: check_rows(connection, TABLES["purchase"], keys=[]),
        lambda connection: check_rows(connection, TABLES["purchase"], between=(0, 99)),
        lambda connection: check_values(connection, TABLES["purchase"], {"note": ["a"]}),
        lambda connection: check_values(connection, TABLES["purchase"], {"customer_id": [None]}),
    ],
)
async def test_only_what_was_written_is_checked(
    session: Session, engine: AsyncEngine, check: Callable[[Connection], None]
) -> None:
    connection = await session.connection()
    await connection.execute(insert(Purchase), BAD)
    await connection.run_sync(check)
    await session.commit()

    assert await count(engine, Purchase) == 101


async def test_keys_of_different_kinds_are_checked_too(session: Session) -> None:
    class Code(enum.StrEnum):
        ONE = "one"

    session.add_all([Purchase(id=1, payer_code=Code.ONE), Purchase(id=2, payer_code="two")])
    await session.commit()
    session.add_all([Purchase(id=3, payer_code=Code.ONE), Purchase(id=4, payer_code="seven")])

    error = await refused(session)

    assert error.value == "seven"


async def test_a_part_of_a_key_is_checked_with_what_is_stored(session: Session) -> None:
    session.add_all([Place(country="pe", town="Lima"), Visit(id=1, country="pe", town="Lima")])
    await session.commit()
    connection = await session.connection()
    await connection.execute(update(Visit).values(country="us"))
    await connection.run_sync(check_values, TABLES["visit"], {"country": ["us"]})

    error = await refused(session)

    assert error.value == ("Lima", "us")


async def test_rows_with_a_key_of_several_columns_are_checked(session: Session) -> None:
    connection = await session.connection()
    await connection.execute(insert(membership), {"customer_id": 1, "club_id": 7})
    await connection.run_sync(check_rows, membership, keys=[(1, 7)], between=(1, 2))

    error = await refused(session)

    assert error.columns == ("club_id",)


@pytest.mark.parametrize("keys", [None, [1], [1, 2], [(1,), (5,)]])
async def test_removed_parents_are_checked(session: Session, keys: list[Any] | None) -> None:
    session.add(Purchase(id=1, payer_id=1))
    await session.commit()
    connection = await session.connection()
    await connection.execute(delete(Customer).where(Customer.id == 1))
    await connection.run_sync(check_removed, TABLES["customer"], keys)

    error = await refused(session)

    assert (error.table, error.value) == ("customer", 1)


async def test_removed_rows_that_nothing_refers_to_need_no_check(
    session: Session, engine: AsyncEngine
) -> None:
    connection = await session.connection()
    await connection.run_sync(check_removed, TABLES["purchase"], [1])
    await connection.run_sync(check_removed, TABLES["customer"], [77])
    await session.commit()

    assert await count(engine, Customer) == 2


# ---- what it costs -----------------------------------------------------------------------


@pytest.fixture
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """Yield the statements that are sent."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_keys_of_one_link_take_one_statement(session: Session, statements: list[str]) -> None:
    session.add_all(Purchase(id=number, customer_id=1 + number % 2) for number in range(10))
    await session.flush()
    session.add(Purchase(id=10, customer_id=1))
    await session.commit()

    assert [text.split()[0] for text in statements] == ["INSERT", "INSERT", "SELECT"]


async def test_nothing_is_sent_where_the_keys_are_real(postgres_url: str) -> None:
    sent: list[str] = []
    async with Database(postgres_url) as database:
        engine = database.engine
        async with engine.begin() as connection:
            wanted = [TABLES["customer"], TABLES["purchase"]]
            await connection.run_sync(Base.metadata.create_all, tables=wanted)
        event.listen(
            engine.sync_engine, "before_cursor_execute", lambda *event: sent.append(event[2])
        )
        async with database.session() as session:
            session.add_all([Customer(id=1), Purchase(id=1, customer_id=1)])
            await session.commit()
            connection = await session.connection()
            await connection.run_sync(check_rows, TABLES["purchase"])
            await connection.run_sync(check_removed, TABLES["customer"])
            await connection.run_sync(check_values, TABLES["purchase"], {"customer_id": [7]})
            await session.commit()

    assert [text.split()[0] for text in sent] == ["INSERT", "INSERT"]


# ---- what is broken already ------------------------------------------------------------


async def test_what_raw_sql_broke_is_found(session: Session) -> None:
    await session.execute(text("INSERT INTO purchase (id, customer_id) VALUES (1, 7), (2, 7)"))
    await session.execute(text("INSERT INTO visit VALUES (1, 'Lima', 'pe'), (2, NULL, 'pe')"))
    await session.commit()

    found = await check_integrity(session, Base.metadata)

    assert sorted(found, key=lambda orphan: orphan.table) == [
        Orphan("purchase", ("customer_id",), (7,), "customer", ("id",), 2),
        Orphan("visit", ("town", "country"), ("Lima", "pe"), "place", ("town", "country"), 1),
    ]


@pytest.mark.slow
async def test_what_was_loaded_on_postgresql_with_constraints_off_is_found(
    postgres_url: str,
) -> None:
    metadata = MetaData()
    Table("a", metadata, Column("id", BigInteger, primary_key=True), UniqueConstraint("id"))
    Table("b", metadata, Column("a_id", BigInteger, ForeignKey("a.id")))
    async with Database(postgres_url) as database, database.session() as session:
        connection = await session.connection()
        await connection.run_sync(metadata.create_all)
        await session.execute(text("SET session_replication_role = replica"))
        await session.execute(text("INSERT INTO b VALUES (7), (NULL)"))
        found = await check_integrity(session, metadata)
        await session.rollback()

    assert found == [Orphan("b", ("a_id",), (7,), "a", ("id",), 1)]
