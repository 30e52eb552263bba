"""The command that shows the portfolio at a glance."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click
from rich.console import Console

from andamios_orm.cli.asking import asked
from andamios_orm.cli.running import command
from andamios_orm.dialect.files import complete_file
from andamios_orm.exceptions import ConfigurationError
from project_architect_db.reporting import collect, render_html, render_text
from project_architect_db.reporting.html import GENERATOR

if TYPE_CHECKING:
    import datetime as dt

    from andamios_orm.cli.running import Context
    from project_architect_db.reporting import Portfolio

__all__ = ["COMMANDS"]

_DAY: Final = click.DateTime(["%Y-%m-%d"])
_HEAD: Final = 1_000
"""Bytes of a page in which it says what it was made by."""


@command(
    examples=[
        "report",
        "report --html report.html --timezone Europe/Madrid",
        "report --since 2026-01-01 --until 2026-04-01 --no-sample",
        "report --viewer ana --json",
    ]
)
@click.option("--html", metavar="FILE", type=Path, help="Write a page to FILE instead.")
@click.option("--since", type=_DAY, metavar="DAY", help="Look at what happened from this day on.")
@click.option("--until", type=_DAY, metavar="DAY", help="Look at what happened before this day.")
@click.option("--timezone", default="UTC", metavar="NAME", help="Where days begin. [UTC]")
@click.option("--viewer", metavar="NAME", help="Only what NAME owns or is a member of.")
@click.option("--sample/--no-sample", default=True, help="Whether sample data count. [yes]")
async def report_command(  # noqa: PLR0913 - one for each option
    context: Context,
    *,
    html: Path | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    timezone: str,
    viewer: str | None,
    sample: bool,
) -> None:
    """Show the portfolio: projects, what needs attention, where things wait, what changed.

    What there is, is shown as it is now; what happened, for the last 30 days or those from
    --since to before --until, beside as many days before. The page of --html is one file that
    needs no other.
    """
    if html is not None:
        _check(html)
    async with context.database() as database:
        with asked():
            portfolio = await collect(
                database,
                viewer=viewer,
                timezone=timezone,
                since=since.date() if since else None,
                until=until.date() if until else None,
                samples=sample,
            )
    if html is None:
        lines = [] if context.as_json else _text(portfolio).splitlines()
        context.show("report", [portfolio.model_dump(mode="json")], lines)
        return
    with complete_file(html) as file:
        file.write(render_html(portfolio).encode())
    context.show("report", [{"file": str(html)}], [str(html)])


def _check(path: Path) -> None:
    """Refuse to take the place of a file that is no report.

    Raises:
        ConfigurationError: it is none.
    """
    if not path.parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent} to write {path.name} to")
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder: name a file in it")
    if path.exists():
        with path.open("rb") as file:
            is_report = GENERATOR.encode() in file.read(_HEAD)
        if not is_report:
            raise ConfigurationError(f"{path} is there, and is no report: name another file")


def _text(portfolio: Portfolio) -> str:
    """Return the report as this terminal, or whatever the output goes to, can show it."""
    console = Console()
    can_color = console.is_terminal and console.color_system is not None and not console.no_color
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return render_text(
        portfolio,
        width=console.width,
        color=can_color,
        ascii_only=not encoding.startswith("utf"),
    )


COMMANDS: Final = {each.name: each for each in (report_command,)}
