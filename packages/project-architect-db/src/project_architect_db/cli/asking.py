"""What the commands that ask have in common: values as people type them, tables to read."""

from __future__ import annotations

import datetime as dt
import re
import sys
from typing import TYPE_CHECKING, Any, Final, overload

import rich_click as click

from andamios_orm.core.lines import one_line
from andamios_orm.exceptions import NotFound, QueryRefused
from project_architect_db.analytics.steps import beginning, earlier
from project_architect_db.models import Project
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from andamios_orm.core import Database

__all__ = [
    "console",
    "moment",
    "project_id",
    "shown",
    "table",
    "viewer_option",
    "whole_steps",
]

_WIDE: Final = 160
"""Columns where no terminal says how wide it is: nothing is cut for a program."""
_KEY: Final = re.compile(r"[0-9]{1,18}")
_LONG_AGO: Final = re.compile(r"(\d{1,4})([dwmy])")
_AGO: Final = {"d": 1, "w": 7, "m": 30, "y": 365}


@overload
def moment(text: None, zone: dt.tzinfo = ...) -> None: ...
@overload
def moment(text: str, zone: dt.tzinfo = ...) -> dt.datetime: ...
@overload
def moment(text: str | None, zone: dt.tzinfo = ...) -> dt.datetime | None: ...
def moment(text: str | None, zone: dt.tzinfo = dt.UTC) -> dt.datetime | None:
    """Return the moment that a text means: a day, a time, or so long ago.

    A day means its beginning in ``zone``, as does a time that names no zone.

    >>> moment("2026-01-31").isoformat(), moment("2026-01-31T10:00").isoformat()
    ('2026-01-31T00:00:00+00:00', '2026-01-31T10:00:00+00:00')

    Raises:
        QueryRefused: it means none.
    """
    if text is None:
        return None
    if (ago := _LONG_AGO.fullmatch(text)) is not None:
        today = dt.datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - dt.timedelta(days=int(ago[1]) * _AGO[ago[2]])
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise QueryRefused(
            f"{text!r} is no time: pass 2026-01-31, 2026-01-31T10:00, or 30d, 4w, 6m, 1y ago"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def whole_steps(
    unit: str, since: str | None, until: str | None, zone: dt.tzinfo
) -> tuple[dt.datetime, dt.datetime]:
    """Return a range of whole steps, to compare: without a start, of the last 30 days.

    A moment that is said as so long ago means the beginning of its step; one that is said
    as a date is left as it is. Without an end it is that of the step that is now.

    Raises:
        QueryRefused: a text means no moment.
    """
    later = 0 if until else 1
    return _step(unit, since or "29d", zone), _step(unit, until or "0d", zone, later)


def _step(unit: str, text: str, zone: dt.tzinfo, later: int = 0) -> dt.datetime:
    found = moment(text, zone)
    if not _LONG_AGO.fullmatch(text):
        return found
    return earlier(unit, beginning(unit, found.replace(tzinfo=None)), -later).replace(tzinfo=zone)


async def project_id(database: Database, text: str | None, viewer: str | None) -> int | None:
    """Return the key of a project that is named by it, or else by its name.

    Raises:
        NotFound: the viewer sees no such project.
        QueryRefused: several have this name.
    """
    if text is None:
        return None
    async with database.session() as session:
        projects = ProjectRepository(session, viewer=viewer)
        key = int(text) if _KEY.fullmatch(text) else None
        if key is not None and await projects.exists(id=key):
            return key
        found = await projects.query().filter(name=text).limit(9).scalars(Project.id)
    if not found:
        raise NotFound(Project.__name__, text if key is None else f"{text} (by id or by name)")
    if len(found) > 1:
        listed = ", ".join(map(str, found))
        raise QueryRefused(f"several projects are called {text!r}: name one of them by {listed}")
    return found[0]


def console() -> Console:
    """Return what prints to the standard output, in colours if that is a terminal."""
    from rich.console import Console

    return Console(
        width=None if sys.stdout.isatty() else _WIDE, highlight=False, markup=False, emoji=False
    )


def table(*names: str) -> Table:
    """Return a table with these columns; figures, whose names end in ``>``, to the right."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_header=any(name.strip(">") for name in names))
    for name in names:
        plain = name.removesuffix(">")
        made.add_column(plain, justify="right" if plain != name else "left", overflow="fold")
    return made


def viewer_option(function: Any) -> Any:
    """Add the option of all that ask: for whom."""
    option = click.option("--viewer", metavar="NAME", help="Only what NAME owns or is a member of.")
    return option(function)


def shown(value: Any) -> str:
    r"""Return a value as it stands in a table, without any sign that a terminal would obey.

    >>> shown(None), shown(1234), shown("a\x1b[31mb")
    ('', '1,234', 'a [31mb')
    """
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return one_line(str(value)).strip()
