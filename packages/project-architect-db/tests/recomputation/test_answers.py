"""What can be asked, all of which is computed again."""

from __future__ import annotations

import inspect

import pytest
from tests.recomputation.asking import IN_RANGES

from andamios_orm.repositories.binding import Bound
from project_architect_db.repositories import AnalyticsRepository

pytestmark = pytest.mark.unit

OTHERS = {"dashboard", "needs_attention", "repository_health", "time_series_analysis"}


def test_every_answer_is_computed_again() -> None:
    asked = {
        name for name, _ in inspect.getmembers(AnalyticsRepository, inspect.iscoroutinefunction)
    }

    public = {name for name in asked - set(dir(Bound)) if not name.startswith("_")}
    assert public == OTHERS | set(IN_RANGES)
