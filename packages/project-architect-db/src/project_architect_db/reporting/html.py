"""The report as one HTML file, which asks for nothing else: no script, no font, no picture."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from project_architect_db.reporting import sections, words
from project_architect_db.reporting.charts import stack
from project_architect_db.reporting.markup import Html, joined, tag

if TYPE_CHECKING:
    from project_architect_db.reporting.portfolio import Portfolio

__all__ = ["GENERATOR", "render_html"]

GENERATOR: Final = "project-architect-db report"
"""What a page says that it was made by."""

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def render_html(portfolio: Portfolio) -> str:
    """Return the report as a page that is complete in itself.

    It follows the reader's preference for light or dark, can be printed, and is readable on a
    phone. Charts are SVG with the figures beside them or in a table behind; the page forbids
    itself to load or run anything. All that people have written is escaped.
    """
    title = sections.title_of(portfolio)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=GENERATOR),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title}, {words.day(portfolio.made_at.date())}"),
        tag("style", Html(_style())),
    )
    body = tag("body", _header(portfolio, title), _main(portfolio), _footer(portfolio))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _style() -> str:
    return files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def _header(portfolio: Portfolio, title: str) -> Html:
    made = words.moment(portfolio.made_at, portfolio.made_at.tzinfo)
    parts = [
        tag("h1", title),
        tag("p", f"As of {made}, {portfolio.timezone}", class_="about"),
    ]
    notice = words.sample_notice(portfolio)
    if notice is not None:
        parts.append(tag("p", notice, class_="notice"))
    return tag("header", *parts)


def _main(portfolio: Portfolio) -> Html:
    if not portfolio.projects.total_projects:
        hint = tag("code", "project-architect-db import git PATH")
        text = joined(words.whom(portfolio), " ", hint, " makes one of a local clone.")
        return tag("main", tag("p", text, class_="empty"))
    shown = sections.all_of(portfolio)
    return tag("main", _figures(portfolio), _status(portfolio), tag("div", *shown, class_="grid"))


def _figures(portfolio: Portfolio) -> Html:
    found = portfolio.projects
    counts = {
        "Projects": found.total_projects,
        "Conversations": found.conversations,
        "Messages": found.messages,
        "Documents": found.documents,
        "Repositories": found.repositories,
    }
    cells = (
        tag("div", tag("dt", name), tag("dd", words.number(count)))
        for name, count in counts.items()
    )
    return tag("dl", *cells, class_="figures")


def _status(portfolio: Portfolio) -> Html:
    found = portfolio.projects
    by_status = found.project_by_status
    said = ", ".join(f"{words.number(count)} {status}" for status, count in by_status.items())
    keys = (
        tag(
            "li",
            tag("span", class_=f"key {status}", aria_hidden="true"),
            f"{status} ",
            tag("b", words.number(count)),
        )
        for status, count in by_status.items()
    )
    parts = [
        stack(list(by_status.items()), f"Projects by status: {said}"),
        tag("ul", *keys, class_="legend"),
    ]
    if found.finished_projects:
        half, most = found.median_completion_time, found.p90_completion_time
        parts.append(
            tag(
                "figcaption",
                f"Half of those completed took {words.duration(half)} or less, nine of ten "
                f"{words.duration(most)}.",
            )
        )
    return tag("figure", *parts)


def _footer(portfolio: Portfolio) -> Html:
    return tag(
        "footer",
        f"Days begin and times are shown in {portfolio.timezone}. Durations: s seconds, min "
        "minutes, h hours, d days, y years. Median: half are shorter; p90: nine of ten are. "
        "Deleted records do not count.",
    )
