"""Write the figures of a result into the pages of the documentation.

``python -m benchmarks.page RESULT.json`` replaces what stands between the two marks of the
page of each package that was measured.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.suites import SUITES, Suite, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main", "written"]

BEGIN = "<!-- figures: begin -->\n"
END = "<!-- figures: end -->\n"


def written(suite: Suite, page: str, result: report.Result) -> str:
    """Return the text of the ``page`` of a suite with the figures of ``result``."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = "".join(f"{line}\n" for line in _lines(suite, result))
    return f"{before}{BEGIN}{figures}{END}{after}"


def _lines(suite: Suite, result: report.Result) -> Iterator[str]:
    figures = figures_of(suite.modules)
    yield "Measured with " + ", ".join(
        f"{name} {value}" for name, value in result.environment.items()
    )
    yield ""
    yield from report.table(result, figures)
    yield ""
    yield f"{report.summary(result, figures)}."
    yield ""
    others = list(report.comparison(result, figures))
    if others:
        yield "### Others"
        yield ""
        yield from others
    for figure in result.chosen(figures):
        if engine := report.above_target(result, figure):
            yield ""
            yield f"*{figure.title}*: {engine}."


def main(path: str) -> None:
    """Write the figures of the result at ``path`` into the pages."""
    result = report.Result.read(Path(path))
    for suite in SUITES:
        if result.chosen(figures_of(suite.modules)):
            page = suite.page.read_text(encoding="utf-8")
            suite.page.write_text(written(suite, page, result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
