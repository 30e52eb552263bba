import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ForeignKey, MetaData, func, literal, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    column_property,
    mapped_column,
    relationship,
)

from andamios_orm import Database, Settings
from andamios_orm.core import create_engine
from andamios_orm.exceptions import (
    ConfigurationError,
    DuplicateKey,
    MissingExtra,
    NotNullViolation,
    PoolExhausted,
    WriteConflict,
)

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Author(Base):
    """Somebody who writes; the version is checked at every change."""

    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("full_name", unique=True)
    version: Mapped[int] = mapped_column()
    letters: Mapped[int] = column_property(literal(0) + 1)
    books: Mapped[list["Book"]] = relationship(back_populates="author")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own form


class Book(Base):
    """Something written."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    pages: Mapped[int] = mapped_column(default=100)
    author: Mapped[Author] = relationship(back_populates="books")


class Employee(Base):
    """The first of two tables."""

    __tablename__ = "employees"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column()
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "employee"}  # noqa: RUF012


class Engineer(Employee):
    """The second of two tables."""

    __tablename__ = "engineers"

    id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    language: Mapped[str]
    __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012


class Clerk(Employee):
    """A kind that needs no table of its own."""

    __mapper_args__ = {"polymorphic_identity": "clerk"}  # noqa: RUF012


class ServerVersioned(Base):
    """A row whose version the server counts."""

    __tablename__ = "server_versioned"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(server_default=text("7"))
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}  # noqa: RUF012


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def filled(database: Database) -> Database:
    return database


# ---- what an engine is made from -------------------------------------------------


async def test_the_settings_of_the_pool_are_obeyed(url: str) -> None:
    async with Database(
        url, pool_size=2, max_overflow=1, pool_timeout=3, pool_recycle=60, pool_pre_ping=True
    ) as database:
        pool: Any = database.engine.pool

        assert (pool.size(), pool._max_overflow, pool._timeout) == (2, 1, 3)
        assert (pool._recycle, pool._pre_ping) == (60, True)
        assert (await database.health()).pool.limit == 3


async def test_a_pool_without_a_limit_says_so(url: str) -> None:
    async with Database(url, max_overflow=-1) as database:
        assert (await database.health()).pool.limit is None


@pytest.mark.parametrize(("size", "cached"), [(0, False), (5, True)])
async def test_the_size_of_the_query_cache_is_obeyed(
    andamios_memory_url: str, size: int, *, cached: bool
) -> None:
    async with Database(andamios_memory_url, query_cache_size=size) as database:
        compiled: Any = database.engine.sync_engine._compiled_cache

        assert bool(compiled is not None and compiled.capacity == 5) is cached


async def test_options_reach_duckdb(andamios_memory_url: str) -> None:
    async with Database(andamios_memory_url, threads=2, memory_limit="300MiB") as database:
        async with database.session() as session:
            found = await session.execute(
                text("SELECT current_setting('threads'), current_setting('memory_limit')")
            )

        assert tuple(found.one()) == (2, "300.0 MiB")


async def test_settings_are_taken_and_arguments_override_them(andamios_memory_url: str) -> None:
    settings = Settings(url=andamios_memory_url, pool_size=3, options={"threads": 1})

    async with Database(settings=settings, pool_size=4) as database:
        assert database.settings == settings.with_values({"pool_size": 4})


@pytest.mark.parametrize("driver", ["postgresql", "postgres", "postgresql+psycopg"])
async def test_postgresql_is_reached_through_psycopg_by_any_name(
    postgres_url: str, driver: str
) -> None:
    url = make_url(postgres_url).set(drivername=driver)

    async with Database(url.render_as_string(hide_password=False)) as database:
        assert (await database.health()).ok
        assert database.engine.dialect.driver == "psycopg"


async def test_postgresql_has_snapshots_unless_told_otherwise(postgres_url: str) -> None:
    found = []

    for level in (None, "READ COMMITTED"):
        async with (
            Database(postgres_url, isolation_level=level) as database,
            database.session() as session,
        ):
            found.append(await session.scalar(text("SHOW transaction_isolation")))

    assert found == ["repeatable read", "read committed"]


@pytest.mark.parametrize(
    ("url", "options", "complaint"),
    [
        ("sqlite:///file", {}, "names sqlite"),
        ("duckdb:///:memory:", {"isolation_level": "SERIALIZABLE"}, "always snapshots"),
        ("postgresql://host/name", {"threads": 2}, "threads: unknown for postgresql"),
        ("postgresql+pg8000://host/name", {}, r"postgresql\+psycopg://"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    url: str, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Database(url, **options)


@pytest.mark.parametrize(
    ("scheme", "extra"), [("postgresql", "postgresql"), ("postgresql+asyncpg", "asyncpg")]
)
def test_a_missing_driver_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(MissingExtra, match=rf"pip install 'andamios-orm\[{extra}\]'"):
        create_engine(Settings(url=f"{scheme}://host/name"))


def test_nothing_is_opened_before_the_first_statement(tmp_path: Path) -> None:
    database = Database(f"duckdb:///{tmp_path}/none.duckdb")

    assert list(tmp_path.iterdir()) == []
    assert repr(database) == f"Database('duckdb:///{tmp_path}/none.duckdb')"


def test_no_password_is_shown() -> None:
    database = Database("postgresql://user:canary@host/name")

    assert "canary" not in repr(database) + repr(database.engine) + repr(database.settings)


# ---- single writes ----------------------------------------------------------------


async def test_create_returns_a_committed_instance_of_no_session(filled: Database) -> None:
    author = await filled.create(Author, {"name": "Ada"})

    async with filled.session() as session:
        found = await session.get_one(Author, author.id)
        assert (found.name, found.version) == ("Ada", 1)
        assert author not in session


async def test_what_was_created_can_be_changed_in_a_session(filled: Database) -> None:
    author = await filled.create(Author(name="Ada"))
    author.name = "Ada Lovelace"

    async with filled.transaction() as session:
        session.add(author)
    async with filled.session() as session:
        assert (await session.get_one(Author, author.id)).name == "Ada Lovelace"


async def test_create_fills_defaults(filled: Database) -> None:
    author = await filled.create(Author(name="Ada"))

    book = await filled.create(Book, {"author_id": author.id})

    assert (book.pages, author.version) == (100, 1)


async def test_create_takes_none_for_a_default_as_a_session_does(filled: Database) -> None:
    author = await filled.create(Author, {"id": None, "name": "Ada", "version": None})

    book = await filled.create(Book(id=None, author_id=author.id, pages=None))

    assert (book.id, book.pages, author.version) == (1, 100, 1)


async def test_create_keeps_a_none_that_is_a_value(filled: Database) -> None:
    with pytest.raises(NotNullViolation, match="author_id"):
        await filled.create(Book(author_id=None))


async def test_create_leaves_a_version_of_the_server_to_the_server(filled: Database) -> None:
    assert (await filled.create(ServerVersioned())).version == 7


async def test_create_knows_the_kind_of_a_single_table_model(filled: Database) -> None:
    assert (await filled.create(Clerk())).kind == "clerk"


async def test_create_raises_what_the_table_refuses(filled: Database) -> None:
    await filled.create(Author(name="Ada"))

    with pytest.raises(DuplicateKey) as caught:
        await filled.create(Author(name="Ada"))

    assert caught.value.columns == ("full_name",)


async def test_create_refuses_related_instances_rather_than_dropping_them(
    filled: Database,
) -> None:
    with pytest.raises(ConfigurationError, match=r"Author.books is set"):
        await filled.create(Author(name="Ada", books=[Book()]))


async def test_create_refuses_an_instance_that_a_session_has(filled: Database) -> None:
    async with filled.session() as session:
        author = Author(name="Ada")
        session.add(author)

        with pytest.raises(ConfigurationError, match="this Author is not new"):
            await filled.create(author)


async def test_create_refuses_a_model_of_two_tables(filled: Database) -> None:
    with pytest.raises(ConfigurationError, match="Engineer is not mapped to a single table"):
        await filled.create(Engineer(language="Python"))


async def test_insert_takes_a_model_or_a_table(filled: Database) -> None:
    by_model = await filled.insert(Author, {"full_name": "Ada", "version": 1})
    by_table = await filled.insert(
        Base.metadata.tables["authors"], {"full_name": "B", "version": 1}
    )

    assert (by_model["full_name"], by_table["full_name"]) == ("Ada", "B")


# ---- conflicts on PostgreSQL ------------------------------------------------------


async def test_a_serialization_failure_is_a_conflict_that_is_tried_again(
    postgres_url: str,
) -> None:
    async with Database(postgres_url, isolation_level="SERIALIZABLE") as database:
        both = asyncio.Barrier(2)
        conflicts = 0

        async def add_if_none() -> None:
            nonlocal conflicts
            first = True
            async for attempt in database.transaction(retry=True):
                async with attempt as session:
                    try:
                        known = await session.scalar(select(func.count()).select_from(Clerk))
                        if first:
                            first = False
                            await both.wait()
                        if not known:
                            session.add(Clerk())
                            await session.flush()
                            await session.commit()
                    except WriteConflict:
                        conflicts += 1
                        raise

        await asyncio.gather(add_if_none(), add_if_none())
        async with database.session() as session:
            assert await session.scalar(select(func.count()).select_from(Clerk)) == 1
        assert conflicts == 1


# ---- how it is --------------------------------------------------------------------


async def test_a_database_that_is_well_says_so(filled: Database) -> None:
    health = await filled.health()

    assert (health.ok, health.error, health.pool.in_use) == (True, None, 0)
    assert health.system == filled.engine.dialect.name
    assert 0 < health.latency < 5


async def test_the_health_of_a_file_names_it_and_the_gate(duckdb_database: Database) -> None:
    health = await duckdb_database.health()

    assert health.path == make_url(duckdb_database.settings.url).database
    assert (health.in_place, health.recovered, health.epoch) == (True, False, 0)
    assert health.gate is not None
    assert (health.gate.holder, health.gate.age, health.gate.waiting) == (None, 0.0, 0)


async def test_a_memory_database_has_no_path(andamios_memory_url: str) -> None:
    async with Database(andamios_memory_url) as database:
        assert (await database.health()).path is None


async def test_health_names_who_holds_a_connection_and_who_is_in_the_gate(
    duckdb_database: Database,
) -> None:
    async with duckdb_database.transaction(write=True) as session:
        await session.execute(text("SELECT 1"))

        health = await duckdb_database.health()

    assert health.gate is not None
    assert health.gate.holder is not None
    assert health.gate.holder in health.pool.holders[0]
    assert health.pool.in_use == 1


async def test_a_deleted_file_is_noticed(duckdb_database: Database) -> None:
    path = Path((await duckdb_database.health()).path or "")
    path.unlink()

    health = await duckdb_database.health()

    assert (health.ok, health.in_place) == (False, False)
    assert health.error == f"{path} was deleted or replaced while it was open"


@pytest.mark.slow
async def test_a_log_that_had_to_be_replayed_is_told(tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/file.duckdb"
    script = f"""
