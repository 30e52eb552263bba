"""What is said of which figures."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url

from andamios_orm.core import SlowStatement
from andamios_orm.maintenance import (
    Analysis,
    ColumnSkew,
    IndexAnalysis,
    MissingIndex,
    RowGroups,
    TableAnalysis,
)
from andamios_orm.maintenance.advice import advice_on, in_sql, readable

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

pytestmark = pytest.mark.unit

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
ITEM = TableAnalysis("main", "item", 100_000, 2**20, 0)
ORDER = TableAnalysis("public", "order", 100_000, 2**20, 0, last_analyzed=NOW)
INDEX = IndexAnalysis("public", "order", "ix_paid", ("paid",), False, size=2**20)  # noqa: FBT003 - not unique
FILE = Analysis("duckdb", "shop.duckdb", (ITEM,), log_size=0, log_limit=2**24)
SERVER = Analysis("postgresql", "shop", (ORDER,), log_size=2**24, log_limit=2**30)


def dialect_of(system: str) -> Dialect:
    found: Any
    if system == "duckdb":
        found = make_url("duckdb://").get_dialect()()
        found.default_schema_name = "main"
    else:
        found = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
        found.default_schema_name = "public"
    dialect: Dialect = found
    return dialect


def advice(analysis: Analysis, **table: Any) -> list[str]:
    """Return what is said, of its only table with other figures."""
    tables = tuple(replace(each, **table) for each in analysis.tables)
    return list(advice_on(replace(analysis, tables=tables), dialect_of(analysis.system)))


@pytest.mark.parametrize("analysis", [FILE, SERVER], ids=["duckdb", "postgresql"])
def test_of_a_database_that_is_well_nothing_is_said(analysis: Analysis) -> None:
    assert advice(analysis) == []


def test_a_long_log_is_told_with_its_cause() -> None:
    long: dict[str, Any] = {"log_size": 80 * 2**20, "log_limit": 2**24}

    [file] = advice(replace(FILE, **long))
    [server] = advice(replace(SERVER, **long))

    assert file.startswith("80 MiB wait in shop.duckdb.wal, which is written back at 16 MiB unless")
    assert server.startswith("the log of the server has 80 MiB, and max_wal_size is 16 MiB: look")


@pytest.mark.parametrize(
    "log",
    [
        {"log_size": 2**24, "log_limit": 2**24},
        {"log_size": 2**24, "log_limit": 0},
        {"log_size": 2**24, "log_limit": None},
        {"log_size": None},
    ],
    ids=["short", "no limit", "cannot be written", "not told"],
)
def test_of_another_log_nothing_is_said(log: dict[str, Any]) -> None:
    assert advice(replace(FILE, **log)) == []


def test_free_blocks_are_told_if_they_are_many() -> None:
    blocks: dict[str, Any] = {"block_size": 2**18, "blocks": 100}

    assert advice(replace(FILE, **blocks, free_blocks=37)) == [
        "shop.duckdb has 37% free blocks, 9.2 MiB: andamios-orm vacuum writes it anew"
    ]
    assert advice(replace(FILE, **blocks, free_blocks=20)) == []
    assert advice(replace(FILE, block_size=2**18, blocks=20, free_blocks=15)) == []


@pytest.mark.parametrize(
    ("analysis", "said"),
    [
        (
            FILE,
            (
                "item stores 30,000 deleted rows, 23% of all, which every scan reads: "
                "andamios-orm vacuum writes it anew"
            ),
        ),
        (
            SERVER,
            (
                'public."order" has 30,000 dead rows, 23% of all, which every scan reads: '
                'VACUUM (ANALYZE) public."order"'
            ),
        ),
    ],
    ids=["duckdb", "postgresql"],
)
def test_deleted_rows_are_told_if_they_are_many(analysis: Analysis, said: str) -> None:
    assert advice(analysis, deleted_rows=30_000) == [said.replace("public.", "")]
    assert advice(analysis, deleted_rows=20_000) == []
    assert advice(analysis, rows=10, deleted_rows=9_000) == []
    assert advice(analysis, deleted_rows=None) == []


def test_a_table_in_memory_is_not_to_be_written_anew() -> None:
    groups = RowGroups(20, 1_000_000, 10, 122_880, 10)

    assert advice(FILE, size=None, deleted_rows=30_000, row_groups=groups) == []


def test_statistics_that_are_missing_or_old_are_told() -> None:
    assert advice(SERVER, last_analyzed=None) == [
        '"order" has 100,000 rows and no statistics, so plans for it are guesses: ANALYZE "order"'
    ]
    assert advice(SERVER, last_analyzed=None, rows=999) == []
    assert advice(SERVER, changed_rows=60_000) == [
        (
            '60,000 rows of "order" have changed since its statistics were made, of 100,000: '
            'ANALYZE "order"'
        )
    ]
    assert advice(SERVER, changed_rows=40_000) == []
    assert advice(SERVER, changed_rows=9_000, rows=9_000) == []


def test_a_missing_index_is_told_with_what_makes_it() -> None:
    made = MissingIndex(
        "main", "item", ("box",), "it refers to box", "CREATE INDEX i ON item (box)"
    )
    on_server = MissingIndex("public", "order", ("a", "b"), "it refers to x", "CREATE INDEX ON o")
    whole = MissingIndex("sales", "order", (), "it was read whole 500 times", None)

    assert advice(replace(FILE, missing_indexes=(made,))) == [
        (
            "item lacks an index over box: it refers to box: index=True in its model, or "
            "CREATE INDEX i ON item (box)"
        )
    ]
    assert advice(replace(SERVER, missing_indexes=(on_server, whole))) == [
        '"order" lacks an index over a, b: it refers to x: CREATE INDEX ON o',
        (
            'sales."order" lacks an index: it was read whole 500 times: EXPLAIN the statements '
            "that read it, and index the columns of their conditions"
        ),
    ]


def test_the_slowest_statement_is_told() -> None:
    slow = (SlowStatement(f"SELECT {'x' * 200}", 3, 6.04, 3.0), SlowStatement("SELECT 1", 1, 1, 1))
    on_server = (
        SlowStatement("SELECT 1", 1_000, 900.0, 2.0),
        SlowStatement("vacuum", 1, 8.0, 8.0),
        SlowStatement("with a as (select 1) select 2", 1, 2.0, 2.0),
        SlowStatement("SELECT 3", 1, 1.5, 1.5),
    )

    assert advice(replace(FILE, slow_statements=slow)) == [
        (
            f"`SELECT {'x' * 113}…` ran 3 times, for 6.0 s in all, in this process: "
            "explain_slow=True logs its plan"
        )
    ]
    assert advice(replace(SERVER, server_statements=on_server)) == [
        (
            "`with a as (select 1) select 2` ran once, for 2.0 s in all, on the server: "
            "EXPLAIN shows its plan"
        )
    ]
    assert advice(replace(SERVER, server_statements=on_server[:2])) == []


def test_an_index_without_use_is_told_the_largest_first() -> None:
    of_item = replace(INDEX, schema="main", table="item", size=None)
    never = replace(of_item, fault="never chosen", reason="it has two columns")
    redundant = replace(of_item, name="ix", fault="redundant", reason="its primary key is the same")
    unused = replace(INDEX, fault="unused", reason="no read used it")
    unknown = replace(INDEX, schema="sales", name="ix", size=None, fault="invalid", reason="broken")

    assert advice(FILE, indexes=(never, of_item, redundant)) == [
        (
            "ix_paid on item is never chosen: it has two columns; every write pays for it: "
            "DROP INDEX ix_paid (in its model: duckdb_index=False)"
        ),
        (
            "ix on item is redundant: its primary key is the same; every write pays for it: "
            "DROP INDEX ix"
        ),
    ]
    assert advice(SERVER, indexes=(unknown, unused)) == [
        'ix_paid on "order", 1.0 MiB, is unused: no read used it: DROP INDEX CONCURRENTLY ix_paid',
        'ix on sales."order" is invalid: broken: DROP INDEX CONCURRENTLY sales.ix',
    ]


def test_row_groups_are_told_if_half_of_them_are_half_empty() -> None:
    groups = RowGroups(20, 1_000_000, 10, 122_880, 10)

    assert advice(FILE, row_groups=groups) == [
        (
            "10 of 20 row groups of item are less than half full: andamios-orm vacuum fills them, "
            "and fewer and larger inserts keep them so"
        )
    ]
    assert advice(FILE, row_groups=replace(groups, half_empty=9)) == []
    assert advice(FILE, row_groups=replace(groups, count=9, half_empty=8)) == []


def test_an_index_over_what_is_mostly_one_value_can_be_a_smaller_one() -> None:
    rest = (
        'CREATE INDEX CONCURRENTLY ON "order" (paid) WHERE paid {}; DROP INDEX CONCURRENTLY ix_paid'
    )
    of = 'of the rows of "order" have {} in paid, and ix_paid, 1.0 MiB, has them all: one without '
    than = "them is smaller: "

    def said(skew: ColumnSkew, **index: Any) -> list[str]:
        return advice(SERVER, skew=(skew,), indexes=(replace(INDEX, **index),))

    empty = ColumnSkew("paid", 0.95, is_null=True)
    common = ColumnSkew("paid", 0.9, is_null=False)
    assert said(empty) == ["95% " + of.format("NULL") + than + rest.format("IS NOT NULL")]
    assert said(common) == ["90% " + of.format("one value") + than + rest.format("<> (that one)")]
    assert said(replace(empty, share=0.8)) == []
    assert said(replace(empty, column="state")) == []
    assert said(empty, size=2**19) == []
    assert said(empty, size=None) == []
    assert said(empty, unique=True) == []
    assert said(empty, partial=True) == []
    assert len(said(empty, fault="unused")) == 1


def test_a_name_has_its_schema_unless_that_is_the_default_one() -> None:
    dialect = dialect_of("postgresql")

    assert in_sql(dialect, "public", "item") == "item"
    assert in_sql(dialect, "Sales", 'a"b') == '"Sales"."a""b"'


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (2**50, "1,024 TiB")],
)
def test_sizes_are_told_in_units(size: int, text: str) -> None:
    assert readable(size) == text
