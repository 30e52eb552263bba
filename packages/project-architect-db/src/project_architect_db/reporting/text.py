"""The report as text, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from andamios_orm.exceptions import MissingExtra

if TYPE_CHECKING:
    from project_architect_db.reporting.portfolio import Portfolio

__all__ = ["render_text"]

_PLAIN: Final = str.maketrans("▁▂▃▄▅▆▇█▓▒░━╸▲▼◄±\N{EN DASH}…“”", "_.,-=+*#%:.=-^v<~-.''")
"""What stands for letters that not every terminal has, one for one."""


def render_text(
    portfolio: Portfolio, *, width: int = 80, color: bool = False, ascii_only: bool = False
) -> str:
    """Return the report as lines that are at most ``width`` columns wide, from 60 on.

    With ``color`` it has the sequences that terminals understand; nothing is told by colour
    alone. With ``ascii_only`` other letters give way to some that every terminal has.

    Raises:
        MissingExtra: rich is not installed.
    """
    try:
        from project_architect_db.reporting.terminal import rendered
    except ImportError as error:
        raise MissingExtra(
            'a report in the terminal needs rich: pip install "project-architect-db[cli]"'
        ) from error
    text = rendered(portfolio, width=width, color=color)
    if ascii_only:
        text = text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
    return text
