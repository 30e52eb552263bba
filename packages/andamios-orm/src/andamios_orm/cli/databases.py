"""The commands for the database itself."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import rich_click as click

from andamios_orm.cli import checking, drawing
from andamios_orm.cli.running import FAILED, command
from andamios_orm.cli.shell import shell_command
from andamios_orm.core.lines import in_place
from andamios_orm.core.reading import read
from andamios_orm.maintenance import backup, restore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from andamios_orm.cli.running import Context

FORMATS = ("table", "json", "ndjson", "csv", "markdown", "parquet")
DIAGRAMS = ("sql", "svg", "mermaid", "dot")


@command(
    examples=[
        "query 'SELECT 1 AS one'",
        "query 'SELECT * FROM book' --format csv --output books.csv",
        "query - < report.sql",
    ]
)
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    help=f"One of {', '.join(FORMATS)}.",
)
@click.option("--output", "-o", metavar="FILE", help="Write to FILE, which must not exist.")
async def query_command(context: Context, sql: str, *, form: str, output: str | None) -> None:
    """Run SQL that only reads, and print the rows; - reads it from the standard input."""
    statement = sys.stdin.read() if sql == "-" else sql
    form = "json" if context.as_json else form
    async with context.database() as database:
        names, rows = await read(database, statement)
    if form == "parquet":
        _write_parquet(names, rows, output)
        return
    printed = _FORMS[form](names, rows)
    if output is None:
        click.echo(printed, nl=False)
    else:
        _write(printed, output)
    context.say(f"{len(rows)} row{'s' * (len(rows) != 1)}")


def _as_json(names: Sequence[str], rows: Sequence[Any]) -> str:
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return json.dumps({"schema_version": 1, "rows": found}, indent=2, default=str) + "\n"


def _as_lines(names: Sequence[str], rows: Sequence[Any]) -> str:
    found = (dict(zip(names, row, strict=True)) for row in rows)
    return "".join(f"{json.dumps(row, default=str)}\n" for row in found)


def _as_csv(names: Sequence[str], rows: Sequence[Any]) -> str:
    text_ = io.StringIO(newline="")
    writer = csv.writer(text_, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text_.getvalue()


def _as_markdown(names: Sequence[str], rows: Sequence[Any]) -> str:
    def line(cells: Sequence[Any]) -> str:
        return f"| {' | '.join(_cell(cell).replace('|', chr(92) + '|') for cell in cells)} |\n"

    return line(names) + line(["---"] * len(names)) + "".join(map(line, rows))


def _as_table(names: Sequence[str], rows: Sequence[Any]) -> str:
    cells = [[_cell(value) for value in row] for row in (names, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _cell(value: Any) -> str:
    return "" if value is None else in_place(str(value))


def _write(printed: str, output: str) -> None:
    with Path(output).open("x", encoding="utf-8") as file:
        file.write(printed)


def _write_parquet(names: Sequence[str], rows: Sequence[Any], output: str | None) -> None:
    if output is None:
        raise click.UsageError("Parquet is for a file: pass --output FILE")
    from andamios_orm.exceptions import MissingExtra

    try:
        from pyarrow import parquet
        from pyarrow.lib import Table, array
    except ImportError as error:
        raise MissingExtra("pyarrow is not installed: pip install 'andamios-orm[arrow]'") from error
    columns = [array([row[at] for row in rows]) for at in range(len(names))]
    with Path(output).open("xb") as file:
        parquet.write_table(Table.from_arrays(columns, names=list(names)), file)  # type: ignore[no-untyped-call]  # pyarrow's own


_FORMS = {
    "table": _as_table,
    "json": _as_json,
    "ndjson": _as_lines,
    "csv": _as_csv,
    "markdown": _as_markdown,
}


@command(examples=["schema", "schema --format mermaid", "schema --format svg --output models.svg"])
@click.option(
    "--format",
    "form",
    type=click.Choice(DIAGRAMS),
    default="sql",
    help=f"One of {', '.join(DIAGRAMS)}.",
)
@click.option("--output", "-o", metavar="FILE", help="Write to FILE, which must not exist.")
async def schema_command(context: Context, *, form: str, output: str | None) -> None:
    """Print the tables of the models, as SQL or as a diagram."""
    metadata = context.project.metadata()
    async with context.project.database() as database:
        drawn = drawing.drawn(metadata, form, database.engine.dialect)
    if output is None:
        click.echo(drawn)
    else:
        _write(f"{drawn}\n", output)


@command(examples=["backup shop-monday.duckdb", "backup shop-monday --format open"])
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["file", "open"]),
    default="file",
    help="A DuckDB file, or a folder with a schema, Parquet files and their checksums.",
)
async def backup_command(context: Context, target: Path, *, form: Literal["file", "open"]) -> None:
    """Copy a DuckDB file to TARGET while others write; the copy is opened and counted."""
    async with context.project.existing() as database:
        copy = await backup(database, target, form=form)
    rows = [{"path": str(copy.path), "size": copy.size, "sha256": copy.digest, "rows": copy.rows}]
    context.show("backup", rows, [f"{copy.path} {copy.size} bytes, {sum(copy.rows.values())} rows"])


@command(
    destructive=True,
    examples=[
        "restore shop-monday.duckdb shop.duckdb --dry-run",
        "restore shop-monday.duckdb shop.duckdb --yes",
    ],
)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Look the copy through; change nothing.")
async def restore_command(context: Context, source: Path, target: Path, *, dry_run: bool) -> None:
    """Put a copy, SOURCE, in the place of a DuckDB file; the file that was there is kept.

    SOURCE is a copy of either form.
    """
    kept = f"{target}, which is kept as {target.name}.replaced"
    is_there = target.exists()  # noqa: ASYNC240 - nothing else waits
    if is_there and dry_run:
        context.say(f"this would replace {kept}")
    elif is_there:
        context.confirm(f"this replaces {kept}")
    restored = await restore(source, target, overwrite=True, dry_run=dry_run)
    rows = [{"path": str(target), "size": restored.size, "rows": restored.rows}]
    context.show("restored", rows, [f"{target} {sum(restored.rows.values())} rows"])


@command(examples=["doctor", "doctor --json"])
async def doctor_command(context: Context) -> int:
    """Look for what is wrong, and say how to mend it."""
    findings = [finding async for finding in checking.findings(context.project)]
    rows = [
        {"check": each.check, "state": each.state, "found": each.found, "remedy": each.remedy}
        for each in findings
    ]
    context.show("findings", rows, map(str, findings))
    return FAILED if any(each.state == "fail" for each in findings) else 0


COMMANDS: Final = {
    str(each.name): each
    for each in (
        query_command,
        schema_command,
        shell_command,
        backup_command,
        restore_command,
        doctor_command,
    )
}
