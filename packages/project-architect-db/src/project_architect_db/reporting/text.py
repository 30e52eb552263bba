"""The report as text, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from andamios_orm.exceptions import MissingExtra

if TYPE_CHECKING:
    from project_architect_db.reporting.portfolio import Portfolio

__all__ = ["render_text"]


def render_text(portfolio: Portfolio, *, width: int = 80, color: bool = False) -> str:
    """Return the report as lines that are at most ``width`` columns wide, from 40 on.

    With ``color`` it has the sequences that terminals understand; nothing is told by colour
    alone.

    Raises:
        MissingExtra: rich is not installed.
    """
    try:
        from project_architect_db.reporting.terminal import rendered
    except ImportError as error:
        raise MissingExtra(
            'a report in the terminal needs rich: pip install "project-architect-db[cli]"'
        ) from error
    return rendered(portfolio, width=width, color=color)
