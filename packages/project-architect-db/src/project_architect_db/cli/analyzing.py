"""The command that answers with figures."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final, Literal

import rich_click as click

from andamios_orm.cli.asking import asked
from andamios_orm.cli.running import command
from andamios_orm.queries.export import required
from project_architect_db.analytics.metrics import metric_of
from project_architect_db.cli import figures
from project_architect_db.cli.asking import console, moment, viewer_option, whole_steps
from project_architect_db.cli.files import opened
from project_architect_db.repositories import AnalyticsRepository
from project_architect_db.schemas.analytics.periods import zone_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from andamios_orm.cli.running import Context
    from project_architect_db.schemas.analytics import AnalyticsResult

__all__ = ["COMMANDS", "METHODS"]

METHODS: Final = {
    "dashboard": "dashboard",
    "attention": "needs_attention",
    "projects": "project_analytics",
    "conversations": "conversation_metrics",
    "flow": "conversation_flow_analysis",
    "documents": "document_usage_stats",
    "repositories": "repository_health_metrics",
    "lifecycle": "cross_entity_analytics",
    "series": "time_series_analysis",
}
"""What can be asked, and the methods of ``AnalyticsRepository`` that answer."""
_WITHOUT_RANGE: Final = frozenset({"dashboard", "attention"})
_EXTRA: Final = "'project-architect-db[arrow]'"
Form = Literal["table", "json", "csv", "parquet", "arrow"]


@command(
    examples=[
        "analyze",
        "analyze projects --since 1y --show-sql",
        "analyze series --metric messages --granularity week --since 90d --compare",
        "analyze flow --timezone Europe/Madrid --format csv --output flow.csv",
    ]
)
@click.argument("method", required=False, type=click.Choice(list(METHODS)))
@click.option("--metric", metavar="NAME", help="Of series: what is counted.")
@click.option("--granularity", metavar="STEP", help="Of series: hour, day, week, month ... year.")
@click.option("--compare", is_flag=True, help="Of series: beside the time before.")
@click.option("--since", metavar="TIME", help="From then on: 2026-01-31, or 30d, 4w, 6m, 1y ago.")
@click.option("--until", metavar="TIME", help="Before then.")
@click.option("--timezone", metavar="NAME", default="UTC", help="In which days begin; UTC.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "parquet", "arrow"]),
    default="table",
    help="What to print or write; a table.",
)
@click.option("--output", "-o", metavar="FILE", default="-", help="Write to FILE; - is stdout.")
@click.option("--replace", is_flag=True, help="Take the place of a file that is there.")
@click.option("--show-sql", is_flag=True, help="Say which statements the figures are from.")
@viewer_option
async def analyze_command(  # noqa: PLR0913 - one for each option
    context: Context,
    method: str | None,
    *,
    metric: str | None,
    granularity: str | None,
    compare: bool,
    since: str | None,
    until: str | None,
    timezone: str,
    form: Form,
    output: str,
    replace: bool,
    show_sql: bool,
    viewer: str | None,
) -> None:
    """Show figures: the dashboard, or those of METHOD.

    METHOD is dashboard, attention, projects, conversations, flow (through phases), documents,
    repositories (their health), lifecycle (of projects), or series (a metric over time).
    """
    form = "json" if context.as_json else form
    given = {"metric": metric, "granularity": granularity, "compare": compare or None}
    chosen = _method(method, [name for name, value in given.items() if value is not None])
    granularity, metric = granularity or "day", metric or "messages"
    with asked():
        zone = zone_of(timezone)
        metric_of(metric, granularity)
    period = (moment(since, zone), moment(until, zone))
    if compare:
        period = whole_steps(granularity, since, until, zone)
    if chosen in _WITHOUT_RANGE and period != (None, None):
        raise click.UsageError(f"{chosen} is about now: --since and --until are for the others")
    options: dict[str, Any] = {} if chosen in _WITHOUT_RANGE else {"date_range": period}
    if chosen == "series":
        options |= {"metric": metric, "granularity": granularity, "compare": compare}
    async with context.database() as database:
        figures_of = AnalyticsRepository(database, viewer=viewer, timezone=timezone)
        with asked():
            result = await getattr(figures_of, METHODS[chosen])(**options)
    _write(result, form, output, replace=replace, show_sql=show_sql)


def _method(method: str | None, of_series: Sequence[str]) -> str:
    """Return what is asked; options of a series ask for one."""
    if of_series and method not in {None, "series"}:
        raise click.UsageError(f"--{of_series[0]} is for series, not for {method}")
    return method or ("series" if of_series else "dashboard")


def _write(
    result: AnalyticsResult, form: Form, output: str, *, replace: bool, show_sql: bool
) -> None:
    """Print the figures, or write them to a file."""
    if form == "table":
        if output != "-":
            raise click.UsageError("a table is for people: pass --format for what goes to a file")
        figures.show(console(), result)
    else:
        with opened(output, form, replace=replace) as file:
            file.write(_encoded(result, form, show_sql=show_sql))
    if show_sql and form != "json":
        for each in result.sql:
            click.echo(f"-- {each.parameters}\n{each.sql};\n", err=True)


def _encoded(result: AnalyticsResult, form: Form, *, show_sql: bool) -> bytes:
    """Return the figures as bytes of a form."""
    if form == "csv":
        return result.to_csv().encode()
    if form == "json":
        found = {"schema_version": 1, "analysis": result.model_dump(mode="json")}
        if show_sql:
            found["sql"] = [each.model_dump(mode="json") for each in result.sql]
        return json.dumps(found, indent=2).encode() + b"\n"
    table = result.to_arrow()
    written = io.BytesIO()
    if form == "parquet":
        required("pyarrow.parquet", _EXTRA).write_table(table, written)
    else:
        with required("pyarrow.ipc", _EXTRA).new_stream(written, table.schema) as writer:
            writer.write_table(table)
    return written.getvalue()


COMMANDS: Final = {each.name: each for each in (analyze_command,)}
