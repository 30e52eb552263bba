"""The state of the database, and how it is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from project_architect_db.migration import MigrationManager

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(6)]

Call: TypeAlias = "Callable[..., Any]"


def test_without_a_command_it_shows_what_there_is_and_makes_nothing(call: Call) -> None:
    done = call()

    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "database       duckdb:///project_architect.duckdb: is not there yet\n"
        "\n"
        "next: project-architect-db import git .\n"
    )
    assert list(Path().iterdir()) == []


@pytest.mark.slow
def test_the_state_counts_what_there_is(on: Call, shop: Path) -> None:
    empty = json.loads(on("--json").out)["status"][0]
    on("import", "git", str(shop))
    full = json.loads(on("status", "--json").out)["status"][0]
    shown = on()

    assert empty["counts"] == dict.fromkeys(full["counts"], 0)
    assert empty["next"] == "project-architect-db import git ."
    assert full["counts"] == {
        "projects": 1,
        "conversations": 1,
        "documents": 1,
        "repositories": 1,
    }
    assert (full["revision"], full["pending"]) == ("0001", [])
    assert full["size"] > 0
    assert "revision       0001, the newest\nprojects               1\n" in shown.out
    assert shown.out.splitlines()[-1].startswith("next: project-architect-db ")
    assert "import" not in shown.out


def test_deleted_projects_do_not_count(on: Call, shop: Path) -> None:
    on("import", "git", str(shop))
    on(
        "shell",
        "-c",
        "(await session.get(Project, 1)).deleted_at = sa.func.now(); await session.commit()",
    )

    assert json.loads(on("--json").out)["status"][0]["counts"]["projects"] == 0


def test_what_is_pending_is_said(on: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async def older(self: Any) -> Any:
        return (self.history()[0],)

    monkeypatch.setattr(MigrationManager, "pending", older)

    done = on()

    assert "revision       0001; pending: 0001\n" in done.out
    assert done.out.endswith("\nnext: project-architect-db migrate\n")


@pytest.mark.slow
def test_init_makes_the_database_once(call: Call) -> None:
    first, second = call("init"), call("init")

    assert first.code == second.code == 0
    assert first.out == second.out == "duckdb:///project_architect.duckdb is at revision 0001\n"
    assert first.err == "next: project-architect-db import git .\n"
    assert second.err.startswith("it was there already, and nothing was pending\n")


def test_a_database_in_memory_has_a_state_as_well(call: Call) -> None:
    done = call("--url", "duckdb:///:memory:")

    assert done.out.splitlines() == [
        "database       duckdb:///:memory: (--url): 0 bytes",
        "revision       none; pending: 0001",
        "",
        "next: project-architect-db import git .",
    ]


def test_a_database_that_cannot_be_reached_ends_with_4(call: Call) -> None:
    done = call("--url", "postgresql://nobody@127.0.0.1:1/nothing")

    assert done.code == 4
    assert "project-architect-db explain DatabaseUnavailable says more" in done.err
