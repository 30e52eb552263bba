"""The sections of the page, each a heading, what it says, and the figures behind its charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from project_architect_db.reporting import words
from project_architect_db.reporting.charts import bar, columns, line
from project_architect_db.reporting.markup import Html, joined, tag

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from project_architect_db.reporting.portfolio import (
        Change,
        Event,
        Portfolio,
        ProjectLine,
        RepositoryLine,
    )
    from project_architect_db.schemas.analytics import (
        AttentionItem,
        PhaseFlow,
        TimePoint,
        TimeSeriesData,
    )
    from project_architect_db.schemas.analytics.statistics import NamedCount

__all__ = ["all_of", "title_of"]

_SHOWN: Final = 6
_MOST: Final = 5
_LEAST: Final = 12


def title_of(portfolio: Portfolio) -> str:
    """Return what the page is called."""
    if portfolio.viewer is None:
        return "Portfolio"
    return f"Portfolio of {words.shown(portfolio.viewer)}"


def all_of(portfolio: Portfolio) -> Iterator[Html]:
    """Yield the sections that have something to show, in their order."""
    yield _projects(portfolio)
    if portfolio.commits.total:
        yield _commits(portfolio.commits)
    yield tag("div", *_left(portfolio), class_="column")
    yield tag("div", *_right(portfolio), class_="column")
    if portfolio.events:
        yield _events(portfolio)


def _left(portfolio: Portfolio) -> Iterator[Html]:
    yield _attention(portfolio)
    if portfolio.flow.total_conversations:
        yield _phases(portfolio)
    if portfolio.healthiest:
        yield _health(portfolio)


def _right(portfolio: Portfolio) -> Iterator[Html]:
    yield _changes(portfolio)
    yield _lives(portfolio)
    if portfolio.created.total or portfolio.completed.total:
        yield _months(portfolio)
    if portfolio.projects.top_frameworks or portfolio.health.languages:
        yield _built_with(portfolio)


# ---- projects ------------------------------------------------------------------------------


def _projects(portfolio: Portfolio) -> Html:
    heads = (
        *(("Project", ""), ("Status", "")),
        *(("Conversations", "n roomy"), ("Documents", "n roomy"), ("Repositories", "n roomy")),
        *(("Commits", "n roomy"), ("Last active", "n")),
    )
    rows = (_project(each, portfolio) for each in portfolio.lines)
    rest = portfolio.projects.total_projects - len(portfolio.lines)
    return _section(
        "Projects", None, _table("Projects", heads, rows), _more(rest, "project"), wide=True
    )


def _project(project: ProjectLine, portfolio: Portfolio) -> Html:
    counts = (project.conversations, project.documents, project.repositories, project.commits)
    return tag(
        "tr",
        _name(project.name, is_sample=project.is_sample),
        tag("td", project.status),
        *(tag("td", words.number(count), class_="n roomy") for count in counts),
        tag("td", words.ago(project.last_activity, portfolio.made_at), class_="n"),
    )


# ---- what happened ---------------------------------------------------------------------------


def _changes(portfolio: Portfolio) -> Html:
    period = portfolio.period
    title = words.period_title(period)
    shown = [each for each in portfolio.changes if each.total or each.previous_total]
    if not shown:
        return _section(title, "Nothing happened.")
    heads = (("", ""), ("", "picture"), ("Now", "n"), ("Before", "n roomy"), ("Change", "n"))
    about = f"Beside the {words.plural(period.days, 'day')} before."
    return _section(title, about, _table(title, heads, map(_change, shown)))


def _change(change: Change) -> Html:
    return tag(
        "tr",
        tag("th", words.LABELS[change.name], scope="row"),
        tag("td", line(words.grouped(change.values, 31)), class_="picture"),
        tag("td", words.number(change.total), class_="n strong"),
        tag("td", words.number(change.previous_total), class_="n roomy"),
        tag("td", _said(words.changed(change)), class_="n"),
    )


def _said(change: str) -> Html:
    """Return a change with its arrow in words for those who do not see it."""
    arrow, _, rest = change.partition(" ")
    spoken = {"▲": "up", "▼": "down"}.get(arrow)
    if spoken is None:
        return joined(change)
    return joined(
        tag("span", f"{arrow} ", aria_hidden="true"),
        tag("span", f"{spoken} ", class_="hidden"),
        rest,
    )


def _commits(series: TimeSeriesData) -> Html:
    points = series.points[_quiet(series) :]
    values = [point.value for point in points]
    busiest = max(points, key=lambda point: point.value)
    label = (
        f"Commits in each of {len(values)} weeks: {words.number(series.total)} in all, most in "
        f"the week of {words.day(busiest.start.date())} with {words.number(busiest.value)}"
    )
    rows = (
        _figures_row(words.day(point.start.date()), [words.number(point.value)]) for point in points
    )
    return _section(
        "Commits by week",
        f"{label}.",
        tag("figure", columns(values, label), _axis(points, words.day)),
        _behind("Commits by week", ("Week of", "Commits"), rows),
        wide=True,
    )


def _months(portfolio: Portfolio) -> Html:
    created, completed = portfolio.created, portfolio.completed
    first = min(_quiet(created), _quiet(completed))
    points = created.points[first:]
    begun = [point.value for point in points]
    done = [point.value for point in completed.points[first:]]
    label = (
        f"Projects by month, {len(begun)} months: {words.number(created.total)} started, "
        f"{words.number(completed.total)} completed"
    )
    keys = tag("ul", _key("then", "started"), _key("now", "completed"), class_="legend")
    rows = (
        _figures_row(_month(point.start.date()), [words.number(point.value), words.number(value)])
        for point, value in zip(points, done, strict=True)
    )
    return _section(
        "Projects by month",
        f"{label}.",
        tag("figure", columns(done, label, begun), _axis(points, _month), keys),
        _behind("Projects by month", ("Month", "Started", "Completed"), rows),
    )


def _quiet(series: TimeSeriesData) -> int:
    """Return how many steps to leave out, before which nothing had happened: not all of them."""
    empty = next((at for at, point in enumerate(series.points) if point.value), _LEAST)
    return min(empty, len(series.points) - _LEAST)


def _month(date: dt.date) -> str:
    return f"{date:%b %Y}"


def _axis(points: Sequence[TimePoint], shown: Callable[[dt.date], str]) -> Html:
    """Return the first, the middle and the last step, below a chart."""
    chosen = (points[0], points[len(points) // 2], points[-1])
    ends = (tag("span", shown(point.start.date())) for point in chosen)
    return tag("div", *ends, class_="axis", aria_hidden="true")


def _events(portfolio: Portfolio) -> Html:
    heads = (("When", ""), ("Project", ""), ("What", ""))
    rows = (_event(each, portfolio) for each in portfolio.events)
    title = "Last activity"
    return _section(title, None, _table(title, heads, rows, kind="events"), wide=True)


def _event(event: Event, portfolio: Portfolio) -> Html:
    return tag(
        "tr",
        tag("td", words.ago(event.at, portfolio.made_at)),
        _name(event.project, is_sample=event.is_sample),
        tag("td", tag("bdi", words.event_text(event)), class_="name"),
    )


# ---- what needs attention ----------------------------------------------------------------------


def _attention(portfolio: Portfolio) -> Html:
    found = portfolio.attention
    title = "Needs attention"
    if not found.total:
        return _section(title, "No project does: no build has failed, nobody waits unusually long.")
    about = f"{words.plural(found.total, 'project')}, those with most reasons first."
    items = (_needy(item, portfolio) for item in found.items[:_SHOWN])
    rest = found.total - min(len(found.items), _SHOWN)
    return _section(title, about, tag("ul", *items, class_="items"), _more(rest, "project"))


def _needy(item: AttentionItem, portfolio: Portfolio) -> Html:
    reasons = (tag("li", reason.text) for reason in item.reasons)
    return tag(
        "li",
        tag("bdi", words.shown(item.name)),
        _tag(is_sample=portfolio.is_sample(item.project_id)),
        tag("ul", *reasons),
    )


# ---- how things go -------------------------------------------------------------------------------


def _phases(portfolio: Portfolio) -> Html:
    flow = portfolio.flow
    slowest = flow.bottlenecks[0] if flow.bottlenecks else None
    most = max(phase.waiting for phase in flow.phases)
    about = "How many conversations are in each phase, and how long those took that have left it."
    if slowest is not None:
        about = (
            f"Most time is lost in {_phase_name(slowest.phase)}: "
            f"{words.plural(slowest.waiting, 'conversation')} there have waited "
            f"{words.duration(slowest.average_wait)} on average, which is "
            f"{words.percent(slowest.share)} of all waiting."
        )
    heads = (("Phase", ""), ("", "picture roomy"), ("Now", "n"), ("Median", "n"), ("p90", "n"))
    name = None if slowest is None else slowest.phase
    rows = (_phase(each, most, is_slowest=each.phase == name) for each in flow.phases)
    title = "Phases of conversations"
    return _section(title, about, _table(title, heads, rows))


def _phase(phase: PhaseFlow, most: int, *, is_slowest: bool) -> Html:
    mark = tag("span", "bottleneck", class_="mark") if is_slowest else Html()
    return tag(
        "tr",
        tag("th", tag("bdi", _phase_name(phase.phase)), mark, scope="row", class_="name"),
        tag("td", bar(phase.waiting, most), class_="picture roomy"),
        tag("td", words.number(phase.waiting), class_="n strong"),
        tag("td", words.duration(phase.stays.median), class_="n"),
        tag("td", words.duration(phase.stays.p90), class_="n"),
    )


def _phase_name(phase: str) -> str:
    return words.shown(phase.replace("_", " "))


def _lives(portfolio: Portfolio) -> Html:
    total = portfolio.lives.projects
    heads = (("", ""), ("", "picture roomy"), ("Projects", "n"), ("Share", "n"), ("Median", "n"))
    rows = (
        tag(
            "tr",
            tag("th", words.STEPS[step.name], scope="row"),
            tag("td", bar(step.reached, total), class_="picture roomy"),
            tag("td", words.number(step.reached), class_="n strong"),
            tag("td", words.percent(step.share), class_="n"),
            tag("td", words.duration(_since(step.name, step.since_idea.median)), class_="n"),
        )
        for step in portfolio.lives.lifecycle
    )
    title = "From the idea to completion"
    about = "How many projects have come so far, and how long after the idea half of them had."
    return _section(title, about, _table(title, heads, rows))


def _since(step: str, median: float | None) -> float | None:
    return None if step == "idea" else median


def _health(portfolio: Portfolio) -> Html:
    found = portfolio.health
    grades = ", ".join(
        f"{words.number(n)} {grade}" for grade, n in found.repositories_by_grade.items()
    )
    about = f"Grades: {grades}."
    if found.unscored_repositories:
        about += f" Nothing is known yet about {words.number(found.unscored_repositories)}."
    title = "Health of repositories"
    parts = [_scores("Healthiest", portfolio.healthiest)]
    if portfolio.weakest:
        parts.append(_scores("Weakest", portfolio.weakest))
    return _section(title, about, *parts)


def _scores(title: str, found: Iterable[RepositoryLine]) -> Html:
    heads = ((title, ""), ("", "picture roomy"), ("Score", "n"), ("Grade", "n"))
    rows = (
        tag(
            "tr",
            _name(each.name, is_sample=each.is_sample),
            tag("td", bar(each.score, 100), class_="picture roomy"),
            tag("td", str(each.score), class_="n strong"),
            tag("td", each.grade, class_="n"),
        )
        for each in found
    )
    return _table(f"{title} repositories", heads, rows, kind="even")


def _built_with(portfolio: Portfolio) -> Html:
    parts = []
    for title, found in (
        ("Frameworks of projects", portfolio.projects.top_frameworks),
        ("Languages of repositories", portfolio.health.languages),
    ):
        if found:
            parts.append(_counts(title, found[:_MOST]))
    return _section("Built with", None, *parts)


def _counts(title: str, found: Sequence[NamedCount]) -> Html:
    most = max(each.count for each in found)
    rows = (
        tag(
            "tr",
            tag("th", tag("bdi", words.shown(each.name)), scope="row", class_="name"),
            tag("td", bar(each.count, most), class_="picture"),
            tag("td", words.number(each.count), class_="n strong"),
        )
        for each in found
    )
    heads = ((title, ""), ("", "picture"), ("Number", "n"))
    return _table(title, heads, rows, kind="even")


# ---- parts of sections -----------------------------------------------------------------------


def _section(title: str, about: str | None, *parts: Html, wide: bool = False) -> Html:
    said = Html() if about is None else tag("p", about, class_="quiet")
    return tag("section", tag("h2", title), said, *parts, class_="wide" if wide else None)


def _table(
    caption: str,
    heads: Iterable[tuple[str, str]],
    rows: Iterable[Html],
    *,
    kind: str | None = None,
) -> Html:
    cells = (
        tag("th", name, scope="col", class_=column or None)
        if name
        else tag("td", class_=column or None)
        for name, column in heads
    )
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption, class_="hidden"),
            tag("thead", tag("tr", *cells)),
            tag("tbody", *rows),
            class_=kind,
        ),
        class_="scroll",
    )


def _behind(title: str, heads: Sequence[str], rows: Iterable[Html]) -> Html:
    named = [(heads[0], ""), *((name, "n") for name in heads[1:])]
    return tag("details", tag("summary", "Show the figures"), _table(title, named, rows))


def _figures_row(name: str, figures: Iterable[str]) -> Html:
    cells = (tag("td", each, class_="n") for each in figures)
    return tag("tr", tag("th", name, scope="row"), *cells)


def _name(name: str, *, is_sample: bool) -> Html:
    shown = tag("bdi", words.shown(name))
    return tag("th", shown, _tag(is_sample=is_sample), scope="row", class_="name")


def _tag(*, is_sample: bool) -> Html:
    return tag("span", "sample", class_="tag") if is_sample else Html()


def _key(kind: str, name: str) -> Html:
    return tag("li", tag("span", class_=f"key {kind}", aria_hidden="true"), name)


def _more(rest: int, name: str) -> Html:
    if rest <= 0:
        return Html()
    return tag("p", f"And {words.plural(rest, name)} more.", class_="more")
