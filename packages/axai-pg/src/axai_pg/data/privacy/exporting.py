"""What is held on a person, row by row, as of one moment."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from sqlalchemy import String, func, literal, not_, select, text, union_all
from sqlalchemy.dialects.postgresql import JSONB

from axai_pg.data.models import Base
from axai_pg.data.privacy.persons import find_person
from axai_pg.data.privacy.registry import REGISTRY
from axai_pg.data.security.permissions import isolated

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, CompoundSelect, Select, Table
    from sqlalchemy.ext.asyncio import AsyncSession

    from axai_pg.data.privacy.persons import Person

__all__ = ["PersonExport", "PersonRecord", "export_person"]

_BATCH: Final = 200
_NOTE: Final = text("SELECT axai_note_operation('export_person')")
_NOTE_OF_SERVICE: Final = text("SELECT axai_note('export_person')")
_OPERATORS: Final = {
    "audit_log": "services do not read it: export in system_scope(reason), as an operator"
}
"""Tables that only an operator reads, and what to do for them."""


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A row about a person; without ``is_own`` it is another's, and has what names the person."""

    table: str
    is_own: bool
    row: Mapping[str, Any]


@dataclass(slots=True)
class PersonExport:
    """The records about a person: ``async for record in export``, or written to a file.

    They are read in one statement, so they are of one moment, as long as its session is open.
    ``counts`` has how many rows of each table came so far, ``left_out`` tables that were not
    read, and why.
    """

    user_id: uuid.UUID
    left_out: Mapping[str, str]
    counts: Counter[str] = field(default_factory=Counter)
    _session: AsyncSession = field(kw_only=True, repr=False)
    _statement: CompoundSelect[str, bool, Any] = field(kw_only=True, repr=False)

    async def __aiter__(self) -> AsyncIterator[PersonRecord]:
        """Yield the records; a second time they are read anew."""
        async for records in self._batches():
            for record in records:
                yield record

    async def write(self, path: str | os.PathLike[str]) -> Mapping[str, int]:
        """Return how many rows of each table were written to ``path``, one to a line.

        Only the owner of the file may read it. One that could not be finished is removed.

        Raises:
            FileExistsError: there is such a file.
            OSError: it cannot be written, as on a disk that is full.
        """
        target = Path(path)
        file = await asyncio.to_thread(_created, target)
        try:
            async for records in self._batches():
                await asyncio.to_thread(file.write, "".join(map(_line, records)))
            await asyncio.to_thread(file.close)  # what is left is written here, if there is room
        except BaseException:
            _discard(file, target)
            raise
        return self.counts

    async def _batches(self) -> AsyncIterator[Sequence[PersonRecord]]:
        self.counts.clear()
        rows = await self._session.stream(self._statement, execution_options={"yield_per": _BATCH})
        try:
            async for batch in rows.partitions():
                records = [PersonRecord(*row) for row in batch]
                self.counts.update(record.table for record in records)
                yield records
        finally:
            await rows.close()


async def export_person(session: AsyncSession, user_id: uuid.UUID | str) -> PersonExport:
    """Return what is held on a user; the audit log has that it was taken, not of whom.

    It has all of the user's own rows, and of other rows what names the user. A password's
    digest is not among it. The scope of an operator also reads the audit log.

    Raises:
        NotFound: there is no such user; one of another organisation is none.
    """
    person = await find_person(session, user_id)
    is_system = isolated(session).scope.is_system
    await session.execute(_NOTE if is_system else _NOTE_OF_SERVICE)
    left_out = {} if is_system else _OPERATORS
    statement = union_all(*_selects(person, left_out))
    return PersonExport(person.id, dict(left_out), _session=session, _statement=statement)


def _selects(person: Person, left_out: Mapping[str, str]) -> Iterator[Select[str, bool, Any]]:
    for name, rule in REGISTRY.items():
        if name in left_out or rule.rows is None:
            continue
        table = Base.metadata.tables[name]
        ours = (
            table.c.tenant == str(person.org_id)
            if "tenant" in table.c
            else table.c.org_id == person.org_id
        )
        exported = [each for each, column in rule.columns.items() if column.is_exported]
        own = rule.rows(table, person.id)
        yield _as_json(table, exported, is_own=True).where(ours, own)
        if rule.mentions is not None:
            told = [each for each in exported if each in rule.told]
            others = rule.mentions(table, person.id), func.coalesce(not_(own), True)
            yield _as_json(table, told, is_own=False).where(ours, *others)


def _as_json(table: Table, names: Sequence[str], *, is_own: bool) -> Select[str, bool, Any]:
    pairs: list[ColumnElement[Any]] = []
    for name in names:
        pairs += [literal(name, String), table.c[name]]
    row = func.jsonb_build_object(*pairs, type_=JSONB)
    return select(literal(table.name, String), literal(is_own), row)


def _line(record: PersonRecord) -> str:
    """Return a record as a line of JSON."""
    fields = {"table": record.table, "is_own": record.is_own, "row": record.row}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _created(target: Path) -> TextIO:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="\n")


def _discard(file: TextIO, target: Path) -> None:
    with suppress(OSError):  # it may try again to write what it could not
        file.close()
    target.unlink(missing_ok=True)
