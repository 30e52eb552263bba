"""Documents: their contents, earlier ones, their files, and how they are used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, cast, func, select

from andamios_orm.exceptions import ConfigurationError, NotFound
from andamios_orm.models.paths import checked_path
from andamios_orm.queries import search
from andamios_orm.repositories import GenericRepository, operation
from andamios_orm.repositories.patches import patch
from project_architect_db.exceptions.validation import FileRefused
from project_architect_db.models.document import (
    Document,
    DocumentAccess,
    DocumentType,
    DocumentVersion,
)
from project_architect_db.repositories.base import BaseRepository
from project_architect_db.repositories.files import Root
from project_architect_db.schemas.document import (
    DocumentUsage,
    DocumentVersionSchema,
    UsedDocument,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core import SessionManager

__all__ = ["DocumentRepository"]


class DocumentRepository(BaseRepository[Document]):
    """Documents, all of them or those of projects that a viewer sees.

    Whatever changes the content of a document keeps what it was. ``root`` is the folder
    that ``file_path`` is below; without it files are neither read nor written.
    """

    model = Document

    def __init__(
        self,
        source: AsyncSession | SessionManager,
        *,
        viewer: str | None = None,
        root: Path | str | None = None,
    ) -> None:
        """Work on a session or a database, for everybody or for ``viewer``."""
        super().__init__(source, viewer=viewer)
        self.root = None if root is None else Root(root)

    @operation()
    async def get_by_project(
        self, project_id: int, limit: int | None = 100, offset: int = 0
    ) -> list[Document]:
        """Return documents of a project, by name."""
        return await self.list(limit, offset, order_by="name", project_id=project_id)

    @operation()
    async def get_by_type(
        self, doc_type: DocumentType | str, limit: int | None = 100, offset: int = 0
    ) -> list[Document]:
        """Return documents of a type, by name.

        Raises:
            ValueRefused: there is no such type; the error names those there are.
        """
        return await self.list(limit, offset, order_by="name", doc_type=doc_type)

    @operation()
    async def search_content(
        self, text: str, limit: int | None = 100, offset: int = 0
    ) -> list[Document]:
        """Return documents whose name or content has every word of ``text``, in any case."""
        found = search(text, "name", "content")
        return await self.list(found, limit=limit, offset=offset, order_by="name")

    # ---- versions -----------------------------------------------------------------------

    @operation(writes=True)
    async def add_version(
        self, key: int, content: str, *, note: str | None = None, changed_by: str | None = None
    ) -> Document:
        """Return a document with a new content; the one it had is kept.

        ``changed_by`` is who acts unless it is said. A content that is the same is no
        version.

        Raises:
            NotFound: there is no such document.
        """
        document = await self._existing(key)
        if document.content == content:
            return document
        values: dict[str, Any] = {"content": content}
        if note is not None:
            values["note"] = note
        if changed_by is not None:
            values["changed_by"] = changed_by
        return await self.update(key, values)

    @operation(writes=True)
    async def restore_version(self, key: int, number: int) -> Document:
        """Return a document with the content that it had in an earlier version.

        That is a change like any other: the content it had until now is kept.

        Raises:
            NotFound: there is no such document, or it has no such version.
        """
        content = await self.content_of(key, number)
        return await self.add_version(key, content, note=f"version {number} restored")

    @operation()
    async def versions(self, key: int) -> list[DocumentVersionSchema]:
        """Return all versions of a document without their contents; the last is current.

        Raises:
            NotFound: there is no such document.
        """
        document = await self._existing(key)
        table = DocumentVersion
        columns = (
            table.number,
            table.size,
            table.digest,
            table.changed_at,
            table.changed_by,
            table.note,
            table.revision,
        )
        statement = select(*columns).where(table.document_id == key).order_by(table.number)
        rows = (await self.session.execute(statement)).mappings().all()
        past = [DocumentVersionSchema(**row, is_current=False) for row in rows]
        current = {
            name: getattr(document, name)
            for name in ("size", "digest", "changed_at", "changed_by", "note", "revision")
        }
        number = past[-1].number + 1 if past else 1
        return [*past, DocumentVersionSchema(**current, number=number, is_current=True)]

    @operation()
    async def content_of(self, key: int, number: int) -> str:
        """Return the content of a document in a version, by its number.

        Raises:
            NotFound: there is no such document, or it has no such version.
        """
        document = await self._existing(key)
        statement = select(DocumentVersion.content).where(
            DocumentVersion.document_id == key, DocumentVersion.number == number
        )
        found = await self.session.scalar(statement)
        if found is not None:
            return found
        if number == await self._current(key):
            return document.content
        raise NotFound("version", f"{number} of document {key}")

    @operation()
    async def diff(self, key: int, first: int, second: int | None = None) -> str:
        """Return the difference from one version to another, the current one, as a patch.

        Raises:
            NotFound: there is no such document, or it has no such version.
        """
        document = await self._existing(key)
        last = await self._current(key) if second is None else second
        before, after = await self.content_of(key, first), await self.content_of(key, last)
        old, new = (f"{document.name} (version {number})" for number in (first, last))
        return patch(before, after, old, new)

    async def _current(self, key: int) -> int:
        """Return the number of the version that a document is in."""
        statement = select(func.max(DocumentVersion.number))
        found = await self.session.scalar(statement.where(DocumentVersion.document_id == key))
        return (found or 0) + 1

    # ---- files ----------------------------------------------------------------------------

    @operation()
    async def read_file(self, key: int) -> str:
        """Return the text of the file of a document, read beside the event loop.

        Raises:
            NotFound: there is no such document.
            FileRefused: it has no file, or none that can be read below the root.
            ConfigurationError: the repository has no root.
        """
        root, path = self._file(await self._existing(key))
        return await asyncio.to_thread(root.read, path)

    @operation(writes=True)
    async def write_file(self, key: int, content: str | None = None) -> int:
        """Return how many bytes were written of a document's content into its file.

        With ``content`` that becomes the content of the document as well.

        Raises:
            NotFound: there is no such document.
            FileRefused: it has no file, or none that can be written below the root.
            ConfigurationError: the repository has no root.
        """
        document = await self._existing(key)
        root, path = self._file(document)
        if content is not None:
            document = await self.add_version(key, content)
        return await asyncio.to_thread(root.write, path, document.content)

    async def _insert(self, *instances: Document) -> None:
        _check_paths(instance.file_path for instance in instances)
        await super()._insert(*instances)

    async def _change(self, changes: Sequence[tuple[Document, dict[str, Any], Any]]) -> None:
        _check_paths(values.get("file_path") for _, values, _ in changes)
        await super()._change(changes)

    def _file(self, document: Document) -> tuple[Root, str]:
        if self.root is None:
            raise ConfigurationError(
                "the repository has no root: DocumentRepository(session, root='documents')"
            )
        if document.file_path is None:
            raise FileRefused("", f"document {document.id} has no file_path")
        return self.root, document.file_path

    # ---- use ------------------------------------------------------------------------------

    @operation(writes=True)
    async def record_access(self, key: int, accessed_by: str | None = None) -> DocumentAccess:
        """Return the note that somebody has read a document: the viewer, or who acts.

        Raises:
            NotFound: there is no such document.
        """
        if not await self.exists(id=key):
            raise self._not_found(key)
        reader = accessed_by or self.viewer
        values: dict[str, Any] = {"document_id": key}
        if reader is not None:
            values["accessed_by"] = reader
        return await GenericRepository(self.session, DocumentAccess).create(values)

    @operation()
    async def usage_stats(self, project_id: int | None = None, *, most: int = 10) -> DocumentUsage:
        """Return how documents, all or those of a project, are used."""
        where = self._of_project(project_id)
        size = cast(func.coalesce(func.sum(Document.size), 0), BigInteger)
        words = cast(func.coalesce(func.sum(Document.word_count), 0), BigInteger)
        by_type = select(Document.doc_type, func.count(), words, size).where(*where)
        rows = (await self.session.execute(by_type.group_by(Document.doc_type))).all()
        accesses = func.count(DocumentAccess.id)
        used = (
            select(Document.id, Document.name, accesses, func.max(DocumentAccess.accessed_at))
            .join(DocumentAccess, DocumentAccess.document_id == Document.id)
            .where(*where)
            .group_by(Document.id, Document.name)
        )
        total = (
            select(func.count())
            .select_from(DocumentAccess)
            .join(Document, DocumentAccess.document_id == Document.id)
        )
        most_read = await self.session.execute(
            used.order_by(accesses.desc(), Document.id).limit(most)
        )
        return DocumentUsage(
            documents=sum(row[1] for row in rows),
            words=sum(row[2] for row in rows),
            size=sum(row[3] for row in rows),
            by_type={str(row[0]): row[1] for row in rows},
            accesses=await self.session.scalar(total.where(*where)) or 0,
            most_read=[
                UsedDocument(id=key, name=name, accesses=count, last_accessed_at=last)
                for key, name, count, last in most_read
            ],
        )

    def _of_project(self, project_id: int | None) -> list[ColumnElement[bool]]:
        """Return what documents have to meet to be counted."""
        return self._where((), {} if project_id is None else {"project_id": project_id})


def _check_paths(paths: Iterable[str | None]) -> None:
    """Refuse a path before the flush, after whose error nothing else could be done."""
    for path in paths:
        if path is not None:
            checked_path(path)
