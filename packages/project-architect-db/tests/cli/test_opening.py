"""The first command that needs a database makes it, and none touches a strange one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sqlalchemy import text

import andamios_orm
from andamios_orm import Database
from project_architect_db.migration import MigrationManager

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(5)]

Call: TypeAlias = "Callable[..., Any]"
COUNT = "SELECT count(*) AS projects FROM projects"


@pytest.mark.parametrize("system", ["duckdb", "postgresql"])
def test_the_first_command_that_needs_a_database_makes_it(
    call: Call, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    if system == "postgresql":
        monkeypatch.setenv("PAD_DATABASE_URL", request.getfixturevalue("server_url"))

    first = call("query", COUNT, "--format", "csv")
    second = call("query", COUNT, "--format", "csv", "--quiet")

    assert first.code == 0, first.err
    assert first.out == second.out == "projects\n0\n"
    assert first.err.startswith(f"made {system}")
    assert ", at revision 0" in first.err
    assert second.err == ""
    assert Path("project_architect.duckdb").exists() == (system == "duckdb")


@pytest.mark.slow
def test_a_database_with_other_tables_is_left_as_it_is(call: Call) -> None:
    async def strange() -> None:
        database = Database("duckdb:///project_architect.duckdb")
        async with database, database.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE other (a INTEGER)"))

    andamios_orm.run(strange())

    done = call("query", COUNT)
    made = call("init")

    assert done.code == 3
    assert "has other tables, and none of this program" in done.err
    assert "project-architect-db init" in done.err
    assert made.code == 0, made.err
    assert call("query", COUNT).code == 0


def test_a_database_that_is_behind_is_said_with_the_command_that_mends_it(
    on: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def older(self: Any) -> Any:
        return (self.history()[0],)

    monkeypatch.setattr(MigrationManager, "pending", older)

    done = on("query", COUNT)

    assert done.code == 3
    assert done.err == (
        "project-architect-db: the database is at 0001, this version needs 0001: "
        "project-architect-db migrate\n"
        "  project-architect-db explain RevisionsPending says more\n"
    )
