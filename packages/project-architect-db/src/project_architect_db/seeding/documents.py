"""Rows of documents: their content, earlier ones, and who has read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, case, literal, null

from project_architect_db.models.document import DocumentType
from project_architect_db.models.texts import count_words
from project_architect_db.seeding.chance import whole
from project_architect_db.seeding.projects import owner_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Subquery

    from project_architect_db.seeding.plan import Plan, Span

__all__ = ["access_rows", "document_rows", "heads", "sections", "version_rows"]

_HEADS: Final = (
    ("README", DocumentType.README, "README.md"),
    ("Architecture", DocumentType.ARCHITECTURE, "docs/architecture.md"),
    ("Requirements", DocumentType.REQUIREMENTS, "docs/requirements.md"),
    ("Interface", DocumentType.API_SPEC, "docs/api.md"),
    ("Deployment", DocumentType.DEPLOYMENT, "docs/deployment.md"),
    ("Decisions", DocumentType.OTHER, "docs/decisions.md"),
    ("Notes of the kick-off", DocumentType.OTHER, "notes/kick-off.md"),
    ("Glossary", DocumentType.OTHER, "docs/glossary.md"),
)
_SECTIONS: Final = (
    *("Context", "Why", "What it does", "How it works", "Limits", "Open questions", "Risks"),
    *("What we tried", "Before the release", "Who decides", "Costs", "Next steps"),
)
_BETWEEN: Final = "\n\n"
_MOST_VERSIONS: Final = 32
_PARTS: Final = ("kind", "opening", "section", "first", "second")


def heads() -> list[tuple[str, str, str, str, int, int]]:
    """Return the kinds of documents: name, type, file, heading with its words and size."""
    return [
        (name, str(kind), path, text := f"# {name}", count_words(text), len(text))
        for name, kind, path in _HEADS
    ]


def sections() -> list[tuple[str, int, int]]:
    """Return headings in documents, with their words and size."""
    return [(text := f"## {each}", count_words(text), len(text)) for each in _SECTIONS]


def _documents(plan: Plan, span: Span) -> Subquery:
    """Return the documents of projects, with how many ``versions`` they had before."""
    rows = plan.children("documents", plan.lives(span))
    row = rows.c
    part = row.place * 10 + plan.draw(row.n, "written", 8)
    started = row.began + whole((row.ended - row.began) * part, row.siblings * 12)
    last = len(_HEADS) - 1
    rows = plan.with_columns(rows, started=started, head=case((row.place < last, row.place), else_=last))
    rows = plan.with_columns(rows, left=rows.c.ended - rows.c.started, document=rows.c.n)
    return plan.counted("versions", rows)


def _written(plan: Plan, rows: Subquery, version: ColumnElement[int]) -> Subquery:
    """Return the rows with the content that their document had: what, when, and by whom."""
    row = rows.c
    part = version * 10 + case((version > 0, plan.draw(row.document * _MOST_VERSIONS + version, "v", 8)), else_=0)
    rows = plan.with_columns(
        rows,
        number=row.document * _MOST_VERSIONS + version,
        version=version,
        changed=row.started + whole(row.left * part, (row.versions + 1) * 10),
    )
    number = rows.c.number
    person = owner_of(plan, rows.c.project) + plan.draw(number, "writer", 3) * 37
    rows = plan.chosen(
        rows,
        kind=("heads", rows.c["head"]),
        opening=("openings", plan.place_in("openings", number, "content")),
        section=("sections", plan.place_in("sections", number, "section")),
        first=("paragraphs", plan.place_in("paragraphs", number, "first")),
        second=("paragraphs", plan.place_in("paragraphs", number, "second")),
        writer=("people", person % plan.sizes["people"]),
    )
    row = rows.c
    parts = [row[f"{name}_text"] for name in _PARTS]
    content = parts[0]
    for each in parts[1:]:
        content = content + _BETWEEN + each
    return plan.with_columns(rows, content=content)


def _of_content(plan: Plan, row: Any) -> dict[str, ColumnElement[Any]]:
    """Return the columns that say all about a content."""
    changed = row.version > 0
    return {
        "content": row.content,
        "size": sum((row[f"{name}_size"] for name in _PARTS), literal(len(_BETWEEN) * 4, BigInteger)),
        "digest": plan.digest(row.content),
        "changed_at": plan.time(row.changed),
        "changed_by": row.writer_address,
        "note": case((changed & (plan.draw(row.number, "noted", 100) < 60), row.opening_text)),
        "revision": null(),
    }


def document_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of documents as they are now."""
    rows = _documents(plan, span)
    row = _written(plan, rows, rows.c.versions).c
    return {
        "id": plan.key("documents", row.n),
        "project_id": plan.key("projects", row.parent),
        "name": row.kind_name,
        "doc_type": row.kind_type,
        "file_path": row.kind_path,
        **_of_content(plan, row),
        "word_count": sum((row[f"{name}_words"] for name in _PARTS), literal(0, BigInteger)),
        "created_at": plan.time(row.started),
        "updated_at": plan.time(row.changed),
        "version": literal(1),
        "deleted_at": null(),
    }


def version_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of what documents were before."""
    rows = plan.children("versions", _documents(plan, span))
    row = _written(plan, rows, rows.c.place).c
    return {
        "id": plan.key("document_versions", row.n),
        "document_id": plan.key("documents", row.parent),
        "number": row.version + 1,
        **_of_content(plan, row),
    }


def access_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of who has read documents, lately more often."""
    rows = plan.children("accesses", _documents(plan, span))
    row = rows.c
    person = owner_of(plan, row.project) + plan.draw(row.n, "reader", 40) * 37
    rows = plan.chosen(rows, reader=("people", person % plan.sizes["people"]))
    row = rows.c
    before = whole(row.left * plan.skewed(row.n, "read", 1_000), 1_000)
    return {
        "id": plan.key("document_accesses", row.n),
        "document_id": plan.key("documents", row.parent),
        "accessed_at": plan.time(row.ended - before),
        "accessed_by": row.reader_address,
    }
