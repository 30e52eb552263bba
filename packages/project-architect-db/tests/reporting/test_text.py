"""The report in a terminal."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, TypeAlias

import pytest
from rich.cells import cell_len

from andamios_orm.exceptions import MissingExtra
from project_architect_db.reporting import Portfolio, render_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

pytestmark = pytest.mark.unit

Made: TypeAlias = "Callable[..., Portfolio]"
TITLES = (
    *("Portfolio", "Projects", "The last 30 days", "Needs attention (1)"),
    *("Phases of conversations", "From the idea to completion", "Health of repositories"),
    "Last activity",
)


def titles(text: str) -> list[str]:
    """Return the titles of sections, wherever they stand."""
    lines = re.split(r"\n| {3,}", text)
    return [line.strip() for line in lines if line.strip() in TITLES]


@pytest.mark.parametrize("width", [10, 60, 64, 80, 100, 109, 110, 150, 400])
def test_no_line_is_wider_than_the_terminal(made: Made, width: int) -> None:
    found = made()
    found.lines[0].name = found.events[0].project = "漢字 " * 80
    found.healthiest[0].name = found.attention.items[0].name = "x" * 255

    lines = render_text(found, width=width).splitlines()

    assert max(map(cell_len, lines)) <= max(width, 60)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_everything_is_there_at_any_width(made: Made, width: int) -> None:
    text = render_text(made(), width=width)

    assert sorted(titles(text)) == sorted(TITLES)
    for part in ("Harbour", "harbour-api", "92", "▲ 50 %", "◄ slow", "40 d", "1,234", "5.0 h ago"):
        assert part in text
    assert "nothing has happened for 30 days" in text
    assert "half of those completed took 40 d or less, nine of ten 90 d" in " ".join(text.split())


def test_nothing_is_told_by_colour_alone(made: Made) -> None:
    plain = render_text(made())
    coloured = render_text(made(), color=True)

    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    without = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert [line.rstrip() for line in without.splitlines()] == plain.splitlines()


def test_statuses_differ_in_their_letters(made: Made) -> None:
    found = made()
    found.projects.project_by_status = {"draft": 1, "active": 90, "completed": 1, "archived": 8}

    bar = next(line for line in render_text(found).splitlines() if "██" in line)

    assert bar.strip() == "░" + "█" * 68 + "▓" + "▒" * 6
    assert "░ draft 1   █ active 90   ▓ completed 1   ▒ archived 8" in render_text(found)


def test_sample_data_are_marked_wherever_a_project_is_named(made: Made) -> None:
    lines = render_text(made(), width=100).splitlines()

    named = [line for line in lines if "Made up" in line or "made-up-web" in line]
    assert len(named) == 4
    assert all("sample" in line for line in named)
    real = [line for line in lines if "arbour" in line]
    assert real
    assert not any("sample" in line for line in real)


def test_what_a_terminal_would_obey_is_not_sent(made: Made) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J[bold]:smile:\x9b31m"
    found = made(viewer=hostile)
    found.lines[0].name = found.events[0].subject = found.attention.items[0].name = hostile
    found.flow.phases[0].phase = found.flow.bottlenecks[0].phase = hostile

    text = render_text(found, width=120)

    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text) == []
    assert "[bold]:smile:" in text


def test_other_letters_give_way_where_a_terminal_has_none(made: Made) -> None:
    found = made()
    found.lines[0].name = "Café"

    text = render_text(found, ascii_only=True)

    assert text.isascii()
    assert "^ 50 %" in text
    assert "Caf?" in text
    assert len(text.splitlines()) == len(render_text(found).splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_what_has_nothing_to_show_is_left_out(
    made: Made, parts: SimpleNamespace, width: int
) -> None:
    found = made(
        changes=[parts.change("commits", 0, 0)],
        attention=parts.attention(0),
        healthiest=[],
        weakest=[],
        events=[],
        sample_projects=0,
    )
    found.flow.total_conversations = 0
    found.projects.finished_projects = 0

    text = render_text(found, width=width)

    assert "Nothing happened." in text
    assert "Nothing does." in text
    for title in ("Phases of", "Health of", "Last activity", "half of", "sample data"):
        assert title not in text


def test_what_is_not_shown_is_counted(made: Made, parts: SimpleNamespace) -> None:
    found = made(attention=parts.attention(1_500))
    found.projects.total_projects = 1_002
    found.health.unscored_repositories = 7
    found.weakest = []
    found.flow.bottlenecks = []

    text = render_text(found)

    assert "and 1,000 more" in text
    assert "and 1,495 more" in text
    assert "unknown 7" in text
    assert "Weakest" not in text
    assert "slow" not in text


def test_an_empty_portfolio_says_what_to_do(empty: Portfolio) -> None:
    text = render_text(empty)

    assert text.splitlines()[1].split() == [
        "Portfolio",
        "1",
        "Jul",
        "2026,",
        "12:30",
        "Europe/Madrid",
    ]
    assert text.splitlines()[-2:] == [
        "  There is no project yet.",
        "    project-architect-db import git PATH",
    ]


def test_without_rich_it_says_what_to_install(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "project_architect_db.reporting.terminal", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)

    with pytest.raises(MissingExtra, match=r"project-architect-db\[cli\]"):
        render_text(made())
