"""An organisation written to an archive: of one moment, while others go on writing."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, text

from andamios_orm.exceptions import NotFound
from axai_pg.archives.files import written
from axai_pg.archives.manifest import MANIFEST, Manifest, Part
from axai_pg.archives.tables import columns_of, count, lines, tables
from axai_pg.data.models import Organization
from axai_pg.migrations import read_plan

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO

    from sqlalchemy import Connection, Table

    from axai_pg.data.config import DatabaseManager

__all__ = ["export_organization"]

_BEGUN: Final = text(
    "SELECT axai_note('export', jsonb_build_object('archive', true, 'begun', true))"
)
_NOTE: Final = text(
    "SELECT axai_note('export', jsonb_build_object('archive', true, 'rows', CAST(:rows AS bigint)))"
)
_EACH: Final = 1_000


def _nobody(_done: int, _total: int) -> None:
    """Tell nobody how far it has come."""


def export_organization(
    manager: DatabaseManager,
    org_id: uuid.UUID,
    target: Path,
    *,
    with_secrets: bool = False,
    progress: Callable[[int, int], None] = _nobody,
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
            parts = _Parts(connection, progress, with_secrets=with_secrets)
            found = []
            for table in tables():
                with add(f"{table.name}.ndjson") as file:
                    found.append(parts.write(table, file))
            plan = read_plan()
            made = dt.datetime.now(dt.UTC)
            manifest = Manifest(org_id, name, made, plan.changes[-1].name, tuple(found))
            with add(MANIFEST) as file:
                file.write(manifest.written())
            session.execute(_NOTE, {"rows": manifest.rows})
    return manifest


def _name(connection: Connection, org_id: uuid.UUID) -> str:
    name = connection.execute(select(Organization.__table__.c.name)).scalar_one_or_none()
    if name is None:
        raise NotFound(Organization.__name__, org_id)
    return str(name)


class _Parts:
    """The tables, written one after the other."""

    def __init__(
        self,
        connection: Connection,
        progress: Callable[[int, int], None],
        *,
        with_secrets: bool,
    ) -> None:
        self._connection = connection
        self._with_secrets = with_secrets
        self._progress = progress
        self._done = 0
        self._total = sum(count(connection, table) for table in tables())

    def write(self, table: Table, file: IO[bytes]) -> Part:
        """Return what was written of a table."""
        columns = columns_of(table, with_secrets=self._with_secrets)
        digest, rows, size = hashlib.sha256(), 0, 0
        for line in lines(self._connection, table, columns):
            file.write(line)
            digest.update(line)
            rows += 1
            size += len(line)
            self._done += 1
            if self._done % _EACH == 0:
                self._progress(self._done, self._total)
        self._progress(self._done, self._total)
        return Part(table.name, tuple(columns), rows, size, digest.hexdigest())
