"""10,000 documents at once, against the fastest way into the same table.

``raw`` is a binary COPY by a login that no policy applies to, with all that is derived already
given; PostgreSQL refuses COPY where a policy applies. The table has its indexes, keys and
triggers for both: what is searched is made, and each row is in the audit log.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from psycopg.types.json import Jsonb

from andamios_orm.models import uuid7
from axai_pg.data.repositories import RepositoryFactory
from benchmarks.axai_pg.contenders import Place, measured_on_server, opened
from benchmarks.measure import Bound, Figure, Places, Scale, Values, measured

if TYPE_CHECKING:
    import uuid

    import psycopg

    from axai_pg import DatabaseManager

__all__ = ["FIGURES", "whole_run"]

Rows = list[dict[str, Any]]
TYPES: Final = {
    "org_id": "uuid",
    "id": "uuid",
    "owner_id": "uuid",
    "title": "varchar",
    "description": "varchar",
    "content": "text",
    "status": "varchar",
    "metadata": "jsonb",
    "size": "int8",
    "word_count": "int4",
    "content_hash": "varchar",
}
COPY: Final = f"COPY documents ({', '.join(TYPES)}) FROM STDIN (FORMAT BINARY)"


async def raw_copy(raw: psycopg.AsyncConnection[Any], org_id: uuid.UUID, rows: Rows) -> Any:
    """Copy dicts, unchecked; their keys are made here."""
    keys = [uuid7() for _ in rows]
    names = list(TYPES)[2:]
    async with raw.transaction(), raw.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(list(TYPES.values()))
        for key, row in zip(keys, rows, strict=True):
            values = [Jsonb(row[name]) if name == "metadata" else row[name] for name in names]
            await copy.write_row([org_id, key, *values])
    return keys


async def bulk_create(manager: DatabaseManager, org_id: uuid.UUID, rows: Rows) -> Any:
    """Create them through the repository, each value checked."""
    async with RepositoryFactory.scope(manager, org_id) as repositories:
        created = await repositories.documents.bulk_create(rows)
        return created.ids


_CHECKED: Final = (
    "ours checks each value, works out size, words and hash, and has the rows sent by INSERT, "
    "where a policy looks at each"
)

FIGURES = (
    Figure(
        "documents_insert",
        "10,000 documents, dicts checked, their keys back",
        {"raw": raw_copy, "ours": bulk_create},
        (Bound(1.6, "raw", reason=_CHECKED),),
    ),
)


def values(number: int, owner_id: uuid.UUID) -> dict[str, Any]:
    """Return the values of a new document."""
    said = f"The report of group {number % 97} names {number} findings, and what each of them cost."
    return {
        "owner_id": owner_id,
        "title": f"Report {number} of group {number % 97}",
        "description": said,
        "content": f"{said} " * (2 + number % 25),
        "status": ("draft", "published")[number % 2],
        "document_metadata": {"team": f"team {number % 12}", "pages": number % 300},
    }


def derived(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row as the table has it."""
    content = row["content"]
    return {
        **row,
        "metadata": row["document_metadata"],
        "size": len(content.encode()),
        "word_count": len(content.split()),
        "content_hash": hashlib.sha256(content.encode()).hexdigest(),
    }


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run."""
    return measured_on_server(_measure, scale)


async def _measure(scale: Scale) -> dict[str, dict[str, Values]]:
    few = replace(scale, block=1, rounds=max(2, scale.rounds // 2), idle=0)
    async with opened(scale.documents) as contenders:
        place: Place = contenders.places[0]
        rows = [values(number, place.owner_id) for number in range(scale.bulk_rows)]
        table = [derived(row) for row in rows]
        found = await measured(
            {
                "raw": lambda: raw_copy(contenders.raw, place.org_id, table),
                "ours": lambda: bulk_create(contenders.manager, place.org_id, rows),
            },
            few,
        )
        return {"documents_insert": found}
