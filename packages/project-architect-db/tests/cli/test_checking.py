"""What the doctor looks at beside the database itself."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from project_architect_db.cli import checking
from project_architect_db.exceptions import SearchUnavailable
from project_architect_db.repositories import SearchRepository

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(4)]

Call: TypeAlias = "Callable[..., Any]"


def found(on: Call) -> dict[str, Any]:
    """Return what the doctor says, by what it looked at."""
    rows = json.loads(on("doctor", "--json").out)["findings"]
    return {row["check"]: row for row in rows}


def test_all_is_well_where_everything_is_installed(on: Call) -> None:
    rows = found(on)

    assert {row["state"] for row in rows.values()} == {"ok"}
    assert "project-architect-db 0." in rows["versions"]["found"]
    assert rows["extra search"]["found"].startswith("tantivy ")
    assert rows["git"]["found"].startswith("git version ")


def test_what_is_missing_is_said_with_what_to_install(
    on: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setitem(checking._EXTRAS, "search", ("no-such-package", "search"))

    rows = found(on)

    assert rows["extra search"]["remedy"] == 'pip install "project-architect-db[search]"'
    assert (rows["git"]["state"], rows["git"]["found"]) == ("warn", "it is not on the PATH")


@pytest.mark.slow
def test_a_database_that_is_not_there_is_not_made(call: Call) -> None:
    rows = found(call)

    assert rows["migrations"]["remedy"] == "project-architect-db migrate"
    assert call().out.startswith("database       duckdb:///project_architect.duckdb: is not there")


@pytest.mark.slow
def test_a_search_that_does_not_work_is_said(on: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: SearchRepository) -> None:
        raise SearchUnavailable(None, "its folder cannot be written")

    monkeypatch.setattr(SearchRepository, "status", fail)

    row = found(on)["search"]

    assert row["state"] == "warn"
    assert "its folder cannot be written" in row["found"]
