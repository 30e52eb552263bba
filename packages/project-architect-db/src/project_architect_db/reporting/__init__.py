"""The report: a portfolio at a glance, in a terminal and as one HTML file."""

from __future__ import annotations

from project_architect_db.reporting.collecting import collect
from project_architect_db.reporting.html import render_html
from project_architect_db.reporting.portfolio import (
    Change,
    Event,
    Period,
    Portfolio,
    ProjectLine,
    RepositoryLine,
)
from project_architect_db.reporting.text import render_text

__all__ = [
    "Change",
    "Event",
    "Period",
    "Portfolio",
    "ProjectLine",
    "RepositoryLine",
    "collect",
    "render_html",
    "render_text",
]
