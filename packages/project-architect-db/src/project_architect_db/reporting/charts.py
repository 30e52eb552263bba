"""Charts as SVG of our own: bars, columns and lines, coloured by the classes of the page.

They are stretched to where they stand, and have no text inside, so that it stays readable on
a phone: names and figures stand beside them as text, or in the table behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from project_architect_db.reporting.markup import Html, joined, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bar", "columns", "line", "stack"]

_WIDTH: Final = 100.0
_GAP: Final = 0.28


def bar(count: float, most: float) -> Html:
    """Return a bar for ``count`` of ``most``; the figure stands beside it."""
    share = min(count / most, 1.0) * _WIDTH if most > 0 else 0.0
    parts = [tag("rect", class_="track", width=_WIDTH, height=8)]
    if share > 0:
        parts.append(tag("rect", class_="fill", width=_round(max(share, 0.8)), height=8))
    return _svg("bar", 8, *parts)


def stack(shares: Sequence[tuple[str, int]], label: str) -> Html:
    """Return a bar in which each count, given with its class, has its share."""
    total = sum(count for _, count in shares)
    parts, left = [], 0.0
    for name, count in shares:
        if count:
            width = count / total * _WIDTH
            left += width
            gap = _GAP if left < _WIDTH - _GAP else 0.0
            drawn = max(width - gap, 0.4)
            start = _round(left - width)
            parts.append(tag("rect", class_=name, x=start, width=_round(drawn), height=14))
    return _svg("stack", 14, *parts, label=label)


def columns(values: Sequence[int], label: str, behind: Sequence[int] = ()) -> Html:
    """Return a column for each value, with those of ``behind`` paler and wider beneath."""
    most = max((*values, *behind), default=0) or 1
    step = _WIDTH / max(len(values), 1)
    parts = []
    for place, value in enumerate(behind):
        parts += _column("before", place * step, step * 0.9, value / most)
    for place, value in enumerate(values):
        inset = step * (0.25 if behind else 0.1)
        parts += _column("fill", place * step + inset - step * 0.05, step - 2 * inset, value / most)
    ground = tag("rect", class_="ground", y=49.5, width=_WIDTH, height=0.5)
    return _svg("columns", 50, *parts, ground, label=label)


def _column(name: str, left: float, width: float, share: float) -> list[Html]:
    if share <= 0:
        return []
    height = max(share * 49, 1)
    return [
        tag(
            "rect",
            class_=name,
            x=_round(max(left, 0)),
            y=_round(49.5 - height),
            width=_round(width),
            height=_round(height),
        )
    ]


def line(values: Sequence[int]) -> Html:
    """Return a line with an area below it; the figures stand beside it."""
    most = max(values, default=0) or 1
    last = max(len(values) - 1, 1)
    dots = [
        f"{_round(place / last * _WIDTH)} {_round(22 - value / most * 20)}"
        for place, value in enumerate(values)
    ]
    path = "M" + " L".join(dots)
    return _svg(
        "line",
        24,
        tag("path", class_="area", d=f"{path} L{_WIDTH:g} 23 L0 23 Z"),
        tag("path", class_="stroke", d=path, vector_effect="non-scaling-stroke"),
    )


def _svg(kind: str, height: float, *parts: Html, label: str | None = None) -> Html:
    """Return a picture; without a label it is one that says nothing that the text does not."""
    return tag(
        "svg",
        joined(*parts) if label is None else joined(tag("title", label), *parts),
        class_=f"chart {kind}",
        viewBox=f"0 0 {_WIDTH:g} {height:g}",
        preserveAspectRatio="none",
        role="img" if label else None,
        aria_hidden=None if label else "true",
        focusable="false",
    )


def _round(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
