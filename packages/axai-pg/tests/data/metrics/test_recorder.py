"""Measures, and the names that they may have."""

from __future__ import annotations

import uuid

import pytest

from andamios_orm.exceptions import ConfigurationError
from axai_pg.data.metrics.recorder import BOUNDS, Measure, Recorder, checked_name, error_name

pytestmark = pytest.mark.unit


def test_times_are_counted_by_their_bounds() -> None:
    recorder = Recorder(slow=1.0)

    slow = [recorder.record("a", seconds) for seconds in (0.001, 0.002, 1.0, 60.0)]

    found = recorder.snapshot()["a"]
    assert slow == [False, False, True, True]
    assert (found.count, found.slow, found.longest) == (4, 2, 60.0)
    assert found.mean == pytest.approx(61.003 / 4)
    assert found.buckets == (1, 1, 0, 0, 0, 0, 1, 0, 0, 1)
    assert len(found.buckets) == len(BOUNDS) + 1


def test_of_nothing_the_mean_is_nothing() -> None:
    assert Measure().mean == 0


def test_names_without_end_are_counted_together() -> None:
    recorder = Recorder()
    for number in range(600):
        recorder.record(f"a{number}", 0.0)

    found = recorder.snapshot()

    assert len(found) == 501
    assert found["other"].count == 100


@pytest.mark.parametrize("name", [str(uuid.UUID(int=7)), "", "a b", "a" * 101, "a.", "ä", "a\n"])
def test_a_name_that_might_carry_a_value_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name of an operation"):
        checked_name(name)


def test_errors_are_named_by_classes_of_the_libraries() -> None:
    assert error_name(KeyError()) == "KeyError"
    assert error_name(type("a1b2", (ConfigurationError,), {})()) == "ConfigurationError"
    assert error_name("a1b2") == "other"