import asyncio, os, signal
from andamios_orm import Database
from sqlalchemy import text
async def main():
    database = Database({url!r})
    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (i INTEGER)"))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], check=False)

    async with Database(url) as database:
        health = await database.health()

    assert killed.returncode == -signal.SIGKILL
    assert (health.ok, health.recovered) == (True, True)


async def test_a_database_that_is_down_is_reported(tmp_path: Path) -> None:
    async with Database(f"duckdb:///{tmp_path}/no-folder/file.duckdb") as database:
        health = await database.health()

    assert not health.ok
    assert (health.error or "").startswith("ConfigurationError: the folder")


async def test_a_server_that_is_not_there_is_reported() -> None:
    async with Database("postgresql://user:canary@127.0.0.1:1/name") as database:
        health = await database.health()

    assert (health.ok, health.gate) == (False, None)
    assert "canary" not in repr(health)


async def test_a_pool_without_a_free_connection_is_down_soon(url: str) -> None:
    async with (
        Database(url, pool_size=1, max_overflow=0) as database,
        database.session() as session,
    ):
        await session.execute(text("SELECT 1"))

        health = await database.health(timeout=0.05)

    assert (health.ok, health.error) == (False, "no answer within 0.05 s")


async def test_an_exhausted_pool_names_its_holders(andamios_memory_url: str) -> None:
    async with Database(
        andamios_memory_url, pool_size=1, max_overflow=1, pool_timeout=0.05
    ) as database:
        ready, done = asyncio.Barrier(3), asyncio.Event()

        async def hold() -> None:
            async with database.session() as session:
                await session.execute(text("SELECT 1"))
                await ready.wait()
                await done.wait()

        tasks = [asyncio.create_task(hold(), name=name) for name in ("importer", "reporter")]
        await ready.wait()

        with pytest.raises(PoolExhausted, match=r"importer.*reporter.*max_overflow") as caught:
            async with database.session() as session:
                await session.execute(text("SELECT 1"))
        done.set()
        await asyncio.gather(*tasks)

    assert len(caught.value.holders) == 2


