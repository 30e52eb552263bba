"""The command that looks a database over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pytest
import rich_click as click

from andamios_orm.cli.analyzing import lines
from andamios_orm.core import SlowStatement
from andamios_orm.maintenance import Analysis, IndexAnalysis, TableAnalysis

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.db,
    pytest.mark.sampled(2),
    pytest.mark.usefixtures("project"),
]


Call: TypeAlias = "Callable[..., Any]"


def test_a_database_without_a_table_has_nothing_to_do(call: Call, url: str) -> None:
    done = call("analyze", "--url", url)

    heading, *rest = done.out.splitlines()
    assert done.code == 0
    assert heading.endswith(", 0 tables")
    assert rest[:3] == ["", "Advice", "- There is nothing to do."]
    assert rest[4] == "Not looked at"


@pytest.mark.slow
def test_tables_and_indexes_are_shown_with_advice(call: Call) -> None:
    with duckdb.connect("shop.duckdb") as raw:
        raw.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, box INTEGER)")
        raw.execute("CREATE INDEX ix_two ON item (box, id)")
        raw.execute("CREATE INDEX ix_box ON item (box)")
        raw.execute("INSERT INTO item SELECT range, hash(range) % 90000 FROM range(1000)")

    done = call("analyze", "--url", "duckdb:///shop.duckdb")

    _, _, *lines = done.out.splitlines()
    assert lines[:6] == [
        "TABLE       ROWS     SIZE  ROW GROUPS  DELETED",
        "main.item  1,000  256 KiB           1       0%",
        "",
        "INDEX   ON              VERDICT",
        "ix_two  item (box, id)  never chosen",
        "ix_box  item (box)      ok",
    ]
    assert lines[7:9] == [
        "Advice",
        "- ix_two on item is never chosen: DuckDB takes one only for a condition on a",
    ]
    assert all(len(line) <= 80 for line in lines)


def test_a_name_is_no_command_to_the_terminal(call: Call) -> None:
    with duckdb.connect("shop.duckdb") as raw:
        raw.execute('CREATE TABLE "box\x1b]0;owned\x07" (id INTEGER)')

    done = call("analyze", "--url", "duckdb:///shop.duckdb")

    assert "main.box ]0;owned" in done.out
    assert not {"\x1b", "\x07"} & set(done.out)


def test_a_server_tells_more(call: Call, postgres_url: str) -> None:
    done = call("analyze", "--url", postgres_url)

    assert " (postgresql): " in done.out
    assert "of log, 0 tables" in done.out
    assert "pg_stat_statements is not installed" in " ".join(done.out.split())


def test_programs_get_all_of_it(call: Call, project: str, url: str) -> None:
    done = call("analyze", "--url", url, "--models", project, "--json")

    found = json.loads(done.out)
    [analysis] = found["analysis"]
    assert found["schema_version"] == 1
    assert (analysis["tables"], analysis["advice"], analysis["free_share"]) == ([], [], 0.0)
    assert not [note for note in analysis["notes"] if "--models" in note]


def show(found: Analysis) -> list[str]:
    return list(map(click.unstyle, lines(found)))


def test_of_many_tables_the_largest_are_shown() -> None:
    tables = tuple(TableAnalysis("main", f"t{number}", number, None, None) for number in range(30))

    shown = show(Analysis("duckdb", ":memory:", tables))

    assert shown[:4] == [
        ":memory: (duckdb): 30 tables",
        "",
        "TABLE     ROWS  SIZE  ROW GROUPS  DELETED",
        "main.t29    29     -           -        -",
    ]
    assert shown[23] == "and 10 more: --json has all"


def test_slow_statements_are_shown() -> None:
    slow: Any = (SlowStatement("SELECT " + "word " * 30, 1_000, 12.345, 1.0),)

    shown = show(Analysis("postgresql", "shop", (), slow_statements=slow, server_statements=slow))

    assert shown[2].split() == ["SLOW", "IN", "THIS", "PROCESS", "RUNS", "SECONDS", "LONGEST"]
    assert shown[3].startswith("SELECT word")
    assert shown[3].endswith("…  1,000    12.35     1.00")
    assert shown[5].startswith("SLOWEST ON THE SERVER")


def test_tables_and_indexes_of_a_server_are_shown_with_their_scans() -> None:
    index = IndexAnalysis("public", "item", "item_pkey", ("id",), unique=True, size=2**14, scans=7)
    table = TableAnalysis(
        "public",
        "item",
        1_000,
        2**20,
        1_000,
        (index,),
        index_size=2**14,
        sequential_scans=1_234,
        index_scans=7,
    )

    shown = show(Analysis("postgresql", "shop", (table,), size=2**23))

    assert shown[:7] == [
        "shop (postgresql): 8.0 MiB, 1 table",
        "",
        "TABLE         ROWS     SIZE  INDEXES  DEAD  SEQ SCANS  INDEX SCANS",
        "public.item  1,000  1.0 MiB   16 KiB   50%      1,234            7",
        "",
        "INDEX      ON           SIZE  SCANS  VERDICT",
        "item_pkey  item (id)  16 KiB      7  ok",
    ]
