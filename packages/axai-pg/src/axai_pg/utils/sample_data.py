"""Two organisations with users and documents, to look at; the same keys each time."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from axai_pg.data.models import (
    Collection,
    Document,
    DocumentCollection,
    DocumentStatus,
    DocumentTopic,
    GraphNode,
    GraphRelationship,
    Organization,
    Summary,
    Topic,
    User,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["ACME", "GLOBEX", "load"]

_SPACE: Final = uuid.UUID("5a3d1c9e-0f7b-5d1e-9a53-2f8f4c1b7e60")


def _key(*names: str) -> uuid.UUID:
    return uuid.uuid5(_SPACE, "/".join(names))


ACME: Final = _key("Acme")
GLOBEX: Final = _key("Globex")
_ORGANIZATIONS: Final = {
    ACME: ("Acme", ("ana", "ben"), "Plans"),
    GLOBEX: ("Globex", ("cleo", "ana"), "Reports"),
}
_DOCUMENTS: Final = (
    ("Onboarding", DocumentStatus.PUBLISHED, "How a new colleague gets to know the house."),
    ("Budget", DocumentStatus.DRAFT, "What the next year costs, and what it earns."),
    ("Minutes", DocumentStatus.PUBLISHED, "Who was there, what was decided, who does it."),
)


def load(session: Session) -> None:
    """Add both organisations, unless they are there; the session is an operator's."""
    for org_id, (name, users, collection) in _ORGANIZATIONS.items():
        if session.get(Organization, org_id) is None:
            session.add(Organization(id=org_id, name=name))
            session.flush()
            _fill(session, org_id, users, collection)


def _fill(session: Session, org_id: uuid.UUID, users: tuple[str, ...], collection: str) -> None:
    """Add what an organisation has; a row is written after those that it refers to."""
    place = str(org_id)
    session.add_all(
        User(id=_key(place, name), org_id=org_id, username=name, email=f"{name}@example.org")
        for name in users
    )
    topic = Topic(id=_key(place, "topic"), org_id=org_id, name="Organisation")
    session.add(topic)
    session.flush()
    owner_id = _key(place, users[0])
    documents = [
        Document(
            id=_key(place, title),
            org_id=org_id,
            owner_id=owner_id,
            title=title,
            status=status,
            content=content,
        )
        for title, status, content in _DOCUMENTS
    ]
    shelf = Collection(
        id=_key(place, "collection"), org_id=org_id, owner_id=owner_id, name=collection
    )
    session.add_all([*documents, shelf])
    session.flush()
    session.add_all(
        DocumentCollection(collection_id=shelf.id, document_id=document.id)
        for document in documents
    )
    for document in documents:
        _describe(session, document, topic)
    session.flush()
    session.add(
        GraphRelationship(
            org_id=org_id,
            source_node_id=_key(str(documents[0].id), "node"),
            target_node_id=_key(str(documents[2].id), "node"),
            relationship_type="follows from",
            created_by_tool="sample",
        )
    )


def _describe(session: Session, document: Document, topic: Topic) -> None:
    """Add a summary, a topic and a node of a document, which have its organisation."""
    session.add_all(
        [
            Summary(
                document_id=document.id,
                content=f"In short: {document.content}",
                tool_agent="sample",
                confidence_score=Decimal("0.9"),
            ),
            DocumentTopic(
                document_id=document.id,
                topic_id=topic.id,
                relevance_score=Decimal("0.8"),
                extracted_by_tool="sample",
            ),
            GraphNode(
                id=_key(str(document.id), "node"),
                org_id=document.org_id,
                document_id=document.id,
                node_type="document",
                name=document.title,
                created_by_tool="sample",
            ),
        ]
    )
