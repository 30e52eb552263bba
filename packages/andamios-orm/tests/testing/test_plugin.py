"""What the plugin does in sessions of its own, with and without workers."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, text

if TYPE_CHECKING:
    from andamios_orm.testing.postgres import PostgresServer

pytestmark = pytest.mark.integration

WORKERS = pytest.mark.parametrize("workers", [pytest.param("0", marks=pytest.mark.slow), "2"])
OPTIONS = ("-p", "andamios_pytest.plugin", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def _only_the_plugins_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_pytest_finds_the_plugin_by_itself() -> None:
    (found,) = importlib.metadata.entry_points(group="pytest11", name="andamios")

    assert found.value == "andamios_pytest.plugin"


@pytest.fixture
def elsewhere(
    andamios_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> PostgresServer:
    """Let the inner sessions use the server of this one by its URL."""
    monkeypatch.setenv("ANDAMIOS_TEST_POSTGRES_URL", andamios_postgres_server.url)
    monkeypatch.delenv("ANDAMIOS_TEST_POSTGRES", raising=False)
    return andamios_postgres_server


@WORKERS
@pytest.mark.slow
def test_every_duckdb_url_is_another_one(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makepyfile(
        """
        import pathlib, pytest

        @pytest.mark.parametrize("number", range(4))
        def test_url(number, andamios_duckdb_url, andamios_memory_url):
            path = pathlib.Path(andamios_duckdb_url.removeprefix("duckdb+andamios:///"))
            assert path.is_absolute() and not path.exists()
            path.touch()
            with pathlib.Path("urls").resolve().open("a") as urls:
                urls.write(f"{andamios_duckdb_url}\\n{andamios_memory_url}\\n")
        """
    )

    outcome = pytester.runpytest_subprocess(*OPTIONS, "-p", "xdist", "-n", workers)

    outcome.assert_outcomes(passed=4)

    urls = (pytester.path / "urls").read_text().split()
    assert len(set(urls)) == 8
    files = [url.removeprefix("duckdb+andamios:///") for url in urls if ":memory:" not in url]
    assert not any(Path(file).exists() for file in files)


@pytest.mark.db
@WORKERS
@pytest.mark.slow
def test_the_workers_share_one_server_and_no_database(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    monkeypatch.delenv("ANDAMIOS_TEST_POSTGRES_URL", raising=False)
    pytester.makepyfile(
        """
        import pathlib, psycopg, pytest

        @pytest.mark.parametrize("number", range(6))
        def test_table(number, andamios_postgres_url, andamios_postgres_server):
            with psycopg.connect(andamios_postgres_url.replace("+psycopg", "")) as connection:
                connection.execute("CREATE TABLE mine (id integer)")
            with pathlib.Path("urls").resolve().open("a") as urls:
                urls.write(f"{andamios_postgres_server.url}\\n")
        """
    )

    outcome = pytester.runpytest_subprocess(*OPTIONS, "-p", "xdist", "-n", workers)

    if outcome.parseoutcomes().get("skipped"):
        pytest.skip("no PostgreSQL server on this machine")
    outcome.assert_outcomes(passed=6)
    (url,) = set((pytester.path / "urls").read_text().split())
    assert not Path(url.partition("?host=")[2]).parent.exists()


@pytest.mark.db
@pytest.mark.slow
def test_databases_that_tests_leave_are_dropped_at_the_end(
    pytester: pytest.Pytester, elsewhere: PostgresServer
) -> None:
    pytester.makepyfile(
        """
        def test_create(andamios_postgres_databases):
            print("created", andamios_postgres_databases.create())
            name = andamios_postgres_databases.template("schema", lambda url: None)
            print("created", andamios_postgres_databases.create(name))
        """
    )

    outcome = pytester.runpytest_inprocess(*OPTIONS, "-rP")

    outcome.assert_outcomes(passed=1)
    outcome.stdout.fnmatch_lines([f"andamios: PostgreSQL {elsewhere.version} (url)"])
    engine = create_engine(elsewhere.url)
    with engine.connect() as connection:
        names = set(connection.scalars(text("SELECT datname FROM pg_database")))
    engine.dispose()
    created = [line.split()[1] for line in outcome.outlines if line.startswith("created")]
    assert len(created) == 2
    assert not {make_url(url).database for url in created} & names


NO_SERVER = {"ANDAMIOS_TEST_POSTGRES": "embedded", "ANDAMIOS_POSTGRES_BINARIES": "/nonexistent"}
ASKS = "def test_it(andamios_postgres_url): pass"


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the inner session find no server."""
    monkeypatch.delenv("ANDAMIOS_TEST_POSTGRES_URL", raising=False)
    monkeypatch.delenv("ANDAMIOS_REQUIRE_POSTGRES", raising=False)
    for name, value in NO_SERVER.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("andamios_orm.testing.postgres._embedded_archive", lambda _: None)


@pytest.mark.usefixtures("no_server")
def test_without_a_server_a_test_is_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ASKS)

    outcome = pytester.runpytest_inprocess(*OPTIONS, "-rs")

    outcome.assert_outcomes(skipped=1)
    outcome.stdout.fnmatch_lines(["*andamios: no PostgreSQL: no PostgreSQL server for the tests*"])


@pytest.mark.usefixtures("no_server")
def test_without_a_server_a_test_fails_where_one_is_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDAMIOS_REQUIRE_POSTGRES", "1")
    pytester.makepyfile(ASKS)

    outcome = pytester.runpytest_inprocess(*OPTIONS)

    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*andamios: no PostgreSQL*ANDAMIOS_TEST_POSTGRES_URL*"])


def test_a_system_without_unix_sockets_is_told_so(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andamios_pytest.plugin.POSIX", False)
    pytester.makepyfile(ASKS)

    outcome = pytester.runpytest_inprocess(*OPTIONS, "-rs")

    outcome.assert_outcomes(skipped=1)
    outcome.stdout.fnmatch_lines(["*these fixtures need a POSIX system*"])


def test_a_session_that_asks_for_nothing_makes_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    before = set(os.listdir("/tmp"))  # noqa: S108, PTH208 (what others may do there is not compared)

    pytester.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=1)

    made = {name for name in os.listdir("/tmp") if name.startswith("andamios_test_")}  # noqa: S108, PTH208
    assert made <= before
