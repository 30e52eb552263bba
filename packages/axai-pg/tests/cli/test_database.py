"""A database is made by the command, and shown as it stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest

from axai_pg.migrations import read_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm.testing.databases import PostgresDatabases

pytestmark = [pytest.mark.e2e, pytest.mark.db]

Call: TypeAlias = "Callable[..., Any]"
LAST = read_plan().changes[-1].name


def execute(url: str, statement: str) -> None:
    """Run a statement as a superuser."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def missing_url(andamios_postgres_databases: PostgresDatabases) -> Any:
    """Yield the URL of a database that is not there; what is made there goes."""
    url = andamios_postgres_databases.create()
    andamios_postgres_databases.drop(url)
    yield url
    andamios_postgres_databases.drop(url)


@pytest.mark.slow
def test_a_database_is_made_filled_and_left_alone(call: Call, missing_url: str) -> None:
    before = call("status", "--url", missing_url)
    made = call("init", "--sample-data", "--wait", "5", "--url", missing_url)
    again = call("init", "--url", missing_url)
    after = call("--url", missing_url)

    assert before.out.splitlines()[0].endswith("is not there yet")
    assert before.out.endswith("next: axai-pg init\n")
    assert made.code == 0, made.err
    assert made.out.split() == [change.name for change in read_plan().changes]
    assert "made postgresql://" in made.err
    assert "it was there already, and nothing was pending" in again.err
    assert f"change          {LAST}, the newest" in after.out
    assert "isolation       no hole" in after.out
    assert "organisations   2\nusers           4\ndocuments       6\n" in after.out
    assert after.out.endswith("next: axai-pg stats\n")


def test_an_empty_database_is_shown_with_what_comes_next(on_shared: Call) -> None:
    done = on_shared("status", "--json")

    state = json.loads(done.out)["status"][0]
    assert state["change"] == LAST
    assert state["pending"] == state["changed"] == []
    assert state["holes"] == 0
    assert state["counts"].keys() == {"organisations", "users", "documents"}


def test_next_are_samples_where_there_is_no_organisation(on: Call) -> None:
    assert on().out.endswith("next: axai-pg seed\n")


def test_a_database_without_tables_is_to_be_initialised(call: Call, empty_url: str) -> None:
    done = call("--url", empty_url)

    pending = len(read_plan().changes)
    assert f"change          none; pending: {pending}, up to {LAST}\n" in done.out
    assert "organisations" not in done.out
    assert done.out.endswith("next: axai-pg init\n")


@pytest.mark.slow
def test_what_is_not_as_it_was_is_shown(on: Call, schema_url: str) -> None:
    execute(schema_url, "ALTER TABLE topics NO FORCE ROW LEVEL SECURITY")
    one = on()
    execute(schema_url, "ALTER TABLE roles DISABLE ROW LEVEL SECURITY")
    execute(schema_url, f"UPDATE sqitch.changes SET script_hash = 'x' WHERE change = '{LAST}'")
    several = on()
    on("revert", "--last", "1", "--yes")
    behind = on()

    assert "isolation       1 hole\n" in one.out
    assert one.out.endswith("next: axai-pg check-isolation\n")
    assert "isolation       2 holes\n" in several.out
    assert f"rewritten       {LAST}: the scripts are others now" in several.out
    assert f"pending: {LAST}\n" in behind.out
    assert behind.out.endswith("next: axai-pg migrate\n")


@pytest.fixture
def service_url(schema_url: str) -> Any:
    """Yield the URL of a login of a service."""
    execute(schema_url, "DROP ROLE IF EXISTS cli_service")
    execute(schema_url, "CREATE ROLE cli_service LOGIN IN ROLE axai_app")
    execute(schema_url, "GRANT USAGE ON SCHEMA sqitch TO cli_service")
    execute(schema_url, "GRANT SELECT ON ALL TABLES IN SCHEMA sqitch TO cli_service")
    yield schema_url.replace("postgres@", "cli_service@")
    execute(schema_url, "DROP OWNED BY cli_service")
    execute(schema_url, "DROP ROLE cli_service")


@pytest.mark.slow
def test_a_login_of_a_service_is_told_what_it_may(call: Call, service_url: str) -> None:
    shown = call("--url", service_url)
    migrated = call("migrate", "--url", service_url)
    counted = call("stats", "--url", service_url)

    assert shown.code == 0, shown.err
    assert "organisations" not in shown.out
    assert shown.out.endswith("next: axai-pg stats\n")
    assert migrated.code == 1
    assert "cli_service may not do this" in migrated.err
    assert counted.code == 2
    assert "GRANT axai_system TO" in counted.err


def test_a_login_that_there_is_not_is_refused(call: Call, shared_url: str) -> None:
    done = call("status", "--url", shared_url.replace("postgres@", "nobody_here@"))

    assert done.code == 4
    assert "nobody_here" in done.err


def test_waiting_less_than_nothing_is_refused(call: Call) -> None:
    done = call("init", "--wait", "-1")

    assert done.code == 2
    assert "-1.0 is not in the range x>=0" in done.said
