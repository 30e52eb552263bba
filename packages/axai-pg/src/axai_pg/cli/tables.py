"""Rows as people read them: columns of one width, figures to the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from andamios_orm.core.lines import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["as_table"]


def as_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    r"""Yield the lines of a table, without any sign that a terminal would obey.

    >>> print(*as_table(["name", "users"], [["Acme\n", 1200], ["Globex", 7]]), sep="\n")
    name    users
    ------  -----
    Acme    1,200
    Globex      7
    """
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    numeric = [
        bool(rows) and all(isinstance(row[at], int) for row in rows) for at in range(len(names))
    ]
    for line in ([*names], ["-" * width for width in widths], *cells):
        yield "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, numeric, strict=True)
        ).rstrip()


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else one_line(str(value)).strip()
