from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy import exc as sa_exc

from andamios_orm.exceptions import ConfigurationError, DatabaseUnavailable, MissingExtra
from andamios_orm.testing.databases import (
    PostgresDatabases,
    duckdb_file_url,
    duckdb_memory_url,
    remove_duckdb_file,
    server_version,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from andamios_orm.testing.postgres import PostgresServer

NAMES = "SELECT datname FROM pg_database WHERE datname LIKE 'andamios_test_%%' ORDER BY 1"


@pytest.fixture
def databases(
    andamios_postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[PostgresDatabases]:
    """Yield databases of a run of its own, which drops what is left of it."""
    run = f"r{abs(hash(tmp_path)):x}"[:8]
    databases = PostgresDatabases(andamios_postgres_server.url, run, "gw7")
    yield databases
    databases.drop_all()


def run_in(url: str, statement: str) -> list[object]:
    """Return the first column of what ``statement`` gives at ``url``."""
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        rows = list(result.scalars()) if result.returns_rows else []
    engine.dispose()
    return rows


@pytest.mark.unit
def test_a_file_url_names_the_async_dialect(tmp_path: Path) -> None:
    url = make_url(duckdb_file_url(tmp_path / "a.duckdb"))

    assert (url.drivername, url.database) == ("duckdb+andamios", str(tmp_path / "a.duckdb"))


@pytest.mark.unit
def test_two_memory_urls_are_two_databases() -> None:
    first, second = duckdb_memory_url(), duckdb_memory_url()

    assert first != second
    assert first.startswith("duckdb+andamios:///:memory:test_")


@pytest.mark.unit
def test_removing_a_file_takes_its_log_along(tmp_path: Path) -> None:
    for name in ("a.duckdb", "a.duckdb.wal", "b.duckdb"):
        (tmp_path / name).touch()

    remove_duckdb_file(tmp_path / "a.duckdb")

    assert [path.name for path in tmp_path.iterdir()] == ["b.duckdb"]


@pytest.mark.integration
@pytest.mark.db
def test_a_database_is_named_after_run_worker_and_number(databases: PostgresDatabases) -> None:
    first, second = (make_url(databases.create()) for _ in range(2))

    assert first.drivername == "postgresql+psycopg"
    assert str(first.database).startswith("andamios_test_r")
    assert str(first.database).endswith("_gw7_1")
    assert str(second.database).endswith("_gw7_2")


@pytest.mark.integration
@pytest.mark.db
def test_a_new_database_is_empty_and_its_own(databases: PostgresDatabases) -> None:
    first, second = databases.create(), databases.create()
    run_in(first, "CREATE TABLE only_here (id integer)")

    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert run_in(first, tables) == ["only_here"]
    assert run_in(second, tables) == []


@pytest.mark.integration
@pytest.mark.db
def test_a_database_is_dropped_while_someone_is_connected(databases: PostgresDatabases) -> None:
    url = databases.create()
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        databases.drop(url)

        with pytest.raises(sa_exc.OperationalError):
            connection.execute(text("SELECT 1"))
    engine.dispose()


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.parametrize("name", ["postgres", "andamios_test_another_main_1", ""])
def test_what_the_run_did_not_create_is_never_dropped(
    databases: PostgresDatabases, andamios_postgres_server: PostgresServer, name: str
) -> None:
    url = make_url(andamios_postgres_server.url).set(database=name)

    with pytest.raises(ConfigurationError, match="is not dropped"):
        databases.drop(url.render_as_string(hide_password=False))


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.slow
def test_the_end_of_a_run_drops_its_databases_and_no_others(
    databases: PostgresDatabases, andamios_postgres_server: PostgresServer
) -> None:
    other = PostgresDatabases(andamios_postgres_server.url, "other", "gw7")
    kept = other.create()
    created = [databases.create(), databases.create()]
    databases.template("schema", lambda _: None)

    dropped = databases.drop_all()

    names = run_in(andamios_postgres_server.url, NAMES)
    assert len(dropped) == 3
    assert {make_url(url).database for url in created} < set(dropped)
    assert not set(dropped) & set(names)
    assert make_url(kept).database in names
    other.drop(kept)


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.slow
def test_a_template_is_built_once_and_copied(databases: PostgresDatabases) -> None:
    built: list[str] = []

    def build(url: str) -> None:
        built.append(url)
        run_in(url, "CREATE TABLE seeded AS SELECT 7 AS id")

    for _ in range(2):
        url = databases.create(databases.template("schema of this test", build))
        assert run_in(url, "SELECT id FROM seeded") == [7]

    assert len(built) == 1


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.slow
def test_a_template_that_failed_is_built_again(databases: PostgresDatabases) -> None:
    def fail(url: str) -> None:
        run_in(url, "CREATE TABLE half (id integer)")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (raised four lines above)
        databases.template("schema", fail)
    name = databases.template("schema", lambda _: None)

    assert (
        run_in(databases.create(name), "SELECT tablename FROM pg_tables WHERE tablename = 'half'")
        == []
    )


@pytest.mark.integration
@pytest.mark.db
def test_a_url_of_any_driver_will_do(andamios_postgres_server: PostgresServer) -> None:
    plain = make_url(andamios_postgres_server.url).set(drivername="postgresql")

    version = server_version(plain.render_as_string(hide_password=False))

    assert version == andamios_postgres_server.version


@pytest.mark.integration
@pytest.mark.db
def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnavailable, match="does not answer") as caught:
        server_version("postgresql://me:hush@127.0.0.1:1/db")

    assert "hush" not in str(caught.value)


@pytest.mark.unit
def test_a_url_of_another_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is no PostgreSQL"):
        server_version("sqlite:///file")


@pytest.mark.unit
def test_a_missing_driver_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert psycopg.__name__ == "psycopg"
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)

    with pytest.raises(MissingExtra, match=r"andamios-orm\[postgresql\]"):
        server_version("postgresql://localhost/db")
