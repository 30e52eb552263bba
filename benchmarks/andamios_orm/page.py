"""Write the figures of a result into the page of the documentation.

``python -m benchmarks.andamios_orm.page RESULT.json`` replaces what stands
between the two marks of ``docs/reference/performance.md``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.andamios_orm import report
from benchmarks.andamios_orm.__main__ import MODULES, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PAGE", "written"]

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "performance.md"
BEGIN = "<!-- figures: begin -->\n"
END = "<!-- figures: end -->\n"


def written(page: str, result: report.Result) -> str:
    """Return the text of ``page`` with the figures of ``result``."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = "".join(f"{line}\n" for line in _lines(result))
    return f"{before}{BEGIN}{figures}{END}{after}"


def _lines(result: report.Result) -> Iterator[str]:
    figures = figures_of(MODULES)
    yield "Measured with " + ", ".join(
        f"{name} {value}" for name, value in result.environment.items()
    )
    yield ""
    yield from report.table(result, figures)
    yield ""
    yield f"{report.summary(result, figures)}."
    yield ""
    yield "### Others"
    yield ""
    yield from report.comparison(result, figures)
    for figure in result.chosen(figures):
        if engine := report.above_target(result, figure):
            yield ""
            yield f"*{figure.title}*: {engine}."


if __name__ == "__main__":
    PAGE.write_text(
        written(PAGE.read_text(encoding="utf-8"), report.Result.read(Path(sys.argv[1]))),
        encoding="utf-8",
    )
