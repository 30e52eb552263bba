"""The command that finds words in projects, conversations, documents and repositories."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import rich_click as click
from sqlalchemy import select

from andamios_orm.cli.asking import asked
from andamios_orm.cli.running import command
from project_architect_db.cli.asking import (
    console,
    moment,
    project_id,
    shown,
    viewer_option,
)
from project_architect_db.models import DocumentType, Project
from project_architect_db.repositories import SearchRepository
from project_architect_db.schemas.search import SearchKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from andamios_orm.cli.running import Context
    from andamios_orm.core import Database
    from project_architect_db.schemas.search import SearchHit, SearchResults

__all__ = ["COMMANDS"]


@command(
    examples=[
        "search scaffolds",
        "search '\"sells scaffolds\" -paint' --kind document --type readme",
        "search scaf* --project shop --since 30d --json",
    ]
)
@click.argument("text", metavar="TEXT...", nargs=-1, required=True)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in SearchKind]),
    help="Only these; it may be repeated.",
)
@click.option("--project", metavar="ID|NAME", help="Only what belongs to it.")
@click.option(
    "--type",
    "doc_type",
    type=click.Choice([kind.value for kind in DocumentType]),
    help="Only such documents.",
)
@click.option("--since", metavar="TIME", help="Changed since: 2026-01-31, or 30d, 4w, 6m, 1y ago.")
@click.option("--until", metavar="TIME", help="Changed before.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=10, help="So many hits, 10.")
@viewer_option
async def search_command(  # noqa: PLR0913 - one for each option
    context: Context,
    text: tuple[str, ...],
    *,
    kinds: tuple[str, ...],
    project: str | None,
    doc_type: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    viewer: str | None,
) -> None:
    """Find words in projects, conversations, documents and repositories, the best first.

    All words of TEXT have to be there: "in quotes" is a phrase, proj* a beginning, and -draft is
    not wanted. Where little is found, words that differ in a letter or two are looked for as well.
    """
    begin, end = moment(since), moment(until)
    async with context.database() as database:
        with asked():
            found = await SearchRepository(database, viewer=viewer).search(
                " ".join(text),
                kinds=kinds or None,
                project_id=await project_id(database, project, viewer),
                doc_type=doc_type,
                since=begin,
                until=end,
                limit=limit,
            )
        names = await _names(database, found.hits)
    if context.as_json:
        click.echo(json.dumps({"schema_version": 1, **found.model_dump(mode="json")}, indent=2))
    else:
        for line in _lines(found.hits, names):
            console().print(line, soft_wrap=True)
    context.say(_summary(found))


async def _names(database: Database, hits: Sequence[SearchHit]) -> dict[int, str]:
    """Return what the projects of hits are called."""
    statement = select(Project.id, Project.name).where(
        Project.id.in_({hit.project_id for hit in hits})
    )
    async with database.session() as session:
        return {row.id: row.name for row in await session.execute(statement)}


def _lines(hits: Sequence[SearchHit], names: dict[int, str]) -> Iterator[Text]:
    """Yield two lines for each hit: what it is, and a piece of its text."""
    from rich.text import Text

    for hit in hits:
        title = shown(hit.title) or f"{hit.kind} {hit.id}"
        what = hit.kind if hit.doc_type is None else f"{hit.kind}, {hit.doc_type}"
        where = [f"{what} {hit.id}", f"{hit.changed_at:%Y-%m-%d}"]
        if hit.kind != SearchKind.PROJECT:
            where.insert(1, shown(names.get(hit.project_id, "")))
        yield Text.assemble((title, "bold"), "  ", (" · ".join(where), "dim"))
        piece = Text("    " + hit.plain)
        for begin, end in hit.places:
            piece.stylize("bold yellow", begin + 4, end + 4)
        yield piece


def _summary(found: SearchResults) -> str:
    """Return how much there is, and what else might have been meant."""
    shown_of = f"{len(found.hits)} of " if found.total > len(found.hits) else ""
    count = f"{shown_of}{found.total:,} hit{'s' * (found.total != 1)}"
    tolerant = ", also of similar words" if found.is_tolerant and found.hits else ""
    meant = f"; did you mean {found.did_you_mean}?" if found.did_you_mean else ""
    return (count if found.hits else "nothing was found") + tolerant + meant


COMMANDS: Final = {each.name: each for each in (search_command,)}
