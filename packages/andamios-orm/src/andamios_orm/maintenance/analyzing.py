"""Looking a database over: how large it is, what slows it down, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import MetaData

from andamios_orm.maintenance import analyzing_duckdb, analyzing_postgres
from andamios_orm.maintenance.advice import advice_on
from andamios_orm.maintenance.progress import say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from andamios_orm.core import Database
    from andamios_orm.maintenance.analysis import Analysis

__all__ = ["analyze"]


async def analyze(
    database: Database,
    *,
    metadata: MetaData | Iterable[MetaData] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Analysis:
    """Return figures of the tables, indexes and log of a database, and advice.

    It reads the catalog and the statistics, in short transactions that write nothing and
    wait for nobody; on DuckDB each table is looked at by itself. No rights are needed beyond
    connecting: what a role may not see is None, and said in ``notes``.

    ``metadata`` are the models, for the foreign keys that DuckDB itself does not know.
    ``progress(done, total)`` is called after each step.
    """
    models = (metadata,) if isinstance(metadata, MetaData) else metadata
    told = progress or say_nothing
    if database.engine.dialect.name == "duckdb":
        found = await analyzing_duckdb.look(database, models, told)
    else:
        found = await analyzing_postgres.look(database, told)
    seen = replace(found, slow_statements=database.observer.slowest)
    if not seen.slow_statements and database.settings.slow_query is None:
        note = (
            "slow statements of this process are not recorded: open the database with "
            "slow_query=0.5, or another number of seconds"
        )
        seen = replace(seen, notes=(*seen.notes, note))
    return replace(seen, advice=tuple(advice_on(seen, database.engine.dialect)))
