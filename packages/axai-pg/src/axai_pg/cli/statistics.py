"""The command that counts what organisations have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import rich_click as click
from sqlalchemy import BigInteger, Uuid, bindparam, text

from andamios_orm.cli.running import command
from andamios_orm.exceptions import NotFound
from andamios_orm.maintenance.advice import readable
from axai_pg.cli.place import on_manager, place_of
from axai_pg.cli.tables import as_table

if TYPE_CHECKING:
    import uuid

    from andamios_orm.cli.running import Context
    from axai_pg.cli.place import Progress
    from axai_pg.data.config import DatabaseManager

__all__ = ["COMMANDS"]

_ORGANIZATIONS: Final = text("""
SELECT organization.id::text AS id, organization.name,
    (SELECT count(*) FROM users AS each WHERE each.org_id = organization.id) AS users,
    coalesce(documents.rows, 0) AS documents, coalesce(versions.rows, 0) AS versions,
    (coalesce(documents.bytes, 0) + coalesce(versions.bytes, 0))::bigint AS bytes
FROM organizations AS organization
LEFT JOIN (
    SELECT org_id, count(*) AS rows,
        sum(coalesce(pg_column_size(content), 0) + pg_column_size(metadata)) AS bytes
    FROM documents GROUP BY org_id
) AS documents ON documents.org_id = organization.id
LEFT JOIN (
    SELECT org_id, count(*) AS rows,
        sum(coalesce(pg_column_size(content), 0) + pg_column_size(metadata)) AS bytes
    FROM document_versions GROUP BY org_id
) AS versions ON versions.org_id = organization.id
WHERE :org_id IS NULL OR organization.id = :org_id
ORDER BY bytes DESC, organization.name, organization.id
LIMIT :top
""").bindparams(bindparam("org_id", type_=Uuid()), bindparam("top", type_=BigInteger()))
_TABLES: Final = text("""
SELECT relname::text AS name, greatest(reltuples, 0)::bigint AS rows,
    pg_table_size(oid) AS bytes, pg_indexes_size(oid) AS index_bytes
FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
ORDER BY pg_table_size(oid) + pg_indexes_size(oid) DESC, relname
LIMIT :top
""").bindparams(bindparam("top", type_=BigInteger()))


@command(examples=["stats", "stats --top 5", "stats --tables --json"])
@click.option("--org", "org_id", type=click.UUID, metavar="ID", help="Only this organisation.")
@click.option("--top", metavar="N", type=click.IntRange(1), default=20, help="The N largest. [20]")
@click.option("--tables", is_flag=True, help="Of tables instead; their rows are an estimate.")
async def stats_command(
    context: Context, *, org_id: uuid.UUID | None, top: int, tables: bool
) -> None:
    """Show rows, versions and bytes of each organisation, the largest first.

    The bytes are those of contents and metadata as they are stored, which is compressed. It
    acts as an operator, and the audit log says so.
    """
    if tables and org_id is not None:
        raise click.UsageError("--tables is of all organisations: leave --org out")
    given = {"top": top} if tables else {"top": top, "org_id": org_id}
    reason = f"{context.program.name} stats"

    def ask(manager: DatabaseManager, _tell: Progress) -> list[dict[str, Any]]:
        with manager.system_scope(reason) as session:
            found = session.execute(_TABLES if tables else _ORGANIZATIONS, given)
            return [dict(row) for row in found.mappings()]

    rows = await on_manager(place_of(context), ask)
    if org_id is not None and not rows:
        raise NotFound("Organization", org_id)
    names = list(rows[0]) if rows else ["id", "name"]
    shown = [
        [readable(value) if name.endswith("bytes") else value for name, value in row.items()]
        for row in rows
    ]
    context.show("tables" if tables else "organizations", rows, as_table(names, shown))
    if not rows:
        context.say(f"there is no organisation; next: {context.program.name} seed")


COMMANDS: Final = {each.name: each for each in (stats_command,)}
