"""Figures as people read them: numbers, times, shares, names, and lines made of letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from andamios_orm.core.lines import one_line

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from project_architect_db.reporting.portfolio import Change, Event, Period, Portfolio

__all__ = [
    "LABELS",
    "NOTHING",
    "STEPS",
    "ago",
    "changed",
    "day",
    "duration",
    "event_text",
    "grouped",
    "moment",
    "number",
    "percent",
    "period_title",
    "plural",
    "sample_notice",
    "shown",
    "sparkline",
    "whom",
]

NOTHING: Final = "\N{EN DASH}"
"""What stands where there is no figure."""

LABELS: Final = {
    "projects_created": "Projects started",
    "projects_completed": "Projects completed",
    "conversations": "Conversations",
    "messages": "Messages",
    "documents": "Documents",
    "commits": "Commits",
    "builds": "Builds",
    "failed_builds": "Builds that failed",
    "deployments": "Deployments",
}
"""What the metrics of ``collecting.METRICS`` are called."""

STEPS: Final = {
    "idea": "Idea",
    "conversation": "First conversation",
    "document": "First document",
    "repository": "First repository",
    "build": "First build",
    "deployment": "First deployment",
    "completed": "Completed",
}
"""What the milestones are called."""

_MANY: Final = 10_000_000
_TENTHS: Final = 10
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_YEAR: Final = 365.25 * _DAY
_BLOCKS: Final = "▁▂▃▄▅▆▇█"


def shown(text: str) -> str:
    r"""Return a text of somebody on one line, without anything that would be obeyed.

    >>> shown("a\x1b[31m red\n name")
    'a [31m red name'
    """
    return one_line(text).strip() or NOTHING


def number(count: float) -> str:
    """Return a number with separators, shortened where nobody would read it.

    >>> number(1234), number(12_345_678)
    ('1,234', '12.3 M')
    """
    return f"{count:,.0f}" if count < _MANY else f"{count / 1_000_000:,.1f} M"


def plural(count: int, name: str) -> str:
    """Return how many there are of something.

    >>> plural(1, "project"), plural(2, "day")
    ('1 project', '2 days')
    """
    return f"{number(count)} {name}{'s' * (count != 1)}"


def duration(seconds: float | None) -> str:
    """Return how long something takes, in the unit that fits.

    >>> duration(0.25), duration(42), duration(5400), duration(86400 * 12.5)
    ('0.2 s', '42 s', '1.5 h', '12 d')
    """
    if seconds is None:
        return NOTHING
    for limit, unit, name in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "min"), (_DAY, _HOUR, "h")):
        if abs(seconds) < limit:
            return _in(seconds / unit, name, whole=name != "h" and abs(seconds) >= 1)
    if abs(seconds) < 2 * _YEAR:
        return _in(seconds / _DAY, "d")
    return _in(seconds / _YEAR, "y")


def _in(amount: float, unit: str, *, whole: bool = False) -> str:
    digits = 0 if whole or abs(amount) >= _TENTHS or amount == 0 else 1
    return f"{amount:,.{digits}f} {unit}"


def percent(share: float | None) -> str:
    """Return a share of one in percent.

    >>> percent(0.123)
    '12 %'
    """
    return NOTHING if share is None else f"{share * 100:,.0f} %"


def changed(change: Change) -> str:
    """Return how a metric has changed: up or down by how much, or that there was none before."""
    if change.change_ratio is None:
        return "new" if change.total else NOTHING
    rounded = round(change.change_ratio * 100)
    if rounded == 0:
        return "±0 %"
    return f"{'▲' if rounded > 0 else '▼'} {abs(rounded):,} %"


# ---- time ----------------------------------------------------------------------------------


def day(date: dt.date) -> str:
    """Return a day.

    >>> from datetime import date
    >>> day(date(2026, 3, 9))
    '9 Mar 2026'
    """
    return f"{date.day} {date:%b} {date.year}"


def moment(time: dt.datetime, zone: dt.tzinfo | None) -> str:
    """Return a moment as clocks in a time zone show it."""
    local = time.astimezone(zone)
    return f"{day(local.date())}, {local:%H:%M}"


def ago(time: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago a moment is, or the day if that is long."""
    passed = (now - time).total_seconds()
    if passed < _MINUTE:
        return "now"
    if passed < _DAY * 60:
        return f"{duration(passed)} ago"
    return day(time.astimezone(now.tzinfo).date())


def period_title(period: Period) -> str:
    """Return which days are looked at."""
    if period.is_recent:
        return f"The last {period.days} days"
    return f"{day(period.start)} to {day(period.last)}"


# ---- what is said of a portfolio -------------------------------------------------------------


def sample_notice(portfolio: Portfolio) -> str | None:
    """Return what is to be said of sample data; None if there is nothing."""
    total, made_up = portfolio.projects.total_projects, portfolio.sample_projects
    if not portfolio.has_samples:
        return "Sample data are left out."
    if not made_up:
        return None
    if made_up == total:
        return "All of this is sample data."
    return f"{number(made_up)} of {plural(total, 'project')} are sample data; totals contain them."


def whom(portfolio: Portfolio) -> str:
    """Return why there may be nothing, in words."""
    if portfolio.viewer is not None:
        return f"There is no project that {shown(portfolio.viewer)} owns or is a member of."
    if not portfolio.has_samples:
        return "There is no project but sample data."
    return "There is no project yet."


def event_text(event: Event) -> str:
    """Return what happened, without the project."""
    subject = "" if event.subject is None else shown(event.subject)
    detail = "" if event.detail is None else shown(event.detail)
    if event.kind == "commits":
        return f"{plural(int(detail), 'commit')} to {subject}"
    return {
        "project": "project added",
        "completed": "project completed",
        "conversation": f"“{subject or 'conversation'}” in {detail}",
        "document": f"{subject} written",
        "build": f"build of {subject} {detail}",
        "deployment": f"deployment of {subject} {detail}",
    }[event.kind]


# ---- lines made of letters ---------------------------------------------------------------------


def grouped(values: Sequence[int], most: int) -> list[int]:
    """Return the values as sums of neighbours, so that there are no more than ``most``.

    >>> grouped([1, 2, 3, 4, 5], 3)
    [3, 7, 5]
    """
    size = -(-len(values) // most) or 1
    return [sum(values[at : at + size]) for at in range(0, len(values), size)]


def sparkline(values: Sequence[float]) -> str:
    """Return the values as a line of blocks; only those of 0 have the lowest one.

    >>> sparkline([0, 1, 4, 8])
    '▁▂▅█'
    """
    highest = max(values, default=0)
    steps = len(_BLOCKS) - 1
    return "".join(
        _BLOCKS[int(-(-value * steps // highest)) if value > 0 else 0] for value in values
    )
