"""The page: complete in itself, safe, readable by everybody."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

import pytest

from project_architect_db.reporting import Portfolio, render_html

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

pytestmark = pytest.mark.unit

Made: TypeAlias = "Callable[..., Portfolio]"
STYLE = files("project_architect_db.reporting").joinpath("page.css").read_text(encoding="utf-8")
HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror='a()'>\"'&\u202e\x1b[31m"
VOID = {"meta", "br", "col"}


class Page(HTMLParser):
    """A page as a browser reads it: its elements, each with attributes and text."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without an end."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Note whether an element ends where it should."""
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(made: Made) -> Page:
    """Return the page of a portfolio."""
    return Page(render_html(made()))


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == page.unbalanced == []
    assert [name for name, _ in page.elements[:2]] == ["html", "head"]


def test_the_page_asks_for_nothing_from_anywhere(made: Made) -> None:
    text = render_html(made())
    page = Page(text)

    named = {name for name, _ in page.elements}
    asked = [
        (name, key)
        for name, attributes in page.elements
        for key in attributes
        if key in {"src", "href", "srcset", "data", "action", "background", "style", "xlink:href"}
        or key.startswith("on")
    ]
    assert named & {"script", "link", "img", "iframe", "object", "embed", "form", "base"} == set()
    assert asked == []
    assert re.findall(r"(?i)https?://|//\w|url\(|@import|@font-face|javascript:", text) == []
    policy = next(each for each in page.all("meta") if "http-equiv" in each)
    assert policy["content"] is not None
    assert policy["content"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "where", ["line", "event", "attention", "score", "phase", "viewer", "lang"]
)
def test_nothing_that_people_have_written_becomes_a_tag(
    made: Made, parts: SimpleNamespace, where: str
) -> None:
    harmless = Page(render_html(made(viewer="ana"))).elements
    found = made(viewer="ana")
    if where == "line":
        found.lines[0].name = HOSTILE
    elif where == "event":
        found.events[0].project = found.events[0].subject = HOSTILE
    elif where == "attention":
        found.attention.items[0].name = HOSTILE
    elif where == "score":
        found.healthiest[0].name = HOSTILE
    elif where == "phase":
        found.flow.phases[0].phase = found.flow.bottlenecks[0].phase = HOSTILE
    elif where == "viewer":
        found.viewer = HOSTILE
    else:
        found.health.languages[0].name = found.projects.top_frameworks[0].name = HOSTILE

    page = Page(render_html(found))

    shape = [name for name, _ in page.elements]
    if where == "phase":  # it is no longer the slowest one by that name
        assert set(shape) == {name for name, _ in harmless}
    else:
        assert shape == [name for name, _ in harmless]
    assert any("<script>alert(1)</script>" in text for text in page.text)
    assert not any(re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text) for text in page.text)


def test_sample_data_are_marked_wherever_a_project_is_named(made: Made) -> None:
    text = render_html(made())

    for name in ("Made up", "made-up-web"):
        places = re.findall(rf"<bdi>{name}</bdi>(.{{0,40}})", text)
        assert len(places) >= 1
        assert all(each.startswith('<span class="tag">sample</span>') for each in places)
    assert not re.search(r'<bdi>(Harbour|harbour-api)</bdi><span class="tag">', text)
    assert "1 of 2 projects are sample data" in text


def test_each_picture_has_a_name_or_figures_beside_it(page: Page) -> None:
    for attributes in page.all("svg"):
        assert (attributes.get("role") == "img") != (attributes.get("aria-hidden") == "true")
    assert len(page.all("title")) == 1 + sum("role" in each for each in page.all("svg"))
    assert len(page.all("details")) == 2  # the figures behind what has none beside it
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(each.get("scope") in {"col", "row"} for each in page.all("th"))
    assert page.all("html") == [{"lang": "en"}]


def test_a_change_is_said_in_words_too(made: Made, parts: SimpleNamespace) -> None:
    up, down, same = (parts.change("commits", total, 10) for total in (15, 5, 10))

    text = render_html(made(changes=[up, down, same]))

    assert '<span class="hidden">up </span>50 %' in text
    assert '<span class="hidden">down </span>50 %' in text
    assert "±0 %" in text


def luminance(colour: str) -> float:
    """Return how bright a colour is, as WCAG has it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Return how different two colours are, as WCAG has it."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


THEMES = [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in STYLE.split(":root {")[1:]]


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark", "print"])
def test_colours_of_texts_and_bars_can_be_told_from_what_is_behind(theme: dict[str, str]) -> None:
    for text in ("ink", "quiet", "accent"):
        assert contrast(theme[text], theme["page"]) >= 4.5
        assert contrast(theme[text], theme["card"]) >= 4.5
    assert contrast(theme["tag-ink"], theme["tag"]) >= 4.5
    assert contrast(theme["accent"], theme["track"]) >= 3


def test_the_page_knows_dark_paper_and_phones(made: Made) -> None:
    text = render_html(made())

    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text


def test_an_empty_portfolio_says_what_to_do(empty: Portfolio) -> None:
    text = render_html(empty)

    assert "There is no project yet." in text
    assert "project-architect-db import git PATH" in text
    assert "<table" not in text


def test_what_has_nothing_to_show_is_left_out(made: Made, parts: SimpleNamespace) -> None:
    nothing = parts.series("commits", "week", made().made_at.date(), 7, [0] * 52)
    found = made(
        commits=nothing,
        created=nothing,
        completed=nothing,
        healthiest=[],
        weakest=[],
        events=[],
        changes=[parts.change("commits", 0, 0)],
        attention=parts.attention(0),
        sample_projects=0,
    )
    found.flow.total_conversations = 0
    found.projects.top_frameworks = found.health.languages = []
    found.projects.finished_projects = 0

    page = Page(render_html(found))

    assert page.open == page.unbalanced == []
    said = "".join(page.text)
    assert "Nothing happened." in said
    assert "No project does" in said
    for title in ("Commits by week", "Phases of", "Health of", "Last activity", "Built with"):
        assert title not in said
    assert "Half of those" not in said


def test_languages_are_shown_without_frameworks_and_the_other_way_round(made: Made) -> None:
    languages, frameworks = made(), made()
    languages.projects.top_frameworks = []
    frameworks.health.languages = []

    assert "Frameworks of projects" not in render_html(languages)
    assert "Languages of repositories" in render_html(languages)
    assert "Frameworks of projects" in render_html(frameworks)
    assert "Languages of repositories" not in render_html(frameworks)


def test_what_is_not_shown_is_counted(made: Made, parts: SimpleNamespace) -> None:
    found = made(attention=parts.attention(1_500))
    found.projects.total_projects = 1_002
    found.health.unscored_repositories = 7
    found.weakest = []
    found.flow.bottlenecks = []

    said = "".join(Page(render_html(found)).text)

    assert "And 1,000 projects more." in said
    assert "And 1,494 projects more." in said
    assert "Nothing is known yet about 7." in said
    assert "Weakest" not in said
    assert "How many conversations are in each phase" in said


def test_steps_before_anything_had_happened_are_left_out_of_a_chart(
    made: Made, parts: SimpleNamespace
) -> None:
    start = made().commits.points[0].start.date()
    new = parts.series("commits", "week", start, 7, [0] * 50 + [4, 6])

    said = "".join(Page(render_html(made(commits=new))).text)

    assert "Commits in each of 12 weeks: 10 in all, most in the week of 29 Jun 2026 with 6." in said
    assert "Commits in each of 22 weeks" in "".join(Page(render_html(made())).text)
