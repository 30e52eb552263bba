"""Documents: found by whose they are and what they are about, made, changed, published."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from andamios_orm.bulk.target import target_of
from andamios_orm.bulk.work import read_rows
from andamios_orm.exceptions import QueryRefused, ValueRefused
from andamios_orm.models import uuid7
from andamios_orm.repositories import operation
from andamios_orm.repositories.statements import window
from axai_pg.data.models import (
    Document,
    DocumentCollection,
    DocumentStatus,
    DocumentTopic,
    GraphNode,
)
from axai_pg.data.repositories.collection import CollectionRepository
from axai_pg.data.repositories.search import LONGEST, found, hit_of
from axai_pg.data.repositories.summary import SummaryRepository
from axai_pg.data.repositories.topic import TopicRepository
from axai_pg.data.repositories.transfer import checked_form, note_export, written
from axai_pg.data.repositories.versions import VersionedDocuments
from axai_pg.data.repositories.walks import Walk
from axai_pg.data.repositories.workflow import require_following

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncGenerator, Sequence

    from andamios_orm.bulk import Upserted
    from andamios_orm.bulk.rows import Batch
    from andamios_orm.repositories.reading import Condition
    from axai_pg.data.repositories.search import SearchHit

__all__ = ["DocumentRepository", "RelatedDocument"]


@dataclass(frozen=True, slots=True)
class RelatedDocument:
    """A document, how far its nearest node is, and how many of its nodes are as near as asked."""

    document: Document
    depth: int
    nodes: int


class DocumentRepository(VersionedDocuments):
    """Documents of the organisation, all of them or those that a viewer may see.

    ``DocumentRepository(session, viewer=user_id)`` finds what that user may read, and changes
    what they may change; for it other documents do not exist.
    """

    # ---- finding -------------------------------------------------------------------------

    @operation()
    async def find_by_organization(
        self, org_id: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[Document]:
        """Return documents of an organisation, the newest first; none of another's."""
        return await self.list(limit, offset, order_by="-created_at", org_id=org_id)

    @operation()
    async def find_by_owner(
        self, owner_id: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[Document]:
        """Return documents of a user, the newest first."""
        return await self.list(limit, offset, order_by="-created_at", owner_id=owner_id)

    @operation()
    async def find_by_status(
        self, status: DocumentStatus | str, limit: int | None = 100, offset: int = 0
    ) -> list[Document]:
        """Return documents with a status, the newest first.

        Raises:
            ValueRefused: there is no such status; the error names those there are.
        """
        return await self.list(limit, offset, order_by="-created_at", status=status)

    @operation()
    async def find_by_topic(
        self,
        topic_id: uuid.UUID,
        limit: int | None = 100,
        offset: int = 0,
        *,
        min_relevance: float = 0,
        max_depth: int = 0,
    ) -> list[Document]:
        """Return documents about a topic, or about those below it as well, the newest first.

        Raises:
            ValueRefused: ``max_depth`` is no number from 0 to 100.
        """
        below = TopicRepository(self.session).below(topic_id, max_depth=max_depth)
        about = (
            select(DocumentTopic.document_id)
            .join(below, DocumentTopic.topic_id == below.c.id)
            .where(DocumentTopic.relevance_score >= min_relevance)
        )
        return await self.list(
            Document.id.in_(about), limit=limit, offset=offset, order_by="-created_at"
        )

    @operation()
    async def find_by_collection(
        self,
        collection_id: uuid.UUID,
        limit: int | None = 100,
        offset: int = 0,
        *,
        max_depth: int = 0,
    ) -> list[Document]:
        """Return documents in a collection, or in those inside it as well, by title.

        Raises:
            ValueRefused: ``max_depth`` is no number from 0 to 100.
        """
        below = CollectionRepository(self.session).below(collection_id, max_depth=max_depth)
        inside = select(DocumentCollection.document_id).join(
            below, DocumentCollection.collection_id == below.c.id
        )
        return await self.list(
            Document.id.in_(inside), limit=limit, offset=offset, order_by="title"
        )

    @operation()
    async def search(
        self,
        query: str,
        *conditions: Condition,
        language: str | None = None,
        status: DocumentStatus | str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> list[SearchHit]:
        """Return documents that have the words, the best first, with a piece of each.

        ``query`` is what people type: ``oak "river bank" or elm -fir``. Each document is
        searched in its own language, or only those in ``language`` are; conditions narrow
        further.

        Raises:
            ValueRefused: the query is empty or too long; there is no such status.
        """
        text = query.strip()
        if not 1 <= len(text) <= LONGEST or "\0" in text:
            raise ValueRefused(f"search for 1 to {LONGEST:,} characters", query, "query")
        window((), limit, offset)
        narrowed = {} if status is None else {"status": status}
        statement, parameters = found(
            text,
            self._where(conditions, narrowed),
            language=language,
            limit=limit,
            offset=offset,
        )
        return [hit_of(row) for row in await self.session.execute(statement, parameters)]

    @operation()
    async def find_related_documents(
        self, document_id: uuid.UUID, max_depth: int = 2, *, limit: int = 50
    ) -> list[RelatedDocument]:
        """Return documents whose nodes are near those of a document, the nearest first.

        It goes along relationships of the graph in both directions, and no farther once it
        has 10,000 nodes.

        Raises:
            NotFound: there is no such document.
            ValueRefused: ``max_depth`` is no number from 1 to 10.
        """
        walk = Walk(max_depth)
        window((), limit, 0)
        await self.get(document_id)
        depths = walk.depths(GraphNode.document_id == document_id)
        near, nodes = func.min(depths.c.depth), func.count()
        around = (
            select(GraphNode.document_id, near.label("depth"), nodes.label("nodes"))
            .join(depths, GraphNode.id == depths.c.id)
            .group_by(GraphNode.document_id)
            .subquery()
        )
        statement = (
            select(Document, around.c.depth, around.c.nodes)
            .join(around, Document.id == around.c.document_id)
            .where(Document.id != document_id, *self._where((), {}))
            .order_by(around.c.depth, around.c.nodes.desc(), Document.id)
            .limit(limit)
            .options(*self._sight())
        )
        rows = await self.session.execute(statement)
        return [RelatedDocument(document, depth, count) for document, depth, count in rows]

    async def export(
        self, *conditions: Condition, form: str = "ndjson", batch_size: int = 1_000
    ) -> AsyncGenerator[str, None]:
        """Yield the documents of the organisation, or some of them, as JSON: one to a line.

        ``form="json"`` makes one list of them. All columns are there; those in
        ``documents.fields.writable`` are taken by ``load()``. The audit log has that it was done.

        Raises:
            OrganizationRequired: the session is in no organisation.
            ValueRefused: there is no such form.
        """
        chosen = checked_form(form)
        await note_export(self.session, Document.__tablename__)
        rows = self.stream(*conditions, order_by="id", batch_size=batch_size)
        names = [name for name in self.fields.columns if name != "org_id"]
        async with aclosing(rows), aclosing(written(rows, names, chosen)) as lines:
            async for line in lines:
                yield line

    # ---- making and changing --------------------------------------------------------------

    @operation(writes=True)
    async def create_with_summary(self, values: Any, summary: Any) -> Document:
        """Return a new document with a summary of it, which is loaded; both or neither.

        Raises:
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
        """
        document = self._new(values)
        key: uuid.UUID | None = document.id
        document.id = key or uuid7()
        summaries = SummaryRepository(self.session)
        made = summaries.prepare(document.id, summary)
        await self._insert(document)
        await summaries.create(made)
        return await self.get(document.id, load=["summaries"])

    @operation(writes=True)
    async def set_status(
        self,
        key: uuid.UUID,
        status: DocumentStatus | str,
        change_description: str | None = None,
        *,
        version: int | None = None,
    ) -> Document:
        """Return a document with another status, as a new version.

        Raises:
            NotFound: there is no such document.
            StatusRefused: the status does not follow the one it has; the error has those that do.
            ValueRefused: there is no such status; the error names those there are.
            StaleVersion: it has another version; the error has both.
            NotPermitted: the viewer may not change it.
        """
        return await self.update_with_version(
            key, {"status": status}, change_description, version=version
        )

    @operation(writes=True)
    async def bulk_update(self, rows: Any, *, schema: type[Any] | None = None) -> int:
        """Return how many documents were changed; each of ``rows`` has its key and new values.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
            NotFound: keys have no row; the error has them all.
            StaleVersion: rows have other versions than were given.
            QueryRefused: there is a viewer, or a row has a status.
        """
        batch = _without_status(rows, schema, partial=True)
        return await super().bulk_update(batch)

    @operation(writes=True)
    async def bulk_upsert(
        self, rows: Any, *, match_fields: Sequence[str], schema: type[Any] | None = None
    ) -> Upserted:
        """Return how many documents were created and how many, with equal fields, changed.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
            QueryRefused: there is a viewer, or a row has a status.
        """
        batch = _without_status(rows, schema, partial=False)
        return await super().bulk_upsert(batch, match_fields=match_fields)

    async def _change(self, changes: Sequence[tuple[Document, dict[str, Any], Any]]) -> None:
        for document, values, _ in changes:
            if "status" in values:
                require_following(document.status, values["status"])
        await super()._change(changes)


def _without_status(rows: Any, schema: type[Any] | None, *, partial: bool) -> Batch:
    """Return rows, read, that say nothing of a status: which one follows, a bulk does not ask.

    Raises:
        BulkRefused: the schema or the model has no use for some of them.
        QueryRefused: one of them does.
    """
    batch = read_rows(rows, target_of(Document), schema, partial=partial)
    if "status" in batch.columns:
        raise QueryRefused(
            "a status follows another, which a bulk does not look at: use set_status(), or "
            "update_many() for several documents"
        )
    return batch
