"""A picture of tables and their keys, as SVG: no other program has to draw it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Column, ForeignKey, Table
    from sqlalchemy.engine import Dialect

__all__ = ["picture"]

LINE, LETTER, PADDING = 20, 7.3, 10
"""Of a row its height, of a letter its width, of a box what surrounds its text; in pixels."""
BESIDE, BELOW, MARGIN = 90, 28, 20
"""Between layers, between boxes of a layer, and around all of them."""
_STYLE: Final = """
    text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328 }
    .name { font-weight: 700 } .type { fill: #656d76 } .key { fill: #9a6700 }
    rect { fill: #fff; stroke: #d0d7de } .head { fill: #eef1f4 }
    path { fill: none; stroke: #57606a; stroke-width: 1.2 }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3 } .type { fill: #8d96a0 } .key { fill: #d29922 }
        rect { fill: #0d1117; stroke: #30363d } .head { fill: #161b22 } path { stroke: #8d96a0 }
    }
"""


@dataclass(slots=True)
class _Box:
    """Where a table is drawn, and the texts in it: of each column its name, type and role."""

    table: Table
    rows: list[tuple[str, str, str]]
    x: float = 0
    y: float = 0

    @property
    def names(self) -> int:
        """Return how long the longest name of a column is, with what follows it."""
        return max((len(name) for name, _, _ in self.rows), default=0) + 2

    @property
    def width(self) -> float:
        kinds = max((len(f"{kind}  {role}") for _, kind, role in self.rows), default=0)
        return max(len(self.table.name), self.names + kinds) * LETTER + 2 * PADDING

    @property
    def height(self) -> int:
        return LINE * (len(self.rows) + 1)

    def middle_of(self, column: Column[object]) -> float:
        """Return how far down the row of ``column`` is."""
        return self.y + LINE * (list(self.table.columns).index(column) + 1.5)


def picture(tables: Sequence[Table], dialect: Dialect) -> Iterator[str]:
    """Yield the lines of an SVG: what is referred to stands left of what refers to it."""
    boxes = {table: _Box(table, _rows(table, dialect)) for table in tables}
    width, height = _place(boxes)
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    yield f"<style>{_STYLE}</style>"
    for box in boxes.values():
        for key in sorted(box.table.foreign_keys, key=lambda each: each.parent.name):
            yield _line(box, boxes[key.column.table], key)
    for box in boxes.values():
        yield from _drawn(box)
    yield "</svg>"


def _rows(table: Table, dialect: Dialect) -> list[tuple[str, str, str]]:
    return [
        (
            column.name,
            str(column.type.compile(dialect=dialect)),
            "PK" if column.primary_key else "FK" if column.foreign_keys else "",
        )
        for column in table.columns
    ]


def _place(boxes: Mapping[Table, _Box]) -> tuple[float, float]:
    """Give each box its place, and return the width and the height of the whole."""
    layers: dict[int, list[_Box]] = {}
    for table, box in boxes.items():
        layers.setdefault(_depth(table, frozenset()), []).append(box)
    x, bottom = float(MARGIN), 0.0
    for _, layer in sorted(layers.items()):
        y = float(MARGIN)
        for box in sorted(layer, key=lambda each: _height_of_parents(each, boxes)):
            box.x, box.y = x, y
            y += box.height + BELOW
        bottom = max(bottom, y - BELOW)
        x += max(box.width for box in layer) + BESIDE
    return max(x - BESIDE, 0) + BESIDE / 2, bottom + MARGIN


def _depth(table: Table, below: frozenset[Table]) -> int:
    """Return how many tables stand left of a table; a circle is cut where it closes."""
    parents = {key.column.table for key in table.foreign_keys} - below - {table}
    return max((_depth(parent, below | {table}) + 1 for parent in parents), default=0)


def _height_of_parents(box: _Box, boxes: Mapping[Table, _Box]) -> float:
    """Return where the parents are in the mean: their children beside them cross fewer lines."""
    keys = box.table.foreign_keys
    heights = [boxes[key.column.table].middle_of(key.column) for key in keys]
    return sum(heights) / len(heights) if heights else 0


def _line(child: _Box, parent: _Box, key: ForeignKey) -> str:
    """Return the curve from a key to what it refers to."""
    ends, starts = parent.middle_of(key.column), child.middle_of(key.parent)
    bend = BESIDE / 2
    if parent.x < child.x:
        from_, to = child.x, parent.x + parent.width
        curve = f"C {from_ - bend:.0f} {starts:.0f}, {to + bend:.0f} {ends:.0f}"
    else:  # the same table, one below the other, or a circle that was cut: around the right
        from_, to = child.x + child.width, parent.x + parent.width
        beyond = max(from_, to) + bend
        curve = f"C {beyond:.0f} {starts:.0f}, {beyond:.0f} {ends:.0f}"
    return f'<path d="M {from_:.0f} {starts:.0f} {curve}, {to:.0f} {ends:.0f}"/>'


def _drawn(box: _Box) -> Iterator[str]:
    x, y, width = f"{box.x:.0f}", f"{box.y:.0f}", f"{box.width:.0f}"
    left, right = f"{box.x + PADDING:.0f}", f"{box.x + box.width - PADDING:.0f}"
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{box.height}" rx="4"/>'
    yield f'<rect class="head" x="{x}" y="{y}" width="{width}" height="{LINE}" rx="4"/>'
    yield _text(box.table.name, left, box.y, "name")
    for number, (name, kind, role) in enumerate(box.rows, 1):
        down = box.y + number * LINE
        yield _text(name, left, down)
        yield _text(kind, f"{box.x + PADDING + box.names * LETTER:.0f}", down, "type")
        if role:
            yield _text(role, right, down, "key", ' text-anchor="end"')


def _text(text: str, x: str, top: float, style: str = "", more: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{top + LINE - 6:.0f}"{kind}{more}>{escape(text)}</text>'
