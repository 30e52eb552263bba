"""What is searched is made by the database, when what a document says has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text, update

from axai_pg.data.models import Document, DocumentStatus, User

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db]

VECTOR = text("SELECT search_vector::text FROM documents")
WRITTEN = {"title": "Oak trees", "description": "A plan", "content": "rivers"}
SEARCHED = "'oak':1A 'plan':4B 'river':5B 'tree':2A"


@pytest.fixture
def document(session: Session, user: User) -> Document:
    made = Document(owner_id=user.id, **WRITTEN)
    session.add(made)
    session.flush()
    return made


def store(session: Session, act_as: Any, vector: str) -> None:
    """Store another vector past the triggers, as somebody who can do anything."""
    act_as(session, "postgres", session.info["org_id"])
    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(text("UPDATE documents SET search_vector = :it"), {"it": vector})
    session.execute(text("SET LOCAL session_replication_role = origin"))
    act_as(session, "axai_app", session.info["org_id"])


@pytest.mark.parametrize(
    "values",
    [
        {"status": DocumentStatus.PUBLISHED},
        {"processing_status": "complete"},
        {"document_metadata": {"a": 1}},
        {"title": "Oak trees"},
    ],
)
def test_it_is_left_alone_while_the_text_is_the_same(
    session: Session, document: Document, act_as: Any, values: dict[str, Any]
) -> None:
    made = session.scalar(VECTOR)
    store(session, act_as, "'kept':1A")

    session.execute(update(Document).values(values))

    assert (made, session.scalar(VECTOR)) == (SEARCHED, "'kept':1A")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"title": "Elms"}, "'elm':1A 'plan':3B 'river':4B"),
        ({"description": None}, "'oak':1A 'river':3B 'tree':2A"),
        ({"content": None}, "'oak':1A 'plan':4B 'tree':2A"),
        ({"language": "xx"}, "'a':3B 'oak':1A 'plan':4B 'rivers':5B 'trees':2A"),
    ],
)
def test_it_is_made_anew_when_the_text_changes(
    session: Session, document: Document, act_as: Any, values: dict[str, Any], found: str
) -> None:
    store(session, act_as, "'kept':1A")

    session.execute(update(Document).values(values))

    assert session.scalar(VECTOR) == found


@pytest.mark.parametrize("title", ["Oak trees", "Oak tree"])
def test_what_is_given_for_it_is_overwritten(
    session: Session, document: Document, title: str
) -> None:
    session.execute(
        text("UPDATE documents SET title = :title, search_vector = 'forged:1A'"), {"title": title}
    )
    updated = session.scalar(VECTOR)
    session.execute(text("DELETE FROM documents"))
    session.execute(
        text(
            "INSERT INTO documents (owner_id, title, description, content, search_vector)"
            " VALUES (:owner, :title, :description, :content, 'forged:1A')"
        ),
        {"owner": document.owner_id, **WRITTEN},
    )

    assert (updated, session.scalar(VECTOR)) == (SEARCHED, SEARCHED)


def test_it_is_no_column_of_the_audit_log(
    session: Session, document: Document, act_as: Any
) -> None:
    session.execute(update(Document).values(title="Elms"))
    act_as(session, "axai_system", session.info["org_id"])

    columns = session.scalar(
        text("SELECT columns FROM audit_log WHERE action = 'update' AND row_id = :id"),
        {"id": document.id},
    )

    assert "title" in columns
    assert "search_vector" not in columns
