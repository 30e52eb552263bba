"""Write the figures of a result into the pages of the documentation.

They replace what stands between the two marks of the page of each package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.suites import Suite, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["write", "written"]

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


def write(suites: Sequence[Suite], result: report.Result) -> Iterator[str]:
    """Write the page of each suite that was measured; yield what became of it."""
    for suite in suites:
        figures = figures_of(suite.modules)
        measured = result.chosen(figures)
        if not measured:
            continue
        page = suite.page.read_text(encoding="utf-8")
        suite.page.write_text(written(suite, page, result), encoding="utf-8")
        missing = [figure.name for figure in figures if figure not in measured]
        lacking = f"; not measured: {', '.join(missing)}" if missing else ""
        yield f"written: {suite.page.name}{lacking}"
