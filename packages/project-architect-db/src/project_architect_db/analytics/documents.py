"""Statements about documents: what is in them, and who reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import distinct, func, select

from project_architect_db.analytics.quantiles import described
from project_architect_db.analytics.scope import remembered, whole
from project_architect_db.models import Document, DocumentAccess, DocumentVersion

if TYPE_CHECKING:
    from sqlalchemy import Select

    from project_architect_db.analytics.scope import Scope

__all__ = ["content", "readers", "reading"]


@remembered
def content(scope: Scope) -> Select[Any]:
    """Return the statement for sizes, words and earlier versions: one row.

    A distribution of the size; one of words; the sum of words; earlier versions; documents
    that have one.
    """
    chosen = [*scope.counts(Document), *scope.during(Document.created_at)]
    of_them = scope.counts(DocumentVersion)
    if scope.start is not None or scope.end is not None:
        of_them = [DocumentVersion.document_id.in_(select(Document.id).where(*chosen))]
    versions = (
        select(
            func.count().label("number"),
            func.count(distinct(DocumentVersion.document_id)).label("documents"),
        )
        .where(*of_them)
        .cte("versions")
    )
    return select(
        *described(Document.size),
        *described(Document.word_count),
        whole(func.sum(Document.word_count)),
        select(versions.c.number).scalar_subquery(),
        select(versions.c.documents).scalar_subquery(),
    ).where(*chosen)


@remembered
def readers(scope: Scope) -> Select[Any]:
    """Return the statement for how many people have read documents."""
    return select(func.count(distinct(DocumentAccess.accessed_by))).where(
        *scope.counts(DocumentAccess), *scope.during(DocumentAccess.accessed_at)
    )


@remembered
def reading(scope: Scope, limit: int) -> Select[Any]:
    """Return the statement for the documents that were read most, in this order.

    Key, name, accesses, last access, and how many documents were read in all.
    """
    accesses = func.count()
    most = (
        select(
            DocumentAccess.document_id,
            accesses.label("accesses"),
            func.max(DocumentAccess.accessed_at).label("last"),
            func.count().over().label("read"),
        )
        .where(*scope.counts(DocumentAccess), *scope.during(DocumentAccess.accessed_at))
        .group_by(DocumentAccess.document_id)
        .order_by(accesses.desc(), DocumentAccess.document_id)
        .limit(limit)
        .subquery()
    )
    return (
        select(Document.id, Document.name, most.c.accesses, most.c.last, most.c.read)
        .join(most, most.c.document_id == Document.id)
        .order_by(most.c.accesses.desc(), Document.id)
    )
