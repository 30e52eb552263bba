"""What each column of each table holds of a person, and what becomes of it.

A test compares this with the live catalogue: a column that is not here fails it, and so does
a key to ``users`` that is said to be nothing of a person.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sqlalchemy import String, cast, or_, select

from axai_pg.data.models import Base

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement, Select, Table

    Condition = Callable[[Table, uuid.UUID], ColumnElement[bool]]

__all__ = ["REGISTRY", "ColumnPrivacy", "Erasure", "TablePrivacy", "of_documents"]


class Erasure(enum.StrEnum):
    """What becomes of a column when a person is erased."""

    NOTHING = "nothing"
    """It holds nothing of a person: a key of a row, a time, a number, one of a few words."""
    REMOVED = "removed"
    """It is emptied, or its row is deleted."""
    DOCUMENTS = "documents"
    """It goes with the documents and collections of the person, or to whom they are handed."""
    KEPT = "kept"
    """It stays, for the reason that is given."""


@dataclass(frozen=True, slots=True)
class ColumnPrivacy:
    """What becomes of a column, why it is kept if it is, and whether an export has it."""

    erasure: Erasure
    reason: str = ""
    is_exported: bool = True


@dataclass(frozen=True, slots=True)
class TablePrivacy:
    """The columns of a table, and which rows are about a person.

    Of ``rows`` an export has all columns; of those that are others' and name the person,
    which are in ``mentions``, it has ``told``.
    """

    columns: Mapping[str, ColumnPrivacy]
    rows: Condition | None = None
    mentions: Condition | None = None
    told: frozenset[str] = field(default_factory=frozenset)


PSEUDONYM: Final = (
    "a number that leads to nobody once the row in users is emptied; who did what stays "
    "accountable (GDPR Art. 5(2), 17(3)(b) and (e))"
)
ACCOUNTABLE: Final = "shows that the person was answered, and when (GDPR Art. 5(2), 12(3))"
LOG: Final = "names an operation, a table, columns or a database login, never a value"
ORGANISATION: Final = (
    "words of the organisation about its own subjects; no row says who wrote them: look there by "
    "hand if they name the person"
)
DIGEST: Final = "a digest, whose salt goes with what it was made of"
UNUSED: Final = "no model keeps history, so the table is empty"


def _owned_documents(org_id: ColumnElement[uuid.UUID], person: uuid.UUID) -> Select[uuid.UUID]:
    """Return the keys of the documents of a person, in the organisation of a row."""
    documents = Base.metadata.tables["documents"]
    return select(documents.c.id).where(
        documents.c.org_id == org_id, documents.c.owner_id == person
    )


def _by(*names: str) -> Condition:
    """Return the rows that name a person in one of these columns."""
    return lambda table, person: or_(*(table.c[name] == person for name in names))


def of_documents(table: Table, person: uuid.UUID) -> ColumnElement[bool]:
    """Return the rows that belong to documents of a person."""
    return table.c.document_id.in_(_owned_documents(table.c.org_id, person))


def _collected(table: Table, person: uuid.UUID) -> ColumnElement[bool]:
    collections = Base.metadata.tables["collections"]
    owned = select(collections.c.id).where(
        collections.c.org_id == table.c.org_id, collections.c.owner_id == person
    )
    return or_(of_documents(table, person), table.c.collection_id.in_(owned))


def _related(table: Table, person: uuid.UUID) -> ColumnElement[bool]:
    nodes = Base.metadata.tables["graph_nodes"]
    owned = select(nodes.c.id).where(
        nodes.c.org_id == table.c.org_id,
        nodes.c.document_id.in_(_owned_documents(table.c.org_id, person)),
    )
    ends = (table.c.source_node_id.in_(owned), table.c.target_node_id.in_(owned))
    return or_(of_documents(table, person), *ends)


def _acted(table: Table, person: uuid.UUID) -> ColumnElement[bool]:
    """Return the records of what somebody did who was called by key, name or address."""
    users = Base.metadata.tables["users"]
    called = [
        select(name).where(users.c.id == person, cast(users.c.org_id, String) == table.c.tenant)
        for name in (cast(users.c.id, String), users.c.username, users.c.email)
    ]
    return or_(*(table.c.actor == each.scalar_subquery() for each in called))


def _columns(
    nothing: str = "",
    *,
    removed: str = "",
    documents: str = "",
    kept: Mapping[str, str] | None = None,
    hidden: str = "",
) -> Mapping[str, ColumnPrivacy]:
    """Return names of columns with what becomes of them; ``kept`` has the reason of each group."""
    left_out = set(hidden.split())
    groups = (
        (nothing, Erasure.NOTHING, ""),
        (removed, Erasure.REMOVED, ""),
        (documents, Erasure.DOCUMENTS, ""),
        *((names, Erasure.KEPT, reason) for reason, names in (kept or {}).items()),
    )
    return MappingProxyType(
        {
            name: ColumnPrivacy(erasure, reason, name not in left_out)
            for names, erasure, reason in groups
            for name in names.split()
        }
    )


_SAID: Final = "title description content language filename file_path content_type document_type"

REGISTRY: Final[Mapping[str, TablePrivacy]] = MappingProxyType(
    {
        "organizations": TablePrivacy(
            _columns("id created_at updated_at", kept={ORGANISATION: "name"})
        ),
        "users": TablePrivacy(
            _columns(
                "org_id",
                removed="username email hashed_password is_active is_admin is_email_verified",
                kept={PSEUDONYM: "id", ACCOUNTABLE: "created_at updated_at erased_at"},
                hidden="hashed_password",
            ),
            rows=_by("id"),
        ),
        "user_roles": TablePrivacy(
            _columns("org_id id created_at role_id", removed="user_id"), rows=_by("user_id")
        ),
        "documents": TablePrivacy(
            _columns(
                "org_id id status processing_status size word_count version deleted_at created_at"
                " updated_at",
                removed="changed_by_id",
                documents=f"owner_id {_SAID} file_format source external_ref_id metadata"
                " content_hash change_description search_vector",
                hidden="search_vector",
            ),
            rows=_by("owner_id"),
            mentions=_by("changed_by_id"),
            told=frozenset({"id", "changed_by_id", "version", "change_description"}),
        ),
        "document_versions": TablePrivacy(
            _columns(
                "org_id id document_id version status created_at",
                removed="created_by_id",
                documents=f"{_SAID} metadata changed_columns change_description",
            ),
            rows=of_documents,
            mentions=_by("created_by_id"),
            told=frozenset(
                {
                    "id",
                    "document_id",
                    "version",
                    "created_by_id",
                    "change_description",
                    "created_at",
                }
            ),
        ),
        "summaries": TablePrivacy(
            _columns(
                "org_id id document_id confidence_score word_count processing_time_ms status"
                " created_at updated_at",
                documents="content summary_type target_audience tool_agent tool_version"
                " config_parameters language_code",
            ),
            rows=of_documents,
        ),
        "topics": TablePrivacy(
            _columns(
                "org_id id parent_topic_id global_importance is_active created_at updated_at",
                kept={ORGANISATION: "name description keywords extraction_method created_by_tool"},
            )
        ),
        "document_topics": TablePrivacy(
            _columns(
                "org_id id document_id topic_id relevance_score extracted_at created_at updated_at",
                documents="context extracted_by_tool",
            ),
            rows=of_documents,
        ),
        "graph_nodes": TablePrivacy(
            _columns(
                "org_id id document_id is_active created_at updated_at",
                documents="entity_id node_type name description properties created_by_tool",
            ),
            rows=of_documents,
        ),
        "graph_relationships": TablePrivacy(
            _columns(
                "org_id id source_node_id target_node_id document_id is_directed weight"
                " confidence_score is_active created_at updated_at",
                documents="relationship_type properties created_by_tool",
            ),
            rows=_related,
        ),
        "collections": TablePrivacy(
            _columns(
                "org_id id parent_id deleted_at created_at updated_at",
                documents="owner_id name description",
            ),
            rows=_by("owner_id"),
        ),
        "document_collections": TablePrivacy(
            _columns("org_id id collection_id document_id added_at"), rows=_collected
        ),
        "roles": TablePrivacy(
            _columns("org_id id created_at updated_at", kept={ORGANISATION: "name description"})
        ),
        "role_permissions": TablePrivacy(
            _columns("org_id id role_id action created_at", kept={ORGANISATION: "resource"})
        ),
        "document_permissions": TablePrivacy(
            _columns(
                "org_id id document_id role_id permission expires_at created_at",
                removed="user_id granted_by_id",
            ),
            rows=_by("user_id"),
            mentions=_by("granted_by_id"),
            told=frozenset({"id", "document_id", "permission", "granted_by_id", "created_at"}),
        ),
        "personal_data_requests": TablePrivacy(
            _columns(
                "org_id id",
                removed="note",
                kept={
                    PSEUDONYM: "user_id",
                    ACCOUNTABLE: "kind status completed_at created_at updated_at",
                },
            ),
            rows=_by("user_id"),
        ),
        "audit_log": TablePrivacy(
            _columns(
                "org_id id occurred_at transaction_id",
                removed="details details_salt",
                kept={
                    PSEUDONYM: "actor_id row_id",
                    LOG: "login action table_name columns",
                    DIGEST: "details_digest",
                },
                hidden="details_salt details_digest",
            ),
            rows=_by("actor_id", "row_id"),
        ),
        "audit_seals": TablePrivacy(
            _columns(
                "org_id id number sealed_at upto entries pruned_at",
                kept={DIGEST: "digest"},
            )
        ),
        "andamios_changes": TablePrivacy(
            _columns(
                "position time count",
                removed="actor",
                kept={
                    PSEUDONYM: "key keys first_key last_key",
                    LOG: "entity kind",
                    "the key of the organisation": "tenant",
                },
            ),
            rows=_acted,
        ),
        "andamios_history": TablePrivacy(
            _columns(
                "position time version",
                kept={UNUSED: "entity key actor kind before after tenant"},
            )
        ),
        "andamios_followers": TablePrivacy(
            _columns("position time", kept={"what a program calls itself": "name"})
        ),
    }
)
"""The tables, and what is in each of them of a person."""
