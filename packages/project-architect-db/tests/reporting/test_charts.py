from __future__ import annotations

import re

import pytest

from project_architect_db.reporting.charts import bar, columns, line, stack

pytestmark = pytest.mark.unit


def widths(drawn: str, kind: str) -> list[float]:
    """Return the widths of the rectangles of a class."""
    found = re.findall(rf'<rect class="{kind}"[^>]*width="([\d.]+)"', drawn)
    return [float(width) for width in found]


def heights(drawn: str, kind: str) -> list[float]:
    """Return the heights of the rectangles of a class."""
    found = re.findall(rf'<rect class="{kind}"[^>]*height="([\d.]+)"', drawn)
    return [float(height) for height in found]


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(1, 2, [50]), (3, 2, [100]), (1, 10_000, [0.8]), (0, 2, []), (0, 0, [])],
)
def test_a_bar_is_as_long_as_its_share_and_never_invisible(
    count: int, most: int, expected: list[float]
) -> None:
    assert widths(bar(count, most), "fill") == expected


def test_a_stack_has_a_part_for_each_count_that_is_there() -> None:
    drawn = stack([("draft", 1), ("active", 0), ("completed", 3)], "Projects: <1>")

    assert "<title>Projects: &lt;1&gt;</title>" in drawn
    assert 'role="img"' in drawn
    assert widths(drawn, "draft") == [24.72]
    assert widths(drawn, "active") == []
    assert widths(drawn, "completed") == [75]


def test_columns_are_as_high_as_the_highest_of_both() -> None:
    drawn = columns([0, 2], "Completed", [4, 1])

    assert heights(drawn, "fill") == [24.5]
    assert heights(drawn, "before") == [49, 12.25]


@pytest.mark.parametrize("values", [[], [0], [0, 0]])
def test_nothing_is_drawn_as_nothing(values: list[int]) -> None:
    assert heights(columns(values, "Nothing"), "fill") == []
    assert "nan" not in line(values).lower()


def test_a_line_goes_from_edge_to_edge_and_is_not_read_out() -> None:
    drawn = line([0, 1, 2])

    assert 'd="M0 22 L50 12 L100 2"' in drawn
    assert 'aria-hidden="true"' in drawn
