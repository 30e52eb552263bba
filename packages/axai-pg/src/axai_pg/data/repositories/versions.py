"""What documents were before each change, and the way back to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, text

from andamios_orm.exceptions import NotFound
from andamios_orm.repositories import operation
from andamios_orm.repositories.patches import patch
from andamios_orm.repositories.statements import window
from axai_pg.data.models import Document, DocumentVersion
from axai_pg.data.repositories.sharing import SharedDocuments

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from sqlalchemy import Select

    from axai_pg.data.models import DocumentStatus

__all__ = ["DocumentState", "VersionDiff", "VersionEntry", "VersionedDocuments"]

_DESCRIBE: Final = text("SELECT set_config('axai.change_description', :description, true)")


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """A version of a document: who made it, when, and which columns that changed."""

    version: int
    title: str
    status: DocumentStatus
    changed_columns: tuple[str, ...]
    changed_by_id: uuid.UUID | None
    changed_at: dt.datetime
    change_description: str | None
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class DocumentState:
    """What a document says, or said in a version."""

    title: str
    description: str | None
    content: str | None
    language: str
    filename: str | None
    file_path: str | None
    content_type: str
    document_type: str
    status: DocumentStatus
    document_metadata: dict[str, Any]

    @classmethod
    def of(cls, row: Document | DocumentVersion) -> DocumentState:
        """Return what a row says."""
        return cls(**{name: getattr(row, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """What two versions of a document differ in.

    ``changes`` has what each column was and is; of the content, ``patch`` has the lines.
    """

    first: int
    second: int
    changes: dict[str, tuple[Any, Any]]
    patch: str


class VersionedDocuments(SharedDocuments):
    """Documents, and what they were before each change, which the database keeps by itself."""

    @operation(writes=True)
    async def update_with_version(
        self,
        key: uuid.UUID,
        values: Any,
        change_description: str | None = None,
        *,
        version: int | None = None,
    ) -> Document:
        """Return a document, changed; its new version has the description.

        Who has changed it is the user of the scope. ``version``, here or among the values, is
        the one the caller has seen. What is as it was before makes no version.

        Raises:
            NotFound: there is no such document.
            StaleVersion: it has another version; the error has both.
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
            StatusRefused: the status does not follow the one it has.
            NotPermitted: the viewer may not change it.
        """
        changes, among_values = self.fields.for_update(values)
        expected = self._agreed(version, among_values)
        self.fields.check("change_description", change_description)
        document = await self._existing(key)
        await self._describe(change_description)
        try:
            await self._change([(document, changes, expected)])
        except Exception:
            if self.session.is_active:  # else the description went with the transaction
                with suppress(Exception):  # it would hide what went wrong first
                    await self._describe(None)
            raise
        await self._describe(None)
        return document

    @operation()
    async def versions(
        self, key: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[VersionEntry]:
        """Return versions of a document, the newest first: that is what it is now.

        Raises:
            NotFound: there is no such document.
        """
        _, rows, skipped = window((), limit, offset)
        document = await self.get(key)
        statement = _past(key).limit(None if rows is None else rows + 1)
        past = (await self.session.execute(statement.offset(max(skipped - 1, 0)))).all()
        entries = [_entry(row) for row in past]
        if skipped == 0:
            changed = past[0].changed_columns if past else ()
            entries.insert(0, _current(document, changed))
        return entries[:rows]

    @operation()
    async def get_version(self, key: uuid.UUID, version: int) -> DocumentState:
        """Return what a document said in a version.

        Raises:
            NotFound: there is no such document, or it has had no such version.
        """
        return await self._state(await self.get(key), version)

    @operation()
    async def diff(self, key: uuid.UUID, first: int, second: int | None = None) -> VersionDiff:
        """Return what has changed from one version to another, the current one.

        Raises:
            NotFound: there is no such document, or it has had no such version.
        """
        document = await self.get(key)
        last = document.version if second is None else second
        before = await self._state(document, first)
        after = await self._state(document, last)
        was, is_ = asdict(before), asdict(after)
        changes = {
            name: (was[name], is_[name])
            for name in was
            if was[name] != is_[name] and name != "content"
        }
        names = [f"{document.title} (version {number})" for number in (first, last)]
        return VersionDiff(
            first, last, changes, patch(before.content or "", after.content or "", *names)
        )

    @operation(writes=True)
    async def restore_version(
        self, key: uuid.UUID, number: int, *, version: int | None = None
    ) -> Document:
        """Return a document that says what it said in a version, as a new version.

        Its status stays: that follows rules of its own.

        Raises:
            NotFound: there is no such document, or it has had no such version.
            StaleVersion: it has another version than ``version``; the error has both.
            NotPermitted: the viewer may not change it.
        """
        values = asdict(await self.get_version(key, number))
        del values["status"]
        return await self.update_with_version(
            key, values, f"version {number} restored", version=version
        )

    async def _describe(self, description: str | None) -> None:
        """Say what the next changes are about."""
        await self.session.execute(_DESCRIBE, {"description": description or ""})

    async def _state(self, document: Document, version: int) -> DocumentState:
        """Return what a document said in a version.

        A change of what is not kept raises the version and leaves nothing, so what a
        document was is in the first that was kept from there on.
        """
        if not 1 <= version <= document.version:
            raise NotFound("Version", f"{version} of document {document.id}")
        statement = (
            select(DocumentVersion)
            .where(DocumentVersion.document_id == document.id, DocumentVersion.version >= version)
            .order_by(DocumentVersion.version)
            .limit(1)
        )
        return DocumentState.of(await self.session.scalar(statement) or document)


def _past(key: uuid.UUID) -> Select[Any]:
    """Return the query for versions that a document had, the newest first."""
    table = DocumentVersion
    # A version has the columns that changed after it: those before are in the one before.
    changed = func.lag(table.changed_columns).over(order_by=table.version)
    inner = (
        select(
            table.version,
            table.title,
            table.status,
            table.changed_columns,
            changed.label("changed_before"),
            table.created_by_id,
            table.created_at,
            table.change_description,
        )
        .where(table.document_id == key)
        .subquery()
    )
    return select(inner).order_by(inner.c.version.desc())


def _entry(row: Any) -> VersionEntry:
    return VersionEntry(
        version=row.version,
        title=row.title,
        status=row.status,
        changed_columns=tuple(row.changed_before or ()),
        changed_by_id=row.created_by_id,
        changed_at=row.created_at,
        change_description=row.change_description,
    )


def _current(document: Document, changed: Any) -> VersionEntry:
    return VersionEntry(
        version=document.version,
        title=document.title,
        status=document.status,
        changed_columns=tuple(changed),
        changed_by_id=document.changed_by_id,
        changed_at=document.updated_at,
        change_description=document.change_description,
        is_current=True,
    )
