"""Figures of analytics as people read them: tables with bars, times in words, shares in per cent.

It knows no result by name: fields are shown by what they are, in the order of the schema.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from project_architect_db.cli.asking import shown, table
from project_architect_db.reporting.words import duration, percent, sparkline
from project_architect_db.schemas.analytics import (
    AnalyticsResult,
    DurationStatistics,
    TimeSeriesData,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

__all__ = ["bar", "show", "value"]

_HEAD: Final = frozenset({"timezone", "start", "end", "as_of"})
_BARS: Final = 24
_MOST: Final = 25
"""Rows of one table; a file has all of them."""
_STEPS: Final = {
    "hour": "%Y-%m-%d %H:00",
    "month": "%Y-%m",
    "year": "%Y",
}
_ALIKE: Final = ("distribution", "lengths")
"""How dicts are called whose numbers can be compared, beside figures "by" something."""
_FIRST: Final = ("id", "project_id", "name", "email", "phase", "role")


def show(console: Console, result: AnalyticsResult) -> None:
    """Print a result."""
    console.print(_heading(result), style="bold")
    if isinstance(result, TimeSeriesData):
        _show_series(console, result)
    else:
        _show_part(console, result, "")


def bar(number: float, most: float, width: int = _BARS) -> str:
    """Return a bar that is as long as a number is large.

    >>> bar(2, 4, 4), bar(0, 4, 4), bar(0.1, 4, 4)
    ('██', '', '▏')
    """
    if number <= 0 or most <= 0:
        return ""
    return "█" * round(width * number / most) or "▏"


def value(name: str, given: Any) -> str:
    """Return a value as the name of its field says that it is meant.

    >>> value("average_wait", 93_600), value("completion_rate", 0.25), value("size", None)
    ('1.1 d', '25 %', '-')
    """
    if given is None:
        return "-"
    if isinstance(given, dt.datetime):
        return f"{given:%Y-%m-%d %H:%M}"
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return shown(given)
    for unit, endings in _MEANINGS:
        if _is(name, *endings):
            return unit(given)
    return f"{given:,.1f}" if isinstance(given, float) else shown(given)


def _is(name: str, *endings: str) -> bool:
    return any(name == ending or name.endswith(f"_{ending}") for ending in endings)


_MEANINGS: Final = (
    (percent, ("rate", "share", "ratio", "off")),
    (duration, ("time", "seconds", "wait")),
    (str, ("id",)),
)
"""How numbers are shown, by the ends of the names of their fields."""


def _heading(result: AnalyticsResult) -> str:
    """Return which time the figures are about."""
    if result.start is None and result.end is None:
        return f"All time, days of {result.timezone}"
    begin = "the beginning" if result.start is None else f"{result.start:%Y-%m-%d %H:%M}"
    end = "now on" if result.end is None else f"{result.end:%Y-%m-%d %H:%M}"
    return f"From {begin} to {end} (UTC), days of {result.timezone}"


def _show_part(console: Console, part: BaseModel, title: str) -> None:
    """Print the fields of a part: single values in one table, each of the others in its own."""
    single = _told(part)
    if single:
        found = table("", "")
        for name, text in single:
            found.add_row(_words(name), text)
        _print(console, title, found)
    for name in type(part).model_fields:
        each = getattr(part, name)
        if _is_several(each):
            _show_several(console, f"{title}: {_words(name)}" if title else _words(name), each)


def _told(part: BaseModel) -> list[tuple[str, str]]:
    """Return the single values of a part, each with its name."""
    fields = {name: getattr(part, name) for name in type(part).model_fields if name not in _HEAD}
    in_seconds = isinstance(part, DurationStatistics)
    return [
        (name, value("seconds" if in_seconds and name != "count" else name, each))
        for name, each in fields.items()
        if not _is_several(each)
    ]


def _is_several(found: Any) -> bool:
    return isinstance(found, (BaseModel, dict, list))


def _show_several(console: Console, title: str, found: Any) -> None:
    title = title[0].upper() + title[1:]
    if isinstance(found, BaseModel):
        _show_part(console, found, title)
    elif isinstance(found, dict):
        _show_counts(console, title, found)
    elif found and isinstance(found[0], BaseModel):
        _show_rows(console, title, found)
    elif found:
        console.print(f"\n{title}: {sparkline(found)}  {min(found):,} to {max(found):,}\n")


def _show_counts(console: Console, title: str, counts: Mapping[str, Any]) -> None:
    """Print how many there are of each, with bars."""
    if any(_is_several(each) for each in counts.values()):
        for name, each in counts.items():
            _show_several(console, f"{title}: {shown(name)}", each)
        return
    numbers = {name: each for name, each in counts.items() if each}
    if not numbers:
        return
    most = max(numbers.values()) if title.endswith(_ALIKE) or " by " in title else 0
    found = table("", ">", "")
    for name, each in numbers.items():
        found.add_row(shown(_words(name)), value(name, each), bar(each, most))
    _print(console, title, found)


def _show_rows(console: Console, title: str, rows: Sequence[BaseModel]) -> None:
    """Print parts of one kind: a line for each."""
    names = [name for name in type(rows[0]).model_fields if _fits(name, rows)]
    names.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    figures = {name for name in names if _is_figure(name, rows)}
    found = table(*(f"{_words(name)}>" if name in figures else _words(name) for name in names))
    for row in rows[:_MOST]:
        found.add_row(*(_cell(name, getattr(row, name)) for name in names))
    _print(console, title, found)
    if len(rows) > _MOST:
        console.print(f"  and {len(rows) - _MOST:,} more: --format csv has all")


def _fits(name: str, rows: Sequence[BaseModel]) -> bool:
    """Return whether a field says something in a table."""
    return any(getattr(row, name) not in (None, [], {}) for row in rows)


def _is_figure(name: str, rows: Sequence[BaseModel]) -> bool:
    return all(isinstance(getattr(row, name), (int, float, type(None))) for row in rows)


def _cell(name: str, given: Any) -> str:
    if isinstance(given, list):
        if given and isinstance(given[0], (int, float)):
            return sparkline(given)
        return "; ".join(map(_entry, given))
    if isinstance(given, BaseModel):
        return ", ".join(
            f"{_words(key)} {text}" for key, text in _told(given) if text not in {"-", "0"}
        )
    return value(name, given)


def _entry(given: Any) -> str:
    """Return an entry of a list in one cell: its text, or its name and the last of its fields."""
    if not isinstance(given, BaseModel):
        return shown(given)
    fields = {name: getattr(given, name) for name in type(given).model_fields}
    if "text" in fields:
        return shown(fields["text"])
    first, *_, last = fields
    return f"{shown(fields[first])} {value(last, fields[last])}"


def _print(console: Console, title: str, found: Table) -> None:
    if title:
        console.print(title, style="bold")
    console.print(found)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _show_series(console: Console, result: TimeSeriesData) -> None:
    """Print a metric over time, with bars."""
    compared = result.previous_total is not None
    total = f"{result.metric} by {result.granularity}: {result.total:,}"
    if result.previous_total is not None:
        ratio = "" if result.change_ratio is None else f", {result.change_ratio:+.0%}"
        total += f" ({result.previous_total:,} before{ratio.replace('%', ' %')})"
    found = table(
        result.granularity,
        f"{_words(result.metric)}>",
        *(["before>", "change>"] if compared else []),
        "",
    )
    most = max((point.value for point in result.points), default=0)
    form = _STEPS.get(result.granularity, "%Y-%m-%d")
    for point in result.points[-_MOST * 2 :]:
        before = [shown(point.previous), f"{point.change:+,}"] if compared else []
        found.add_row(f"{point.start:{form}}", shown(point.value), *before, bar(point.value, most))
    if not result.points:
        console.print(f"{total}\n  nothing has happened in this time")
        return
    _print(console, total, found)
    hidden = len(result.points) - _MOST * 2
    if hidden > 0:
        console.print(f"  and {hidden:,} before: --format csv has all")
