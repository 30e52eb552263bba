"""What isolates organisations in a live database, looked at: every hole, and what closes it."""

from __future__ import annotations

from axai_pg.isolation.inspection import inspect_isolation
from axai_pg.isolation.rules import Hole, IsolationRules, holes_as_table

__all__ = ["Hole", "IsolationRules", "holes_as_table", "inspect_isolation"]
