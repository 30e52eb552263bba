"""The portfolio at a glance: in the terminal, as JSON, as a page."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(8)]

Call: TypeAlias = "Callable[..., Any]"
FILL = """
session.add_all([
    Project(name="Shop", owner="ana", status="active", project_idea="sells things"),
    Project(name="Made up", owner="ben", is_sample=True, project_idea="sells nothing"),
])
await session.commit()
"""


@pytest.fixture
def filled(on: Call) -> Call:
    """Return what runs the command on a database with a project and a sample."""
    assert on("shell", "-c", FILL).code == 0
    return on


def test_the_report_is_printed(filled: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")

    done = filled("report")

    assert (done.code, done.err) == (0, "")
    assert "1 of 2 projects are sample data" in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    assert any("Made up" in line and "sample" in line for line in done.out.splitlines())


@pytest.mark.slow
def test_the_report_as_json_has_every_figure(filled: Call) -> None:
    done = filled("report", "--json")

    found = json.loads(done.out)["report"][0]
    assert found["projects"]["total_projects"] == 2
    assert [each["name"] for each in found["lines"]] == ["Shop", "Made up"]
    assert found["sample_ids"] == [2]


def test_sample_data_and_what_others_own_are_left_out_when_asked(filled: Call) -> None:
    real = json.loads(filled("report", "--json", "--no-sample").out)["report"][0]
    bens = json.loads(filled("report", "--json", "--viewer", "ben").out)["report"][0]

    assert [each["name"] for each in real["lines"]] == ["Shop"]
    assert [each["name"] for each in bens["lines"]] == ["Made up"]


def test_a_period_and_a_time_zone_can_be_chosen(filled: Call) -> None:
    done = filled(
        *("report", "--json", "--timezone", "Asia/Tokyo"),
        *("--since", "2026-01-01", "--until", "2026-02-01"),
    )

    found = json.loads(done.out)["report"][0]
    assert found["timezone"] == "Asia/Tokyo"
    assert found["period"] == {"start": "2026-01-01", "end": "2026-02-01", "is_recent": False}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--timezone", "Nowhere"),
        ("--since", "yesterday"),
        ("--since=2026-02-01", "--until=2026-01-01"),
    ],
)
def test_what_there_is_not_is_called_wrongly(filled: Call, arguments: tuple[str, ...]) -> None:
    assert filled("report", *arguments).code == 2


def test_a_page_is_written_and_named(filled: Call) -> None:
    first = filled("report", "--html", "report.html")
    second = filled("report", "--html", "report.html", "--json")

    text = Path("report.html").read_text(encoding="utf-8")
    assert (first.code, first.out, first.err) == (0, "report.html\n", "")
    assert json.loads(second.out)["report"] == [{"file": "report.html"}]
    assert text.startswith("<!doctype html>")
    assert "Made up" in text
    assert [path.name for path in Path().iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("notes.html", "notes.html is there, and is no report"),
        ("folder", "folder is a folder"),
        ("nowhere/report.html", "there is no folder nowhere"),
    ],
)
def test_a_page_takes_the_place_of_no_other_file(call: Call, path: str, said: str) -> None:
    Path("notes.html").write_text("mine")
    Path("folder").mkdir()

    done = call("report", "--html", path)

    assert done.code == 2
    assert said in done.said
    assert Path("notes.html").read_text() == "mine"
    assert not Path("project_architect.duckdb").exists()


@pytest.mark.slow
def test_a_terminal_has_colours_unless_it_shall_not(
    call: Call, stamped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("project_architect.duckdb").write_bytes(stamped.read_bytes())
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)

    coloured = call("report")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = call("report")

    assert "\x1b[" in coloured.out
    assert "\x1b[" not in plain.out


def test_an_output_that_has_few_letters_gets_those(
    filled: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))

    done = filled("report")

    sys.stdout.flush()
    assert done.code == 0
    assert written.getvalue().isascii()
    assert b"# active 1" in written.getvalue()


def test_the_state_says_that_there_is_a_report(filled: Call) -> None:
    assert filled().out.endswith("next: project-architect-db report\n")
