"""An organisation written to an archive: of one moment, while others go on writing."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, text

from andamios_orm.exceptions import NotFound
from andamios_orm.maintenance.progress import say_nothing
from axai_pg.archives.files import written
from axai_pg.archives.manifest import MANIFEST, Manifest
from axai_pg.archives.tables import columns_of, count, lines, part_of, tables
from axai_pg.data.models import Organization
from axai_pg.migrations import read_plan

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from sqlalchemy import Connection

    from axai_pg.archives.manifest import Part
    from axai_pg.data.config import DatabaseManager

__all__ = ["export_organization"]

_BEGUN: Final = text(
    "SELECT axai_note('export', jsonb_build_object('archive', true, 'begun', true))"
)
_NOTE: Final = text(
    "SELECT axai_note('export', jsonb_build_object('archive', true, 'rows', CAST(:rows AS bigint)))"
)
_EACH: Final = 1_000


def export_organization(
    manager: DatabaseManager,
    org_id: uuid.UUID,
    target: Path,
    *,
    with_secrets: bool = False,
    progress: Callable[[int, int], None] = say_nothing,
) -> Manifest:
    """Return what was written to ``target``: a folder, or a file ``.zip`` or ``.tar.gz``.

    It is of one moment, and rows go out as they come. Hashes of passwords are left out unless
    ``with_secrets`` asks for them. The audit log of the organisation has that it was begun, before
    a row goes out, and that it was exported, before the archive has its name.

    Raises:
        ConfigurationError: ``target`` is there, or its name says no form.
        NotFound: there is no such organisation.
    """
    snapshot = {"isolation_level": "REPEATABLE READ"}
    with written(target) as add:
        with manager.session_scope(org_id=org_id) as session:
            _name(session.connection(), org_id)
            session.execute(_BEGUN)
        with manager.session_scope(org_id=org_id) as session:
            connection = session.connection(execution_options=snapshot)
            name = _name(connection, org_id)
            total = sum(count(connection, table) for table in tables())
            parts: list[Part] = []
            for table in tables():
                columns = columns_of(table, with_secrets=with_secrets)
                done = sum(part.rows for part in parts)
                with add(f"{table.name}.ndjson") as file:
                    rows = lines(connection, table, columns)
                    rows = _written(rows, file, done, lambda done: progress(done, total))
                    parts.append(part_of(table, columns, rows))
            plan = read_plan()
            made = dt.datetime.now(dt.UTC)
            manifest = Manifest(org_id, name, made, plan.changes[-1].name, tuple(parts))
            with add(MANIFEST) as file:
                file.write(manifest.written())
            session.execute(_NOTE, {"rows": manifest.rows})
    return manifest


def _name(connection: Connection, org_id: uuid.UUID) -> str:
    name = connection.execute(select(Organization.__table__.c.name)).scalar_one_or_none()
    if name is None:
        raise NotFound(Organization.__name__, org_id)
    return str(name)


def _written(
    rows: Iterable[bytes], file: IO[bytes], done: int, tell: Callable[[int], None]
) -> Iterator[bytes]:
    """Yield rows that are written, and tell of how many are done now and then, and in the end."""
    for row in rows:
        file.write(row)
        done += 1
        if done % _EACH == 0:
            tell(done)
        yield row
    tell(done)
