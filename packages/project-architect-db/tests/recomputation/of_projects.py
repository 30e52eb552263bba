"""Figures about projects, and about documents, out of plain rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.recomputation.numbers_of import distribution, grouped, named, quotient, seconds

if TYPE_CHECKING:
    from tests.recomputation.rows import Question, Row, Rows

__all__ = ["document_usage_stats", "project_analytics", "project_metrics"]

STATUSES = ("draft", "active", "completed", "archived")
TENS = [f"{ten}-{ten + 9}" for ten in range(0, 90, 10)] + ["90-100"]
TYPES = ("architecture", "api_spec", "deployment", "requirements", "readme", "other")


def project_metrics(rows: Rows, question: Question) -> Row:
    """Return the fields of ``ProjectMetrics``; ``rows`` are those that count."""
    projects = [row for row in rows.projects if question.has(row["created_at"])]
    by_status = Counter(str(row["status"]) for row in projects)
    finished = [row for row in projects if row["completed_at"] is not None]
    taken = distribution([seconds(row["created_at"], row["completed_at"]) for row in finished])
    scores = [row["complexity_score"] for row in projects if row["complexity_score"] is not None]
    tens = Counter(TENS[min(score // 10, 9)] for score in scores)
    return {
        **question.head(),
        "total_projects": len(projects),
        "active_projects": by_status["active"],
        "completed_projects": by_status["completed"],
        "project_by_status": {status: by_status[status] for status in STATUSES},
        "finished_projects": len(finished),
        "completion_rate": quotient(len(finished), len(projects)),
        "average_completion_time": taken["mean"],
        "median_completion_time": taken["median"],
        "p90_completion_time": taken["p90"],
        "average_complexity": quotient(sum(scores), len(scores)),
        "complexity_distribution": {ten: tens[ten] for ten in TENS},
        "unscored_projects": len(projects) - len(scores),
        "top_frameworks": named(row["framework"] for row in projects),
    }


def project_analytics(rows: Rows, question: Question) -> Row:
    """Return the fields of ``ProjectAnalytics``."""
    documents = [row for row in rows.documents if question.has(row["created_at"])]
    return {
        **project_metrics(rows, question),
        "conversations": sum(question.has(row["created_at"]) for row in rows.conversations),
        "messages": sum(question.has(row["time"]) for row in rows.messages),
        "documents": len(documents),
        "document_bytes": sum(_size(row) for row in documents),
        "repositories": sum(question.has(row["created_at"]) for row in rows.repositories),
    }


def document_usage_stats(rows: Rows, question: Question) -> Row:
    """Return the fields of ``DocumentUsageStats``."""
    documents = [row for row in rows.documents if question.has(row["created_at"])]
    of_type = grouped(documents, "doc_type")
    keys = {row["id"] for row in documents}
    past = Counter(row["document_id"] for row in rows.versions if row["document_id"] in keys)
    accesses = [row for row in rows.accesses if question.has(row["accessed_at"])]
    read = grouped(accesses, "document_id")
    return {
        **question.head(),
        "total_documents": len(documents),
        "documents_by_type": {each: len(of_type.get(each, [])) for each in TYPES},
        "bytes_by_type": {each: sum(map(_size, of_type.get(each, []))) for each in TYPES},
        "total_bytes": sum(map(_size, documents)),
        "total_words": sum(map(_words, documents)),
        "bytes_per_document": distribution([_size(row) for row in documents]),
        "words_per_document": distribution([_words(row) for row in documents]),
        "revised_documents": len(past),
        "past_versions": sum(past.values()),
        "total_accesses": len(accesses),
        "read_documents": len(read),
        "readers": len({row["accessed_by"] for row in accesses} - {None}),
        "accesses_per_read_document": quotient(len(accesses), len(read)),
        "most_read": _most_read(rows, read),
    }


def _most_read(rows: Rows, read: dict[int, list[Row]]) -> list[dict[str, Any]]:
    names = {row["id"]: row["name"] for row in rows.documents}
    first = sorted(read.items(), key=lambda each: (-len(each[1]), each[0]))[:10]
    return [
        {
            "id": key,
            "name": names[key],
            "accesses": len(accesses),
            "last_accessed_at": max(row["accessed_at"] for row in accesses),
        }
        for key, accesses in first
    ]


def _size(document: Row) -> int:
    """Return the bytes of a document, counted again."""
    return len(document["content"].encode())


def _words(document: Row) -> int:
    return len(document["content"].split())
