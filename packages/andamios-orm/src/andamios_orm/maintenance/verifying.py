"""Looking whether a database is sound: it is read in full, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData

from andamios_orm.maintenance.findings import Finding, Snapshot, Verification
from andamios_orm.maintenance.verifying_catalog import Catalog
from andamios_orm.maintenance.verifying_feed import of_feed
from andamios_orm.maintenance.verifying_indexes import of_indexes
from andamios_orm.maintenance.verifying_rows import Contents, of_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from andamios_orm.core import Database

__all__ = ["verify"]


async def verify(
    database: Database,
    *,
    metadata: MetaData | Sequence[MetaData] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Return what is wrong in a database, each with what to do about it.

    All tables are read in full, with all columns. Looked for are values and rows that break
    a NOT NULL, CHECK, UNIQUE or foreign key, rows that an index does not find, and a change
    feed with gaps, or with followers that it cannot serve. Foreign keys of ``metadata`` count
    as well where the database has none. It sees one moment, and writers go on; only behind
    something that cannot be read does it look at a later one.

    On PostgreSQL indexes are looked at by ``amcheck``, if that extension is installed; what
    could not be looked at is in ``skipped``. ``progress(done, total)`` is called with tables.

    Raises:
        DatabaseCorrupt: the file cannot even be opened.
    """
    models = [metadata] if isinstance(metadata, MetaData) else list(metadata)
    options: dict[str, Any] = {"statement_timeout": None}
    if database.engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    async with database.engine.execution_options(**options).connect() as connection:
        snapshot = Snapshot(connection)
        catalog = await Catalog.read(snapshot, models)
        findings: list[Finding] = []
        rows = 0
        for done, table in enumerate(catalog.tables, 1):
            contents = Contents(snapshot, table)
            findings.extend([each async for each in contents.findings()])
            rows += contents.count
            findings.extend([each async for each in of_indexes(snapshot, table)])
            if progress is not None:
                progress(done, len(catalog.tables))
        findings.extend([each async for each in of_keys(snapshot, catalog)])
        findings.extend([each async for each in of_feed(snapshot, catalog)])
    skipped = (*catalog.skipped, *snapshot.skipped)
    return Verification(tuple(findings), len(catalog.tables), rows, skipped)
