"""An archive read into a database: all of it, as it was written, or nothing."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert as insert_into
from sqlalchemy import select, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from andamios_orm.maintenance.progress import say_nothing
from axai_pg.archives.files import opened
from axai_pg.archives.manifest import MANIFEST, Manifest, Part
from axai_pg.archives.tables import columns_of, count, insert, measured, only, part_of, tables
from axai_pg.data.models import Organization, User
from axai_pg.exceptions import ArchiveRefused, OrganizationNotEmpty

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Table

    from axai_pg.archives.files import Files
    from axai_pg.data.config import DatabaseManager

__all__ = ["import_organization", "verify_archive"]

_LONGEST_MANIFEST: Final = 2**20
_LONGEST_LINE: Final = 2**28
_EACH: Final = 1_000
_BATCH_ROWS: Final = 500
_BATCH_BYTES: Final = 2**20
_LATEST: Final = {"isolation_level": "READ COMMITTED"}
"""Who has waited for a lock sees what was committed meanwhile."""
_TOO_DEEP: Final = "54001"
_NOTE: Final = text(
    "SELECT axai_note('import', jsonb_build_object("
    "'organization', CAST(:org_id AS text), 'rows', CAST(:rows AS bigint), "
    "'administrators', CAST(:administrators AS bigint)))"
)


def verify_archive(source: Path, *, progress: Callable[[int, int], None] = say_nothing) -> Manifest:
    """Return what is in an archive, after comparing all of it: sizes, rows and digests.

    That finds damage, and not who made it: who changes a file can change its digest. How many
    rows are compared, and of how many, is told to ``progress``.

    Raises:
        ArchiveRefused: it is damaged, or not one of ours.
        ConfigurationError: it is not there.
    """
    with opened(source, most=_most_files()) as files:
        return _verified(files, progress)


def import_organization(
    manager: DatabaseManager,
    source: Path,
    *,
    org_id: uuid.UUID | None = None,
    with_secrets: bool = False,
    progress: Callable[[int, int], None] = say_nothing,
) -> Manifest:
    """Return what was imported: an archive, into the organisation that it is of or ``org_id``.

    That one is made if it is not there. All is one transaction; in the end the rows are read
    back, and have to be those of the archive to the byte. Rows keep their keys. Hashes of
    passwords are left out unless ``with_secrets`` asks for them: who has made the archive has
    chosen them, as well as who is an administrator. ``progress`` is told of none
    while the archive is compared, and then of the rows that are in.

    Raises:
        ArchiveRefused: it is damaged or not one of ours, or the rows that came of it are others.
        ConfigurationError: it is not there.
        OrganizationNotEmpty: the organisation has rows.
    """
    with opened(source, most=_most_files()) as files:
        manifest = _verified(files, lambda _done, total: progress(0, total))
        target = org_id or manifest.org_id
        with manager.session_scope(org_id=target) as session:
            connection = session.connection(execution_options=_LATEST)
            _make(connection, target, manifest)
            known = {table.name: table for table in tables()}
            done, imported = 0, []
            for part in _in_order(manifest):
                table = known[part.table]
                wanted = part if with_secrets else _without_secrets(files, part, table)
                for batch in _batches(_rows(files, part, wanted)):
                    with _refused_rows(part):
                        insert(connection, table, wanted.columns, batch)
                    done += len(batch)
                    progress(done, manifest.rows)
                if measured(connection, table, wanted.columns) != wanted:
                    raise ArchiveRefused(
                        f"the rows of {part.table} are not what they were in the archive: "
                        f"nothing was imported"
                    )
                imported.append(wanted)
            note = {
                "org_id": str(manifest.org_id),
                "rows": manifest.rows,
                "administrators": manifest.administrators,
            }
            session.execute(_NOTE, note)
    return replace(manifest, org_id=target, parts=tuple(imported))


def _most_files() -> int:
    return len(tables()) + 1


def _make(connection: Connection, org_id: uuid.UUID, manifest: Manifest) -> None:
    """Make the organisation, or see that it has nothing; nobody else writes to it meanwhile."""
    there = connection.execute(select(Organization.id).with_for_update()).scalar_one_or_none()
    if there is None:
        connection.execute(insert_into(Organization).values(id=org_id, name=manifest.name))
        return
    for table in tables():
        rows = count(connection, table)
        if rows:
            raise OrganizationNotEmpty(org_id, table.name, rows)


@contextmanager
def _refused_rows(part: Part) -> Iterator[None]:
    """Say that it is the archive, where the database does not take what is in a file.

    Raises:
        ArchiveRefused: it does not.
    """
    try:
        yield
    except DBAPIError as error:
        is_deep = getattr(error.orig, "sqlstate", None) == _TOO_DEEP
        if not is_deep and not isinstance(error, DataError | IntegrityError):
            raise
        reason = str(error.orig).partition("\n")[0]
        raise ArchiveRefused(
            f"{part.file} has rows that the database does not take ({reason}): nothing was imported"
        ) from error


def _in_order(manifest: Manifest) -> list[Part]:
    """Return the parts, parents first."""
    places = [table.name for table in tables()]
    return sorted(manifest.parts, key=lambda part: places.index(part.table))


def _verified(files: Files, progress: Callable[[int, int], None]) -> Manifest:
    """Return the manifest of an archive whose files are what it says.

    Raises:
        ArchiveRefused: they are not.
    """
    if MANIFEST not in files.names:
        raise ArchiveRefused(f"there is no {MANIFEST}: it is no archive of an organisation")
    content = files.start(MANIFEST, _LONGEST_MANIFEST + 1)
    if len(content) > _LONGEST_MANIFEST:
        raise ArchiveRefused(f"{MANIFEST} is longer than {_LONGEST_MANIFEST} bytes")
    manifest = Manifest.read(content)
    named = [part.file for part in manifest.parts]
    if sorted([*named, MANIFEST]) != sorted(files.names):
        raise ArchiveRefused(f"the files are not those that {MANIFEST} names")
    known = {table.name: table for table in tables()}
    done, administrators = 0, 0

    def understood(part: Part) -> Iterator[bytes]:
        nonlocal done, administrators
        for line in _lines(files, part):
            with _refused_line(part):
                decoded = line.decode()
                if part.table == User.__tablename__:
                    administrators += _is_administrator(decoded)
            done += 1
            if done % _EACH == 0:
                progress(done, manifest.rows)
            yield line

    for part in manifest.parts:
        _refuse_unknown(part, known)
        if part_of(known[part.table], part.columns, understood(part)) != part:
            raise ArchiveRefused(f"{part.file} is not what {MANIFEST} says")
    return replace(manifest, administrators=administrators)


def _refuse_unknown(part: Part, known: dict[str, Table]) -> None:
    if part.table not in known:
        raise ArchiveRefused(f"there is no table {part.table} for what is in {part.file}")
    table = known[part.table]
    unknown = set(part.columns) - set(columns_of(table, with_secrets=True))
    if len(set(part.columns)) != len(part.columns):
        raise ArchiveRefused(f"{part.file} has a column twice, as {MANIFEST} says")
    if unknown or set(part.columns).isdisjoint(columns_of(table, with_secrets=False)):
        named = ", ".join(sorted(unknown)) or "none"
        raise ArchiveRefused(f"{part.file} has columns that {part.table} has not: {named}")


@contextmanager
def _refused_line(part: Part) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise ArchiveRefused(f"{part.file} is not UTF-8 ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise ArchiveRefused(f"{part.file} is not a row in JSON on each line ({error})") from error


def _is_administrator(line: str) -> bool:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("no object")  # noqa: TRY004 - as of what is no JSON at all
    return row.get("is_admin") is True


def _without_secrets(files: Files, part: Part, table: Table) -> Part:
    """Return what a part is without the columns that are secret."""
    columns = set(columns_of(table, with_secrets=False))
    kept = replace(part, columns=tuple(name for name in part.columns if name in columns))
    return part if kept == part else part_of(table, kept.columns, _rows(files, part, kept))


def _rows(files: Files, part: Part, wanted: Part) -> Iterator[bytes]:
    """Yield the lines of a file, with the columns that are wanted."""
    if wanted.columns == part.columns:
        yield from _lines(files, part)
        return
    for line in _lines(files, part):
        with _refused_line(part):
            kept = only(line, wanted.columns)
        yield kept


def _lines(files: Files, part: Part) -> Iterator[bytes]:
    """Yield the lines of a file; of one that is too long, no more than the manifest says."""
    size = 0
    for line in files.lines(part.file, _LONGEST_LINE):
        size += len(line)
        if size > part.bytes or not line.endswith(b"\n"):
            raise ArchiveRefused(f"{part.file} is not what {MANIFEST} says")
        yield line


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield lines, some at a time."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
