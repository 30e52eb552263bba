"""Holes in the isolation are listed, and closed by what the command prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.usefixtures("logins_alone")]

Call: TypeAlias = "Callable[..., Any]"


def test_a_database_without_holes_is_said_to_have_none(on_shared: Call) -> None:
    done = on_shared("check-isolation")

    assert (done.code, done.out, done.err) == (0, "no hole found\n", "")


@pytest.mark.slow
def test_a_hole_is_listed_with_the_statement_that_closes_it(on: Call, schema_url: str) -> None:
    with psycopg.connect(schema_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("ALTER TABLE topics NO FORCE ROW LEVEL SECURITY")
        found = on("check-isolation")
        rows = json.loads(on("check-isolation", "--json").out)["holes"]
        closing = on("check-isolation", "--sql")
        connection.execute(closing.out)
        closed = on("check-isolation", "--sql")

    assert found.code == closing.code == 1
    assert "public.topics" in found.out
    assert found.err == "1 hole\n"
    assert [row["statement"] for row in rows] == [closing.out.removesuffix("\n")]
    assert (closed.code, closed.out) == (0, "")


def test_sql_and_json_exclude_each_other(on_shared: Call) -> None:
    done = on_shared("check-isolation", "--sql", "--json")

    assert done.code == 2
    assert "--json has the same statements" in done.said
