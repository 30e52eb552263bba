"""What is on the lines of a report: sections of tables, bars and sparklines, made with rich."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from project_architect_db.reporting import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import ConsoleOptions, RenderableType

    from project_architect_db.reporting.portfolio import Portfolio, RepositoryLine
    from project_architect_db.schemas.analytics import AttentionItem

__all__ = ["rendered"]

_LEAST: Final = 60
_MOST: Final = 150
_TWO_COLUMNS: Final = 110
_MARGIN: Final = 2
_NARROW: Final = 64
_WIDE: Final = 90
_SHOWN: Final = 5

_ACCENT: Final = "cyan"
_QUIET: Final = "bright_black"
_STATUS: Final = {
    "draft": ("░", _QUIET),
    "active": ("█", _ACCENT),
    "completed": ("▓", ""),
    "archived": ("▒", _QUIET),
}


def rendered(portfolio: Portfolio, *, width: int, color: bool) -> str:
    """Return the report; see ``render_text``."""
    wide = min(max(width, _LEAST), _MOST)
    written = io.StringIO()
    console = Console(
        file=written,
        width=wide,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(Padding(_page(portfolio, wide - 2 * _MARGIN), (1, _MARGIN, 0, _MARGIN)))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def _page(portfolio: Portfolio, width: int) -> Group:
    head = [*_head(portfolio, width)]
    if not portfolio.projects.total_projects:
        hint = Text("  project-architect-db import git PATH", style="bold")
        return Group(*head, Text(), Text(words.whom(portfolio)), hint)
    sections = _Sections(portfolio)
    if width + 2 * _MARGIN < _TWO_COLUMNS:
        return Group(*head, *_stacked(sections.all(width)))
    half = (width - 4) // 2
    left, right = sections.left(half), sections.right()
    grid = Table.grid(padding=(0, 4, 0, 0), expand=True)
    grid.add_column(width=half)
    grid.add_column(width=half)
    grid.add_row(Group(*_stacked(left)), Group(*_stacked(right)))
    return Group(*head, *_stacked([sections.projects(width)]), grid)


Section = tuple[str, "RenderableType | None"]


def _stacked(sections: Sequence[Section]) -> Iterator[RenderableType]:
    """Yield the sections that have something, below each other."""
    for title, content in sections:
        if content is not None:
            yield Text()
            yield Text(title, style="bold")
            yield content


# ---- the head ------------------------------------------------------------------------------


def _head(portfolio: Portfolio, width: int) -> Iterator[RenderableType]:
    title = Table.grid(expand=True)
    title.add_column()
    title.add_column(justify="right", style=_QUIET)
    about = (
        "Portfolio" if portfolio.viewer is None else f"Portfolio of {words.shown(portfolio.viewer)}"
    )
    made = words.moment(portfolio.made_at, portfolio.made_at.tzinfo)
    title.add_row(Text(about, style=f"bold {_ACCENT}"), f"{made} {portfolio.timezone}")
    yield title
    notice = words.sample_notice(portfolio)
    if notice is not None:
        yield Text(notice, style=_QUIET)
    if portfolio.projects.total_projects:
        yield from _figures(portfolio, width)


def _figures(portfolio: Portfolio, width: int) -> Iterator[RenderableType]:
    found = portfolio.projects
    counts = {
        "projects": found.total_projects,
        "conversations": found.conversations,
        "messages": found.messages,
        "documents": found.documents,
        "repositories": found.repositories,
    }
    grid = Table.grid(padding=(0, 3 if width >= _NARROW else 1, 0, 0))
    for _ in counts:
        grid.add_column(justify="right", no_wrap=True)
    grid.add_row(*(Text(words.number(each), style="bold") for each in counts.values()))
    grid.add_row(*(Text(name, style=_QUIET) for name in counts))
    yield Text()
    yield grid
    yield Text()
    yield _status_bar(found.project_by_status, width)
    yield _legend(found.project_by_status)
    if found.finished_projects:
        yield Text(
            f"half of those completed took {words.duration(found.median_completion_time)} or less, "
            f"nine of ten {words.duration(found.p90_completion_time)}",
            style=_QUIET,
        )


def _status_bar(by_status: dict[str, int], width: int) -> Text:
    """Return a bar in which each status has its share; whoever is there has a cell at least."""
    cells = _shares(list(by_status.values()), width)
    bar = Text(no_wrap=True)
    for (status, _), count in zip(by_status.items(), cells, strict=True):
        letter, style = _STATUS[status]
        bar.append(letter * count, style=style)
    return bar


def _shares(counts: Sequence[int], cells: int) -> list[int]:
    """Return how many cells each count gets: all of them, one at least where there is some.

    >>> _shares([1, 998, 0, 1], 10)
    [1, 8, 0, 1]
    """
    total = sum(counts)
    found = [max(round(count * cells / total), 1) if count else 0 for count in counts]
    found[found.index(max(found))] += cells - sum(found)
    return found


def _legend(by_status: dict[str, int]) -> Text:
    line = Text()
    for status, count in by_status.items():
        letter, style = _STATUS[status]
        line.append(letter, style=style)
        line.append(f" {status} ")
        line.append(words.number(count), style="bold")
        line.append("   ")
    return line


# ---- the sections --------------------------------------------------------------------------


class _Sections:
    """The sections of one report, each as a title and what is below it, or None."""

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio = portfolio
        self._now = portfolio.made_at

    def all(self, width: int) -> list[Section]:
        """Return all of them, in their order."""
        return [
            self.projects(width),
            self.changes(width),
            self.attention(),
            self.phases(),
            self.lives(),
            self.repositories(),
            self.events(),
        ]

    def left(self, width: int) -> list[Section]:
        """Return those on the left of two columns."""
        return [
            self.changes(width),
            self.phases(),
            self.lives(),
            self.repositories(),
        ]

    def right(self) -> list[Section]:
        """Return those on the right."""
        return [self.attention(), self.events()]

    def projects(self, width: int) -> Section:
        """Return the projects one by one."""
        table = _table(("Project", "", 1), ("", "", 0), ("Status", "", 0))
        numbers: tuple[str, ...] = (
            ("Docs", "Commits") if width < _NARROW else ("Talks", "Docs", "Commits")
        )
        if width >= _WIDE:
            numbers = ("Talks", "Docs", "Repos", "Commits")
        for name in numbers:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("Active", justify="right", style=_QUIET, no_wrap=True)
        for line in self._portfolio.lines:
            counts = {
                "Talks": line.conversations,
                "Docs": line.documents,
                "Repos": line.repositories,
                "Commits": line.commits,
            }
            table.add_row(
                words.shown(line.name),
                _sample(is_sample=line.is_sample),
                line.status,
                *(words.number(counts[name]) for name in numbers),
                words.ago(line.last_activity, self._now),
            )
        rest = self._portfolio.projects.total_projects - len(self._portfolio.lines)
        return "Projects", _with_rest(table, rest)

    def changes(self, width: int) -> Section:
        """Return what happened in the period, beside the days before."""
        portfolio = self._portfolio
        title = words.period_title(portfolio.period)
        shown = [each for each in portfolio.changes if each.total or each.previous_total]
        if not shown:
            return title, Text("Nothing happened.", style=_QUIET)
        is_wide = width >= _NARROW
        table = _table(("", "", 1), ("", _ACCENT, 0))
        for name, style in (("Now", "bold"), ("Before", _QUIET), ("", "")):
            table.add_column(name, justify="right", style=style, no_wrap=True)
        for change in shown:
            line = words.sparkline(words.grouped(change.values, 31 if is_wide else 10))
            table.add_row(
                words.LABELS[change.name],
                line,
                words.number(change.total),
                words.number(change.previous_total),
                words.changed(change),
            )
        return title, table

    def attention(self) -> Section:
        """Return which projects need attention, and why."""
        found = self._portfolio.attention
        if not found.total:
            return "Needs attention", Text("Nothing does.", style=_QUIET)
        parts = [part for item in found.items[:_SHOWN] for part in self._needy(item)]
        return f"Needs attention ({words.number(found.total)})", _with_rest(
            Group(*parts), found.total - min(len(found.items), _SHOWN)
        )

    def _needy(self, item: AttentionItem) -> Iterator[RenderableType]:
        name = Text.assemble(("! ", f"bold {_ACCENT}"), words.shown(item.name), "  ")
        name.append_text(_sample(is_sample=self._portfolio.is_sample(item.project_id)))
        yield name
        for reason in item.reasons:
            yield Padding(Text(reason.text, style=_QUIET), (0, 0, 0, 2))

    def phases(self) -> Section:
        """Return where conversations are, how long they stay, and where they wait longest."""
        flow = self._portfolio.flow
        title = "Phases of conversations"
        if not flow.total_conversations:
            return title, None
        table = _table(("Phase", "", 0), ("", _ACCENT, 1))
        for name in ("Now in it", "Median", "p90"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        slow = {each.phase: each for each in flow.bottlenecks[:1]}
        most = max(phase.waiting for phase in flow.phases)
        for phase in flow.phases:
            table.add_row(
                words.shown(phase.phase.replace("_", " ")),
                _Bar(phase.waiting, most),
                words.number(phase.waiting),
                words.duration(phase.stays.median),
                words.duration(phase.stays.p90),
                Text("◄ slow", style=f"bold {_ACCENT}") if phase.phase in slow else Text(),
            )
        return title, Group(table, *map(self._bottleneck, slow.values()))

    def _bottleneck(self, found: Any) -> Text:
        return Text(
            f"{words.plural(found.waiting, 'conversation')} in "
            f"{words.shown(found.phase.replace('_', ' '))} have waited "
            f"{words.duration(found.average_wait)} on average: {words.percent(found.share)} of all "
            "waiting",
            style=_QUIET,
        )

    def lives(self) -> Section:
        """Return how projects go from the idea to completion."""
        table = _table(("", "", 0), ("", _ACCENT, 1))
        for name in ("Projects", "Share", "Median"):
            table.add_column(name, justify="right", no_wrap=True)
        total = self._portfolio.lives.projects
        for step in self._portfolio.lives.lifecycle:
            since = step.since_idea.median if step.name != "idea" else None
            table.add_row(
                words.STEPS[step.name],
                _Bar(step.reached, total),
                words.number(step.reached),
                words.percent(step.share),
                words.duration(since),
            )
        return "From the idea to completion", table

    def repositories(self) -> Section:
        """Return the healthiest and the weakest repositories."""
        portfolio = self._portfolio
        if not portfolio.healthiest:
            return "Health of repositories", None
        table = _table(("Healthiest", "", 2), ("", "", 0), ("", _ACCENT, 1))
        table.add_column("Score", justify="right", style="bold", no_wrap=True)
        table.add_column("", style="bold", no_wrap=True)
        for line in portfolio.healthiest:
            table.add_row(*_scored(line))
        if portfolio.weakest:
            table.add_row(Text("Weakest", style=_QUIET))
        for line in portfolio.weakest:
            table.add_row(*_scored(line))
        grades = portfolio.health.repositories_by_grade
        counts = "   ".join(f"{grade} {words.number(count)}" for grade, count in grades.items())
        unknown = portfolio.health.unscored_repositories
        unscored = f"   unknown {words.number(unknown)}" if unknown else ""
        return "Health of repositories", Group(Text(counts + unscored, style=_QUIET), table)

    def events(self) -> Section:
        """Return what happened last."""
        if not self._portfolio.events:
            return "Last activity", None
        table = _table(("", _QUIET, 0), ("", "", 2), ("", "", 0), ("", "", 3))
        table.show_header = False
        table.columns[0].justify = "right"
        for event in self._portfolio.events:
            table.add_row(
                words.ago(event.at, self._now),
                words.shown(event.project),
                _sample(is_sample=event.is_sample),
                words.event_text(event),
            )
        return "Last activity", table


# ---- parts of sections -----------------------------------------------------------------------


def _table(*columns: tuple[str, str, int]) -> Table:
    """Return a table without lines that is as wide as there is room.

    A column is given as its name, its style, and its part of the room that the others leave;
    of a part of 0 it is as wide as what is in it.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=_QUIET, expand=True)
    for name, style, part in columns:
        table.add_column(name, style=style, no_wrap=True, overflow="ellipsis", ratio=part or None)
    return table


def _scored(line: RepositoryLine) -> tuple[RenderableType, ...]:
    return (
        words.shown(line.name),
        _sample(is_sample=line.is_sample),
        _Bar(line.score, 100),
        str(line.score),
        line.grade,
    )


def _sample(*, is_sample: bool) -> Text:
    return Text("sample" if is_sample else "", style=f"italic {_QUIET}")


class _Bar:
    """A bar for ``count`` of ``most``, in the room that its column has."""

    def __init__(self, count: int, most: int) -> None:
        self._count = count
        self._most = most

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the bar."""
        yield Text(_bar(self._count, self._most, options.max_width), no_wrap=True)


def _bar(count: int, most: int, cells: int) -> str:
    """Return a bar of up to ``cells`` cells, exact to half a one.

    >>> _bar(1, 2, 4), _bar(1, 1000, 4), _bar(0, 0, 4)
    ('━━', '╸', '')
    """
    halves = max(round(count * cells * 2 / most), 1) if count else 0
    return "━" * (halves // 2) + "╸" * (halves % 2)


def _with_rest(content: RenderableType, rest: int) -> RenderableType:
    if rest <= 0:
        return content
    return Group(content, Text(f"and {words.number(rest)} more", style=_QUIET))
