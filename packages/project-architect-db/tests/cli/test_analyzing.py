"""The command that answers with figures."""

from __future__ import annotations

import csv
import importlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from project_architect_db.cli.analyzing import METHODS
from project_architect_db.repositories import AnalyticsRepository

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(14)]

Call: TypeAlias = "Callable[..., Any]"
# They come without types.
ipc: Any = importlib.import_module("pyarrow.ipc")
parquet: Any = importlib.import_module("pyarrow.parquet")


@pytest.fixture
def filled(on: Call, shop: Path) -> Call:
    """Return what runs the command on a database with a project."""
    assert on("import", "git", str(shop), "--owner", "ana", "--quiet").code == 0
    return on


def test_every_analysis_is_a_method() -> None:
    assert all(hasattr(AnalyticsRepository, method) for method in METHODS.values())


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_person_reads_tables(filled: Call, method: str) -> None:
    done = filled("analyze", method)

    assert (done.code, done.err) == (0, "")
    assert "days of UTC" in done.out
    assert max(map(len, done.out.splitlines())) <= 160


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_program_gets_json(filled: Call, method: str) -> None:
    found = json.loads(filled("analyze", method, "--json", "--show-sql").out)

    assert found["schema_version"] == 1
    assert found["analysis"]["timezone"] == "UTC"
    assert found["sql"][0]["sql"].lstrip("(").startswith(("SELECT", "WITH"))


@pytest.mark.slow
def test_the_dashboard_is_what_one_gets_without_asking(filled: Call) -> None:
    assert filled("analyze").out == filled("analyze", "dashboard").out


def test_a_metric_alone_means_a_series(filled: Call) -> None:
    done = filled("analyze", "--metric", "messages", "--granularity", "year")

    assert "messages by year: 1\n" in done.out


def test_a_series_is_compared_with_what_was_as_long_before(filled: Call) -> None:
    open_end = json.loads(filled("analyze", "--compare", "--json").out)["analysis"]
    given = ("--since", "2026-01-01", "--until", "2026-01-04", "--metric", "documents")
    fixed = json.loads(filled("analyze", "--compare", *given, "--json").out)["analysis"]

    assert (len(open_end["points"]), open_end["total"]) == (30, 1)
    assert len(fixed["points"]) == 3


def test_figures_leave_as_files(filled: Call) -> None:
    table = csv.DictReader(io.StringIO(filled("analyze", "projects", "--format", "csv").out))
    rows = [row for row in table if row["part"] == "total_projects"]
    for form in ("parquet", "arrow"):
        done = filled("analyze", "projects", "--format", form, "--output", f"out.{form}")
        assert done.code == 0, done.err
    columns = parquet.read_table("out.parquet").to_pylist()
    arrows = ipc.open_stream(Path("out.arrow").read_bytes()).read_all().to_pylist()

    assert rows[0]["value"] == "1.0"
    assert columns == arrows
    assert {"part": "total_projects", "value": 1.0}.items() <= columns[4].items()


def test_a_viewer_gets_figures_of_what_they_see(filled: Call) -> None:
    def total(viewer: str) -> int:
        found = filled("analyze", "projects", "--json", "--viewer", viewer).out
        return int(json.loads(found)["analysis"]["total_projects"])

    assert (total("ana"), total("ben")) == (1, 0)


def test_the_sql_is_told_beside_the_figures(filled: Call) -> None:
    done = filled("analyze", "projects", "--format", "csv", "--show-sql")

    assert done.out.startswith("part,key,measure,value,text\n")
    assert "SELECT" in done.err
    assert done.err.startswith("-- {")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["projects", "--metric", "words"], "--metric is for series, not for projects"),
        (["flow", "--compare"], "--compare is for series, not for flow"),
        (["--since", "3d"], "dashboard is about now: --since and --until are for the others"),
        (["attention", "--until", "3d"], "attention is about now"),
        (["--metric", "nope"], "metric 'nope': known are projects_created, "),
        (["series", "--granularity", "eon"], "granularity 'eon': known are hour, day"),
        (["--compare", "--granularity", "eon"], "granularity 'eon': known are hour, day"),
        (["projects", "--timezone", "Mars"], "timezone 'Mars': there is no time zone of that name"),
        (["projects", "--since", "2026-02-01", "--until", "2026-01-01"], "its end has to be after"),
        (["projects", "--output", "x.csv"], "a table is for people: pass --format"),
        (["everything"], "'everything' is not one of 'dashboard', 'attention'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_question_is_refused_with_what_there_is(
    on: Call, arguments: list[str], said: str
) -> None:
    done = on("analyze", *arguments)

    assert done.code == 2
    assert said in done.said
