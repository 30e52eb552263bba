"""Organisations are made up by the command, and removed again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from axai_pg.seeding import planned_rows

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db]

Call: TypeAlias = "Callable[..., Any]"


@pytest.mark.slow
def test_organisations_are_made_up_once_and_removed(on: Call) -> None:
    made = on("seed", "--organizations", "2", "--documents", "10")
    again = on("seed", "--organizations", "2", "--documents", "10")
    one = on("seed", "--organizations", "1", "--documents", "10", "--seed", "8", "--json")
    asked = on("seed", "--remove")
    removed = on("seed", "--remove", "--yes")
    none = on("seed", "--remove")
    on("seed", "--organizations", "1", "--documents", "1")
    last = on("seed", "--remove", "--yes")

    assert made.code == 0, made.err
    assert " 2 organizations\n" in made.out
    assert "20 documents\n" in made.out
    assert again.err == "they were there already\n"
    assert {"table": "documents", "rows": 10} in json.loads(one.out)["seeded"]
    assert asked.code == 2
    assert "this removes 3 sample organisations (" in asked.said
    assert "(sample 7-1); " in asked.said
    assert "pass --yes" in asked.said
    assert (none.code, none.out) == (0, "0 sample organisations removed\n")
    assert removed.out == "3 sample organisations removed\n"
    assert last.out == "1 sample organisation removed\n"


def test_a_dry_run_says_what_would_be_and_needs_no_database(call: Call) -> None:
    done = call("seed", "--dry-run", "--json")

    found = {row["table"]: row["rows"] for row in json.loads(done.out)["seeded"]}
    assert found == planned_rows(3, 200)
    assert done.err == "nothing was made: this is what would be\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--documents", "many"), "'many' is not a valid integer"),
        (("--documents", "0"), "documents 0: there are 1 to 1,000,000 of them"),
        (("--organizations", "-1"), "organizations -1: there are 1 to 10,000 of them"),
        (("--seed", "-1"), "seed -1: it is from 0 to 2,147,483,647"),
        (("--remove", "--dry-run"), "--remove and --dry-run do not go together"),
        (("--dry-run", "--seed", "-1"), "seed -1: it is from 0 to 2,147,483,647"),
        (("--remove", "--seed", "7"), "--remove removes all samples: pass no numbers with it"),
        (("--remove", "--organizations", "3"), "--remove removes all samples"),
        (("--remove", "--documents", "0"), "--remove removes all samples"),
    ],
)
def test_what_makes_no_sense_is_refused(
    on_shared: Call, arguments: tuple[str, ...], said: str
) -> None:
    done = on_shared("seed", *arguments)

    assert done.code == 2
    assert said in done.said
