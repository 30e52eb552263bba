"""What callers say of documents, and what they are told."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, PositiveInt

from andamios_orm.models.paths import checked_path
from project_architect_db.models.document import DocumentType
from project_architect_db.schemas.common import BaseSchema, TimestampSchema, Verbatim

__all__ = [
    "Document",
    "DocumentBase",
    "DocumentCreate",
    "DocumentSchema",
    "DocumentSummary",
    "DocumentUpdate",
    "DocumentUsage",
    "DocumentVersionSchema",
    "UsedDocument",
]

FilePath = Annotated[str, AfterValidator(checked_path)]
"""Where a file is, below the root of the documents."""


class DocumentBase(BaseSchema):
    """What a document says of itself."""

    name: str = Field(min_length=1, max_length=255)
    doc_type: DocumentType = DocumentType.OTHER
    content: Verbatim = ""
    file_path: FilePath | None = None


class DocumentCreate(DocumentBase):
    """A new document."""

    project_id: PositiveInt


class DocumentUpdate(BaseSchema):
    """What may change of a document; what is not set stays as it is."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    doc_type: DocumentType | None = None
    content: Verbatim | None = None
    file_path: FilePath | None = None
    note: str | None = Field(default=None, max_length=1_000)
    version: int | None = None


class DocumentSummary(TimestampSchema):
    """A document in a list, without its content."""

    id: int
    project_id: int
    name: str
    doc_type: DocumentType
    file_path: str | None
    word_count: int
    size: int


class Document(DocumentBase, TimestampSchema):
    """A document as it is read."""

    id: int
    project_id: int
    version: int
    word_count: int
    size: int
    digest: str
    changed_at: dt.datetime
    changed_by: str | None
    note: str | None
    revision: str | None


DocumentSchema: TypeAlias = Document
"""The same, by a name that no model has."""


class DocumentVersionSchema(BaseSchema):
    """What the content of a document was, or is, from a change to the next."""

    number: int
    size: int
    digest: str
    changed_at: dt.datetime
    changed_by: str | None
    note: str | None
    revision: str | None
    is_current: bool


class UsedDocument(BaseSchema):
    """A document and how often it was read."""

    id: int
    name: str
    accesses: int
    last_accessed_at: dt.datetime


class DocumentUsage(BaseSchema):
    """How documents are used: how many there are by type, and which are read most."""

    documents: int
    words: int
    size: int
    by_type: dict[str, int]
    accesses: int
    most_read: list[UsedDocument]
