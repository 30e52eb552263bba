"""Projects are made up, and removed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from project_architect_db.seeding import planned_rows

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(4)]

Call: TypeAlias = "Callable[..., Any]"


def counts(call: Call) -> dict[str, int]:
    """Return how many rows of each entity there are."""
    found: dict[str, int] = json.loads(call("status", "--json").out)["status"][0]["counts"]
    return found


def test_projects_are_made_up_and_removed(on: Call) -> None:
    made = on("seed", "--projects", "2_0", "--seed", "3")
    there = counts(on)
    removed = on("seed", "--remove", "--yes")

    assert (made.code, removed.code) == (0, 0)
    assert there["projects"] == 20
    assert "20 projects\n" in made.out
    assert f"{there['documents']:,} documents\n" in made.out
    assert removed.out == "20 sample projects removed\n"
    assert set(counts(on).values()) == {0}


def test_a_dry_run_says_what_would_be_and_makes_nothing(call: Call) -> None:
    done = call("seed", "--dry-run", "--json")

    found = {row["table"]: row["rows"] for row in json.loads(done.out)["seeded"]}
    assert done.err == "nothing was made: this is what would be\n"
    assert found == planned_rows(1_000)
    assert list(Path().iterdir()) == []


@pytest.mark.slow
def test_one_project_is_one(on: Call) -> None:
    on("seed", "--projects", "1")

    assert on("seed", "--remove", "--yes").out == "1 sample project removed\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--projects", "many"), "'many' is no whole number"),
        (("--projects", "-3"), "'-3' is no whole number"),
        (("--projects", "0"), "a portfolio has 1 to 10,000,000 projects"),
        (("--remove", "--dry-run"), "--remove and --dry-run do not go together"),
        (("--remove",), "to do that without being asked, pass --yes"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Call, arguments: tuple[str, ...], said: str) -> None:
    done = call("seed", *arguments)

    assert done.code == 2
    assert said in done.said
    assert list(Path().iterdir()) == []
