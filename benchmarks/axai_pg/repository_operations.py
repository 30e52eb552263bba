"""One document through its repository, and by the driver alone.

``raw`` is psycopg on a connection that is kept, in a transaction, by a login that no policy
applies to: it gets a tuple, and ours opens a scope on a connection of the pool and gets an
instance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect

from axai_pg import Document
from axai_pg.data.repositories import RepositoryFactory
from benchmarks.axai_pg.contenders import Place, measured_on_server, opened
from benchmarks.measure import Bound, Figure, Places, Scale, Values, measured

if TYPE_CHECKING:
    import psycopg

    from axai_pg import DatabaseManager

__all__ = ["FIGURES", "whole_run"]

COLUMNS: Final = ", ".join(column.name for column in inspect(Document).columns)
GET: Final = f"SELECT {COLUMNS} FROM documents WHERE org_id = %s AND id = %s"


async def raw_get(raw: psycopg.AsyncConnection[Any], place: Place) -> Any:
    """Read a row."""
    async with raw.transaction():
        cursor = await raw.execute(GET, [place.org_id, place.id])
        return await cursor.fetchone()


async def get(manager: DatabaseManager, place: Place) -> Document:
    """Read an instance, in a scope of its own."""
    async with RepositoryFactory.scope(manager, place.org_id) as repositories:
        return await repositories.documents.get(place.id)


_TRIPS: Final = (
    "a scope takes a connection from the pool, asks whether it is alive, and says whose rows it "
    "may see: two statements more, besides the making of an instance"
)

FIGURES = (
    Figure(
        "document_get",
        "one document by key, through its repository",
        {"raw": raw_get, "ours": get},
        (Bound(3.0, "raw", reason=_TRIPS),),
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run."""
    return measured_on_server(_measure, scale)


async def _measure(scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(scale.documents) as contenders:
        raw, manager = contenders.raw, contenders.manager
        places = contenders.asked("raw", "ours")
        found = await measured(
            {
                "raw": lambda: raw_get(raw, next(places["raw"])),
                "ours": lambda: get(manager, next(places["ours"])),
            },
            scale,
        )
        return {"document_get": found}
