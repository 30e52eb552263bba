"""Results leave as JSON, CSV, Arrow and Parquet, and show the SQL they are from."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet
from sqlalchemy import column, literal, select
from sqlalchemy.dialects import postgresql

from andamios_orm.exceptions import MissingExtra
from project_architect_db.schemas.analytics import (
    AnalyticsResult,
    Attention,
    DurationStatistics,
    NamedCount,
    PhaseFlow,
    TimePoint,
    TimeSeriesData,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HEAD: dict[str, Any] = {"timezone": "UTC", "start": None, "end": MOMENT, "as_of": MOMENT}


class Result(AnalyticsResult):
    """One of each form that a field can have."""

    total: int
    share: float | None
    is_good: bool
    day: dt.date
    by_status: dict[str, int]
    hours: list[int]
    names: list[NamedCount]
    phases: list[PhaseFlow]
    inner: NamedCount


def result() -> Result:
    stays = DurationStatistics(count=1, mean=2.5, median=2.5, p90=2.5)
    return Result(
        **HEAD,
        total=3,
        share=None,
        is_good=True,
        day=dt.date(2026, 1, 2),
        by_status={"draft": 1, "active": 2},
        hours=[0, 7],
        names=[NamedCount(name="a, b", count=1)],
        phases=[PhaseFlow(phase="idea", stays=stays, waiting=1, waiting_seconds=2.0, overdue=0)],
        inner=NamedCount(name="c", count=9),
    )


def series() -> TimeSeriesData:
    point = TimePoint(
        start=MOMENT,
        value=3,
        running_total=3,
        moving_average=3.0,
        previous=None,
        change=None,
        change_ratio=None,
    )
    return TimeSeriesData(
        **HEAD,
        metric="messages",
        granularity="day",
        points=[point],
        total=3,
        previous_total=None,
        change=None,
        change_ratio=None,
    )


def test_the_long_form_has_a_row_for_each_figure() -> None:
    rows = [tuple(row.values()) for row in result().rows()]

    assert rows == [
        ("timezone", "", "value", None, "UTC"),
        ("start", "", "value", None, None),
        ("end", "", "value", None, "2026-01-01T00:00:00+00:00"),
        ("as_of", "", "value", None, "2026-01-01T00:00:00+00:00"),
        ("total", "", "value", 3.0, None),
        ("share", "", "value", None, None),
        ("is_good", "", "value", None, "true"),
        ("day", "", "value", None, "2026-01-02"),
        ("by_status", "draft", "value", 1.0, None),
        ("by_status", "active", "value", 2.0, None),
        ("hours", "0", "value", 0.0, None),
        ("hours", "1", "value", 7.0, None),
        ("names", "a, b", "name", None, "a, b"),
        ("names", "a, b", "count", 1.0, None),
        ("phases", "idea", "phase", None, "idea"),
        ("phases.stays.count", "idea", "value", 1.0, None),
        ("phases.stays.mean", "idea", "value", 2.5, None),
        ("phases.stays.median", "idea", "value", 2.5, None),
        ("phases.stays.p90", "idea", "value", 2.5, None),
        ("phases", "idea", "waiting", 1.0, None),
        ("phases", "idea", "waiting_seconds", 2.0, None),
        ("phases", "idea", "overdue", 0.0, None),
        ("inner.name", "", "value", None, "c"),
        ("inner.count", "", "value", 9.0, None),
    ]


def test_entries_in_entries_have_both_keys() -> None:
    found = Attention.model_validate(
        {
            **HEAD,
            "total": 1,
            "items": [
                {
                    "project_id": 7,
                    "name": "A",
                    "status": "draft",
                    "since": MOMENT,
                    "reasons": [
                        {"code": "old_draft", "text": "it is old", "count": 1, "since": MOMENT}
                    ],
                }
            ],
        }
    )

    keys = [(row["part"], row["key"], row["measure"]) for row in found.rows()]

    assert ("items", "7", "name") in keys
    assert ("items.reasons", "7/old_draft", "text") in keys


def test_json_is_the_result_by_its_fields() -> None:
    document = json.loads(result().to_json())

    assert document["by_status"] == {"draft": 1, "active": 2}
    assert document["end"] == "2026-01-01T00:00:00Z"
    assert Result.model_validate(document) == result()


def test_csv_has_names_and_leaves_null_empty() -> None:
    read = list(csv.DictReader(io.StringIO(result().to_csv())))

    assert list(read[0]) == ["part", "key", "measure", "value", "text"]
    assert read[4] == {"part": "total", "key": "", "measure": "value", "value": "3.0", "text": ""}
    assert read[12]["key"] == "a, b"


def test_a_series_has_a_row_for_each_point() -> None:
    assert series().to_csv().splitlines() == [
        "start,value,running_total,moving_average,previous,change,change_ratio",
        "2026-01-01T00:00:00+00:00,3,3,3.0,,,",
    ]
    assert series().to_arrow().to_pylist() == series().rows()


def test_arrow_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    table = result().to_arrow()

    result().to_parquet(tmp_path / "result.parquet")

    assert table.to_pylist() == result().rows()
    assert [str(field.type) for field in table.schema] == ["string"] * 3 + ["double", "string"]
    read: Any = parquet.read_table
    assert read(tmp_path / "result.parquet").equals(table)


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtra, match=r"pip install 'project-architect-db\[arrow\]'"):
        result().to_arrow()


def test_sql_is_shown_with_its_parameters_beside_it() -> None:
    found = result()
    statement: Any = select(column("a")).where(
        column("b").in_(["x; DROP"]), literal(7) == column("c")
    )
    found.asked([statement], postgresql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy has none

    (shown,) = found.sql

    assert "DROP" not in shown.sql
    assert "WHERE b IN (%(b_1_1)s" in shown.sql
    assert set(shown.parameters.values()) == {"x; DROP", 7}
    assert found == result()
