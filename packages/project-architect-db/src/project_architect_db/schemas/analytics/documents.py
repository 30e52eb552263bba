"""Figures about documents."""

from __future__ import annotations

from project_architect_db.schemas.analytics.results import AnalyticsResult
from project_architect_db.schemas.analytics.statistics import Distribution
from project_architect_db.schemas.document import UsedDocument

__all__ = ["DocumentUsageStats"]


class DocumentUsageStats(AnalyticsResult):
    """The documents created in the date range, as they are now, and who read documents in it.

    A document counts if it is not deleted and its ``created_at`` is in ``[start, end)``; with a
    viewer, if the viewer owns its project or is a member of it. Accesses count by their own
    ``accessed_at``, whenever their document was created, unless that is deleted.
    """

    total_documents: int
    """How many documents there are."""
    documents_by_type: dict[str, int]
    """How many are of each type: all six types always there, in the order of ``DocumentType``."""
    bytes_by_type: dict[str, int]
    """The sum of their ``size``, by type, in the same way."""
    total_bytes: int
    """The sum of their ``size``: bytes of their content, as UTF-8."""
    total_words: int
    """The sum of their ``word_count``."""
    bytes_per_document: Distribution
    """The ``size`` of each."""
    words_per_document: Distribution
    """The ``word_count`` of each."""
    revised_documents: int
    """How many of them have at least one earlier version."""
    past_versions: int
    """How many earlier versions they have, all together; the current one is none."""
    total_accesses: int
    """How often documents were read."""
    read_documents: int
    """How many different documents were read at least once."""
    readers: int
    """How many different ``accessed_by`` there are; unknown readers do not count."""
    accesses_per_read_document: float | None
    """``total_accesses / read_documents``; None if none was read."""
    most_read: list[UsedDocument]
    """The ten documents that were read most, in the range: most accesses first, equals by id.
    ``last_accessed_at`` is the last access in the range."""
