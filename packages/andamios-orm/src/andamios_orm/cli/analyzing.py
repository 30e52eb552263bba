"""The command that looks a database over."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.cli.running import command
from andamios_orm.maintenance import analyze
from andamios_orm.maintenance.advice import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from andamios_orm.cli.running import Context
    from andamios_orm.core import SlowStatement
    from andamios_orm.maintenance import Analysis, IndexAnalysis, TableAnalysis

__all__ = ["analyze_command", "lines"]

_SHOWN: Final = 20
_WIDEST: Final = 100
_LONGEST: Final = 60
_TEXTS: Final = frozenset({"ON", "VERDICT"})
"""Columns beside the first that hold no figures."""


@command(examples=["analyze", "analyze --url duckdb:///shop.duckdb --json"])
async def analyze_command(context: Context) -> None:
    """Show sizes, indexes and the log of the database, and say what to do about them.

    It only reads. Foreign keys that the library keeps are looked at if the models are named.
    """
    project = context.project
    metadata = project.metadata() if project.models.value is not None else None
    async with project.existing() as database:
        with context.progress("looked at") as progress:
            found = await analyze(database, metadata=metadata, progress=progress)
    worded = context.program.worded
    found = replace(found, advice=tuple(map(worded, found.advice)))
    row = {**asdict(found), "free_share": found.free_share}
    context.show("analysis", [row], lines(found))


def lines(found: Analysis) -> Iterator[str]:
    """Yield what a person reads."""
    yield click.style(_heading(found), bold=True)
    tables = sorted(found.tables, key=lambda each: each.size or each.rows, reverse=True)
    yield from _section(_of_tables(found, tables))
    indexes = [index for table in tables for index in table.indexes]
    indexes.sort(key=lambda each: (each.fault is None, -(each.size or 0)))
    yield from _section(_of_indexes(found, indexes))
    for title, slow in (
        ("Slow in this process", found.slow_statements),
        ("Slowest on the server", found.server_statements or ()),
    ):
        yield from _section(_of_statements(title, slow))
    yield from _listed("Advice", found.advice or ["There is nothing to do."])
    yield from _listed("Not looked at", found.notes)


def _heading(found: Analysis) -> str:
    parts = []
    if found.size is not None:
        parts.append(readable(found.size))
    if found.blocks is not None:
        parts.append(f"{found.free_share:.0%} free")
    if found.log_size is not None:
        parts.append(f"{readable(found.log_size)} of log")
    count = len(found.tables)
    parts.append(f"{count} table{'s' * (count != 1)}")
    return f"{found.name} ({found.system}): {', '.join(parts)}"


def _of_tables(found: Analysis, tables: Sequence[TableAnalysis]) -> list[list[str]]:
    duckdb = found.system == "duckdb"
    rest = ["ROW GROUPS", "DELETED"] if duckdb else ["INDEXES", "DEAD", "SEQ SCANS", "INDEX SCANS"]
    rows = [["TABLE", "ROWS", "SIZE", *rest]]
    for table in tables:
        row = [f"{table.schema}.{table.name}", f"{table.rows:,}", _size(table.size)]
        share = "-" if table.deleted_rows is None else f"{table.deleted_share:.0%}"
        if duckdb:
            groups = table.row_groups
            rows.append([*row, _count(None if groups is None else groups.count), share])
        else:
            scans = [_count(table.sequential_scans), _count(table.index_scans)]
            rows.append([*row, _size(table.index_size), share, *scans])
    return rows


def _of_indexes(found: Analysis, indexes: Iterable[IndexAnalysis]) -> list[list[str]]:
    counted = found.system != "duckdb"
    rows = [["INDEX", "ON", *(["SIZE", "SCANS"] if counted else []), "VERDICT"]]
    for index in indexes:
        over = f"{index.table} ({', '.join(index.columns)})"
        figures = [_size(index.size), _count(index.scans)] if counted else []
        rows.append([index.name, over, *figures, index.fault or "ok"])
    return rows


def _of_statements(title: str, slow: Iterable[SlowStatement]) -> list[list[str]]:
    rows = [[title.upper(), "RUNS", "SECONDS", "LONGEST"]]
    for each in slow:
        text = textwrap.shorten(each.statement, _LONGEST, placeholder="…")
        rows.append([text, _count(each.count), f"{each.seconds:,.2f}", f"{each.longest:,.2f}"])
    return rows


def _section(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows in columns, figures to the right; nothing if there is only a heading."""
    if len(rows) == 1:
        return
    shown = rows[: _SHOWN + 1]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    yield ""
    for number, row in enumerate(shown):
        cells = zip(row, rows[0], widths, strict=True)
        line = "  ".join(
            cell.ljust(width) if name in _TEXTS or name == rows[0][0] else cell.rjust(width)
            for cell, name, width in cells
        ).rstrip()
        yield click.style(line, bold=True) if number == 0 else line
    if len(rows) > len(shown):
        yield f"and {len(rows) - len(shown):,} more: --json has all"


def _listed(title: str, sentences: Iterable[str]) -> Iterator[str]:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    for number, sentence in enumerate(sentences):
        if number == 0:
            yield from ("", click.style(title, bold=True))
        yield textwrap.fill(
            sentence,
            width,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _size(size: int | None) -> str:
    return "-" if size is None else readable(size)


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
