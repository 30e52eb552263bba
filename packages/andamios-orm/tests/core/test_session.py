import gc
import warnings

import pytest
from sqlalchemy import Connection, MetaData, delete, event, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, Session, SessionManager
from andamios_orm.exceptions import StaleVersion, UncommittedChanges

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Account(Base):
    """Something that everybody wants to change."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int]


class Page(Base):
    """Something with a version."""

    __tablename__ = "pages"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own form


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as session:
        session.add_all([Account(id=100, balance=10), Page(id=1, text="first")])
    return database


async def balance(database: Database) -> int:
    async with database.session() as session:
        return (await session.get_one(Account, 100)).balance


async def test_a_session_does_not_commit_by_itself(filled: Database) -> None:
    async with filled.session() as session:
        (await session.get_one(Account, 100)).balance = 11

    assert await balance(filled) == 10


async def test_what_a_session_commits_stays(filled: Database) -> None:
    async with filled.session() as session:
        (await session.get_one(Account, 100)).balance = 11
        await session.commit()

    assert await balance(filled) == 11


async def test_instances_stay_usable_after_a_commit(filled: Database) -> None:
    async with filled.session() as session:
        account = await session.get_one(Account, 100)
        await session.commit()

        assert account.balance == 10


async def test_expiry_on_commit_can_be_asked_for(filled: Database) -> None:
    async with Session(filled.engine, expire_on_commit=True) as session:
        account = await session.get_one(Account, 100)
        await session.commit()

        assert "balance" not in account.__dict__


async def test_a_flush_that_is_not_committed_warns_where_the_block_ends(filled: Database) -> None:
    with pytest.warns(UncommittedChanges, match="Account") as caught:  # noqa: PT031 - the block warns
        async with filled.session() as session:
            session.add(Account(balance=1))
            await session.flush()

    assert [warning.filename for warning in caught] == [__file__]


async def test_a_session_that_is_closed_by_hand_warns_too(filled: Database) -> None:
    session = Session(filled.engine)
    await session.execute(insert(Account).values(balance=1))

    with pytest.warns(UncommittedChanges, match="changes to accounts") as caught:
        await session.close()

    assert [warning.filename for warning in caught] == [__file__]


async def test_the_end_of_a_savepoint_commits_nothing(postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        session = Session(database.engine)
        async with session.begin_nested():
            session.add(Account(balance=1))

        with pytest.warns(UncommittedChanges, match="Account"):
            await session.close()


@pytest.mark.parametrize(
    "statement",
    [
        insert(Account).values(balance=1),
        update(Account).values(balance=1),
        delete(Account).where(Account.id == 100),
    ],
    ids=["insert", "update", "delete"],
)
async def test_statements_count_as_changes(filled: Database, statement: object) -> None:
    with pytest.warns(UncommittedChanges, match="accounts"):
        async with filled.session() as session:
            await session.execute(statement)  # type: ignore[call-overload]  # one of three


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_session_that_was_ended_does_not_warn(filled: Database, ending: str) -> None:
    async with filled.session() as session:
        session.add(Account(balance=1))
        await session.flush()
        await getattr(session, ending)()


async def test_a_commit_that_failed_needs_no_warning_beside_its_error(filled: Database) -> None:
    def refuse(_connection: Connection) -> None:
        raise LookupError("no")

    event.listen(filled.engine.sync_engine, "commit", refuse)
    async with filled.session() as session:
        session.add(Account(balance=1))
        with pytest.raises(LookupError):
            await session.commit()


async def test_an_error_on_its_way_out_needs_no_warning_beside_it(filled: Database) -> None:
    with pytest.raises(LookupError):
        async with filled.session() as session:
            session.add(Account(balance=1))
            await session.flush()
            raise LookupError


async def test_reading_never_warns(filled: Database) -> None:
    async with filled.session() as session:
        await session.scalars(select(Account))
        await session.flush()


@pytest.mark.slow
async def test_a_session_that_is_forgotten_gives_its_connection_back(filled: Database) -> None:
    session = Session(filled.engine)
    await session.scalars(select(Account))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy names the leak
        del session
        gc.collect()

    assert await balance(filled) == 10


async def test_a_newer_version_of_a_row_is_a_typed_error(filled: Database) -> None:
    async with filled.session() as session:
        page = await session.get_one(Page, 1)
    async with filled.transaction() as session:
        (await session.get_one(Page, 1)).text = "second"
    page.text = "lost"

    with pytest.raises(StaleVersion, match="a row was changed meanwhile"):
        async with filled.transaction() as session:
            session.add(page)


async def test_steps_share_one_transaction_and_their_results_are_in_order(
    filled: Database,
) -> None:
    async def add(session: Session) -> int:
        session.add(Account(id=2, balance=5))
        await session.flush()
        return 2

    def new(session: Session) -> int:
        return len(session.new)

    async def count(session: Session) -> int:
        return (await session.execute(select(func.count()).select_from(Account))).scalar_one()

    assert await filled.execute_in_transaction([new, add, count]) == [0, 2, 2]
    assert await filled.execute_in_transaction([count]) == [2]


async def test_steps_are_all_done_or_none(filled: Database) -> None:
    async def take(session: Session) -> None:
        (await session.get_one(Account, 100)).balance = 0

    def fail(session: Session) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await filled.execute_in_transaction([take, fail])

    assert await balance(filled) == 10


async def test_steps_run_again_after_a_conflict(filled: Database) -> None:
    runs = 0

    async def read_then_write(session: Session) -> int:
        nonlocal runs
        runs += 1
        account = await session.get_one(Account, 100)
        if runs == 1:
            await add_one(filled.engine)
        account.balance += 1
        await session.flush()
        return account.balance

    assert await filled.execute_in_transaction([read_then_write], retry=True) == [12]
    assert (runs, await balance(filled)) == (2, 12)


async def add_one(engine: AsyncEngine) -> None:
    async with SessionManager(engine).transaction() as other:
        await other.execute(update(Account).values(balance=Account.balance + 1))
