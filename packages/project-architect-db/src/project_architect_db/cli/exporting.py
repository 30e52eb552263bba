"""The command that writes rows to a file, or to what reads the standard output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click
from sqlalchemy import select, types

from andamios_orm.cli.asking import asked
from andamios_orm.cli.running import command
from andamios_orm.exceptions import UnknownField
from andamios_orm.queries.fields import mapper_of, plain_type
from andamios_orm.queries.files import FORMS
from andamios_orm.queries.grammar import QueryGrammar
from project_architect_db.cli.asking import viewer_option
from project_architect_db.cli.files import STDOUT, opened
from project_architect_db.models import Conversation, ConversationMessage, Project
from project_architect_db.repositories import (
    BaseRepository,
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)
from project_architect_db.repositories.base import visible_projects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from andamios_orm.cli.running import Context
    from andamios_orm.queries.files import Form
    from andamios_orm.repositories.reading import Condition

__all__ = ["COMMANDS"]

_ENDINGS: Final[dict[str, Form]] = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
}


class _Messages(BaseRepository[ConversationMessage]):
    """The messages of conversations that are not deleted, as a viewer may see them."""

    model = ConversationMessage

    def scope(self) -> Sequence[Condition]:
        """Return the condition that their conversation may be seen."""
        seen = select(Conversation.id).where(Conversation.deleted_at.is_(None))
        if self.viewer is not None:
            projects = select(Project.id).where(visible_projects(self.viewer))
            seen = seen.where(Conversation.project_id.in_(projects))
        return (ConversationMessage.conversation_id.in_(seen),)


_ENTITIES: Final[dict[str, type[BaseRepository[Any]]]] = {
    "projects": ProjectRepository,
    "conversations": ConversationRepository,
    "messages": _Messages,
    "documents": DocumentRepository,
    "repositories": RepositoryRepository,
}


@command(
    examples=[
        "export projects",
        "export documents --output documents.parquet --viewer ana",
        "export projects --status active --where created_at__ge=2026-01-01 --format ndjson",
        "export messages --columns time,role,content --sort=-time --limit 100 --output -",
    ]
)
@click.argument("entity", type=click.Choice(list(_ENTITIES)))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="By default what the name of the file ends with, else csv.",
)
@click.option("--output", "-o", metavar="FILE", default=STDOUT, help="Write to FILE; - is stdout.")
@click.option("--replace", is_flag=True, help="Take the place of a file that is there.")
@click.option("--columns", metavar="NAME,...", help="Only these, in this order.")
@click.option("--status", help="The same as --where status=...")
@click.option(
    "--where",
    "conditions",
    metavar="FIELD[__OP]=VALUE",
    multiple=True,
    help="Only such rows: status=active, name__icontains=shop, id__in=1,2. It may be repeated.",
)
@click.option("--sort", metavar="[-]FIELD,...", help="The order; - is downwards.")
@click.option("--limit", type=click.IntRange(1), help="At most so many rows.")
@viewer_option
async def export_command(  # noqa: PLR0913 - one for each option
    context: Context,
    entity: str,
    *,
    form: Form | None,
    output: str,
    replace: bool,
    columns: str | None,
    status: str | None,
    conditions: tuple[str, ...],
    sort: str | None,
    limit: int | None,
    viewer: str | None,
) -> None:
    """Write projects, conversations, messages, documents or repositories to a file.

    Rows go out as they come, so that memory does not grow with them, and the file gets its
    name when it is complete. Arrow is Arrow's format for streams.
    """
    given = [*conditions, *([f"status={status}"] if status is not None else [])]
    fields = _fields(_ENTITIES[entity].model)
    with asked():
        parsed = _grammar(entity, fields).parse(_parameters(entity, fields, given, sort))
    chosen = form or _ENDINGS.get(Path(output).suffix.lower(), "csv")
    names = [name.strip() for name in columns.split(",")] if columns else list(fields)
    with opened(output, chosen, replace=replace) as file:
        async with context.database() as database, database.session() as session:
            query = parsed.apply(_ENTITIES[entity](session, viewer=viewer).query()).limit(limit)
            with context.progress(entity) as progress:
                total = await query.count() if context.shows_progress else 0
                total = min(total, limit or total)
                rows = await query.write_to(
                    file, chosen, *names, progress=lambda done: progress(done, total)
                )
    where = "" if output == STDOUT else f" in {output}"
    context.say(f"{rows:,} {entity if rows != 1 else _one(entity)}{where}")


def _fields(model: type[Any]) -> dict[str, bool]:
    """Return the fields that go out, the key first, each with whether it is a document."""
    found = {
        prop.key: isinstance(plain_type(prop.columns[0].type), types.JSON)
        for prop in mapper_of(model).column_attrs
        if prop.key != "deleted_at"
    }
    return {"id": found.pop("id"), **found}


def _grammar(entity: str, fields: dict[str, bool]) -> QueryGrammar[Any]:
    """Return what may be asked of an entity: all that is no document."""
    names = [name for name, is_document in fields.items() if not is_document]
    return QueryGrammar(_ENTITIES[entity].model, fields=names, sort=names)


def _parameters(
    entity: str, fields: dict[str, bool], conditions: Sequence[str], sort: str | None
) -> dict[str, list[str]]:
    """Return conditions as a query string has them.

    Raises:
        UnknownField: there is no such field, or it is a document.
    """
    found: dict[str, list[str]] = {}
    for condition in conditions:
        name, sign, value = condition.partition("=")
        if not sign:
            raise click.UsageError(f"--where takes FIELD=VALUE or FIELD__OP=VALUE, not {condition}")
        field = name.partition("__")[0]
        if fields.get(field, True):
            known = [each for each, is_document in fields.items() if not is_document]
            raise UnknownField(f"{entity} are not asked by {field[:60]!r}", known)
        found.setdefault(name, []).append(value)
    if sort is not None:
        found["sort"] = [sort]
    return found


def _one(entity: str) -> str:
    return {"repositories": "repository"}.get(entity, entity[:-1])


COMMANDS: Final = {each.name: each for each in (export_command,)}