# ---- closing ----------------------------------------------------------------------


@pytest.mark.slow
async def test_close_waits_for_work_that_is_on_its_way(filled: Database) -> None:
    reached, ready_to_commit = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with filled.transaction() as session:
            session.add(Author(name="Ada"))
            await session.flush()
            reached.set()
            await asyncio.sleep(0.1)
            ready_to_commit.set()

    task = asyncio.create_task(work())
    await reached.wait()
    await filled.close()

    assert ready_to_commit.is_set()
    await task
    async with filled.session() as session:  # a database that is used again opens again
        assert await session.scalar(select(func.count()).select_from(Author)) == 1


async def test_close_waits_no_longer_than_its_grace(duckdb_url: str) -> None:
    database = Database(duckdb_url)
    async with database.session() as session:
        await session.execute(text("SELECT 1"))

        async with asyncio.timeout(5):
            await database.close(grace=0.05)

        assert (await session.execute(text("SELECT 2"))).scalar() == 2
    await database.close()


# ---- the driver -------------------------------------------------------------------


async def test_raw_gives_a_plain_connection_that_holds_the_gate(
    duckdb_database: Database,
) -> None:
    await duckdb_database.health()

    def work() -> None:
        with duckdb_database.raw(write=True) as raw:
            raw.execute("INSERT INTO authors VALUES (1, 'Ada', 1)")

    await asyncio.to_thread(work)

    async with duckdb_database.session() as session:
        assert (await session.get_one(Author, 1)).name == "Ada"


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_raw_is_for_duckdb_alone(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="needs a DuckDB database that is open"):
        database.raw()


async def test_raw_needs_an_open_database(duckdb_database: Database) -> None:
    with pytest.raises(ConfigurationError, match="run a statement first"):
        duckdb_database.raw()


def test_engines_are_async(andamios_memory_url: str) -> None:
    assert isinstance(create_engine(Settings(url=andamios_memory_url)), AsyncEngine)
