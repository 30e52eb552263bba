"""The command that copies a database into another one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db]

Call: TypeAlias = "Callable[..., Any]"


@pytest.fixture
def shop(project: str) -> str:
    """Return the URL of a file with an author and a view."""
    with duckdb.connect("shop.duckdb") as raw:
        raw.execute("CREATE TABLE author (id INTEGER PRIMARY KEY)")
        raw.execute("INSERT INTO author VALUES (1), (2)")
        raw.execute("CREATE VIEW first AS SELECT min(id) FROM author")
    return "duckdb:///shop.duckdb"


@pytest.mark.slow
def test_a_copy_says_what_it_copied_and_what_it_left_out(
    call: Call, shop: str, postgres_url: str
) -> None:
    done = call("copy-to", postgres_url, "--url", shop)

    assert (done.code, done.err) == (0, "left out: view first\n")
    assert done.out == "2 rows of 1 table: compared, the same\n"


@pytest.mark.slow
def test_a_program_reads_what_a_copy_did(call: Call, shop: str, postgres_url: str) -> None:
    done = call("copy-to", postgres_url, "--url", shop, "--json", "--quiet")

    assert done.err == ""
    assert json.loads(done.out)["copied"] == [
        {"rows": {"author": 2}, "resumed": 0, "left_out": ["view first"]}
    ]


@pytest.mark.slow
def test_a_table_with_rows_is_not_filled(call: Call, shop: str, postgres_url: str) -> None:
    call("copy-to", postgres_url, "--url", shop)

    done = call("copy-to", postgres_url, "--url", shop)

    assert done.code == 2
    assert "author of the target has rows already" in done.err
