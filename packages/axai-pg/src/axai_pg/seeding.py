"""Sample organisations of any size that one could believe, the same each time."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, text

from andamios_orm.exceptions import ValueRefused
from andamios_orm.maintenance.progress import say_nothing
from axai_pg.data.models import Organization

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axai_pg.data.config import DatabaseManager

__all__ = ["planned_rows", "sample_id", "sample_names", "seed", "unseed"]

_MOST_ORGANIZATIONS: Final = 10_000
_MOST_DOCUMENTS: Final = 1_000_000
_MOST_SEED: Final = 2**31
_MARK: Final = "axai-pg sample "


def _words(text: str) -> list[str]:
    return text.split()


_CLIENTS: Final = _words("""
Meridian Northwind Halden Brightwater Calloway Lindqvist Redfern Kestrel Marlowe Fairholm
Thornbury Solano Juniper Ashgrove Castell Dunmore Foxglove Larkspur Oakhurst Pendle Quayside
Stonegate Tamarind Verity
""")
_TRADES: Final = _words(
    "Press Logistics Clinics Energy Foods Legal Museums Schools Housing Textiles"
)
_PEOPLE: Final = _words("""
maria jonas aiko tomas leila peter ingrid samuel chiara omar nadia viktor elena hugo priya felix
""")
_TOPICS: Final = _words("Finance Staff Customers Quality Safety Suppliers Contracts Research")
_KINDS: Final = _words(
    "Minutes Report Proposal Contract Guideline Checklist Review Plan Budget Memo"
)
_SUBJECTS: Final = _words("""
invoices deliveries audits training claims maintenance tenders refunds complaints inventory
permits travel recruiting insurance energy archives
""")
_SENTENCES: Final = [
    "The figures for {} were compared with those of the year before.",
    "Two suppliers were asked about {}, and both have answered.",
    "What we know of {} is listed below, with the sources.",
    "Nobody objected to the new rules for {}.",
    "The costs of {} stay within the budget.",
    "An open question about {} goes to the next meeting.",
    "Customers notice {} only when something goes wrong.",
    "The checklist for {} has to be signed by two persons.",
    "From the first of the month on, {} is handled by one team.",
    "The risks of {} were rated as low, with one exception.",
]

_STEPS: Final = {
    "users": """
INSERT INTO users (org_id, id, username, email, is_admin, created_at, updated_at)
SELECT CAST(:org AS uuid), md5(:salt || 'user' || n)::uuid, name || n,
    name || n || '@example.org', n = 1, moment, moment
FROM generate_series(1, :users) AS n,
    LATERAL (SELECT CAST(:people AS text[]) AS people) AS words,
    LATERAL (SELECT people[1 + (n - 1) % cardinality(people)] AS name,
        timestamptz '2025-01-01 09:00+00' + n * interval '1 day' AS moment) AS made
""",
    "topics": """
INSERT INTO topics (org_id, id, name, created_by_tool)
SELECT CAST(:org AS uuid), md5(:salt || 'topic' || name)::uuid, name, 'sample'
FROM unnest(CAST(:topics AS text[])) AS name
""",
    "documents": """
INSERT INTO documents (
    org_id, id, owner_id, title, content, status, document_type, source, metadata, size,
    word_count, content_hash, created_at, updated_at
)
SELECT CAST(:org AS uuid), md5(:salt || 'document' || n)::uuid,
    md5(:salt || 'user' || (1 + (get_byte(o, 0) * 256 + get_byte(o, 1)) % :users))::uuid,
    kind || ' on ' || subject || ', ' || to_char(moment, 'FMMonth YYYY'), content,
    (ARRAY['draft', 'published', 'published', 'archived'])[1 + get_byte(h, 3) % 4], lower(kind),
    'sample', jsonb_build_object('sample', true, 'subject', subject), octet_length(content),
    cardinality(string_to_array(content, ' ')),
    encode(sha256(convert_to(content, 'UTF8')), 'hex'), moment, moment
FROM generate_series(1, :documents) AS n,
    LATERAL (SELECT CAST(:kinds AS text[]) AS kinds, CAST(:subjects AS text[]) AS subjects,
        CAST(:sentences AS text[]) AS sentences,
        decode(md5(:salt || 'row' || n), 'hex') AS h,
        decode(md5(:salt || 'owner' || n), 'hex') AS o) AS words,
    LATERAL (SELECT kinds[1 + get_byte(h, 1) % cardinality(kinds)] AS kind,
        subjects[1 + get_byte(h, 2) % cardinality(subjects)] AS subject,
        timestamptz '2025-02-01 08:00+00'
            + (get_byte(h, 4) * 512 + get_byte(h, 5)) * interval '5 minutes' AS moment
    ) AS chosen,
    LATERAL (SELECT string_agg(
            replace(sentences[1 + get_byte(h, 6 + at) % cardinality(sentences)], '{}', subject),
            ' ' ORDER BY at
        ) AS content
        FROM generate_series(0, 3 + get_byte(h, 15) % 6) AS at) AS written
""",
    "document_topics": """
INSERT INTO document_topics (
    org_id, id, document_id, topic_id, relevance_score, extracted_by_tool
)
SELECT CAST(:org AS uuid), md5(:salt || 'link' || n)::uuid, md5(:salt || 'document' || n)::uuid,
    md5(:salt || 'topic' || topics[1 + get_byte(h, 0) % cardinality(topics)])::uuid,
    (50 + get_byte(h, 1) % 50) / 100.0, 'sample'
FROM generate_series(1, :documents) AS n,
    LATERAL (SELECT CAST(:topics AS text[]) AS topics,
        decode(md5(:salt || 'about' || n), 'hex') AS h) AS words
""",
    "summaries": """
INSERT INTO summaries (org_id, id, document_id, content, tool_agent, confidence_score)
SELECT CAST(:org AS uuid), md5(:salt || 'summary' || n)::uuid, document.id,
    'In short: ' || split_part(document.content, '. ', 1), 'sample',
    (70 + get_byte(decode(md5(:salt || n), 'hex'), 0) % 30) / 100.0
FROM generate_series(1, :documents, 2) AS n
JOIN documents AS document ON document.org_id = CAST(:org AS uuid)
    AND document.id = md5(:salt || 'document' || n)::uuid
""",
    "document_versions": """
UPDATE documents SET content = content || ' This was added after a review.',
    change_description = 'after a review', updated_at = created_at + interval '3 days'
WHERE org_id = CAST(:org AS uuid) AND id IN (
    SELECT md5(:salt || 'document' || n)::uuid FROM generate_series(1, :documents, 4) AS n
)
""",
}
"""What fills an organisation; a change of a document leaves a version."""
_IS_SAMPLE: Final = """
WHERE id::text = md5(:mark || substring(name FROM '\\(sample ([0-9]+-[0-9]+)\\)$'))::uuid::text
"""
_SAMPLES: Final = text(f"SELECT name FROM organizations {_IS_SAMPLE} ORDER BY name")  # noqa: S608 - a constant
_NO_SAMPLES: Final = text(f"DELETE FROM organizations {_IS_SAMPLE}")  # noqa: S608 - a constant


def sample_id(seed: int, number: int) -> uuid.UUID:
    """Return the key of a sample organisation, which nothing else has.

    >>> str(sample_id(7, 1))
    '15b89377-3e25-a8a0-33a2-2462bd3d32a3'
    """
    name = f"{_MARK}{seed}-{number}".encode()
    return uuid.UUID(hashlib.md5(name, usedforsecurity=False).hexdigest())


def planned_rows(organizations: int, documents: int, seed: int = 7) -> dict[str, int]:
    """Return how many rows ``seed`` makes in each table, with so many documents in each.

    >>> planned_rows(2, 100)["document_versions"]
    50

    Raises:
        ValueRefused: there would be none, or too many; ``seed`` is none.
    """
    for name, value, most in (
        ("organizations", organizations, _MOST_ORGANIZATIONS),
        ("documents", documents, _MOST_DOCUMENTS),
    ):
        if not 0 < value <= most:
            raise ValueRefused(f"there are 1 to {most:,} of them", value, name)
    if not 0 <= seed < _MOST_SEED:
        raise ValueRefused(f"it is from 0 to {_MOST_SEED - 1:,}", seed, "seed")
    one = {
        "organizations": 1,
        "users": _users(documents),
        "topics": len(_TOPICS),
        "documents": documents,
        "document_topics": documents,
        "summaries": (documents + 1) // 2,
        "document_versions": (documents + 3) // 4,
    }
    return {name: rows * organizations for name, rows in one.items()}


def seed(
    manager: DatabaseManager,
    *,
    organizations: int = 3,
    documents: int = 200,
    seed: int = 7,
    progress: Callable[[int, int], None] = say_nothing,
) -> dict[str, int]:
    """Return how many rows it has made in each table; ``documents`` are those of each.

    Their names say that they are samples. One that is there already stays as it is, so the
    same again makes nothing. Each organisation is a transaction.

    Raises:
        ValueRefused: a number makes no sense.
    """
    made = Counter(dict.fromkeys(planned_rows(organizations, documents, seed), 0))
    for number in range(1, organizations + 1):
        made.update(_organization(manager, seed, number, documents))
        progress(number, organizations)
    return dict(made)


def sample_names(manager: DatabaseManager, *, reason: str = "list samples") -> list[str]:
    """Return the names of the sample organisations, which are those that ``unseed`` removes."""
    with manager.system_scope(reason) as session:
        return list(session.scalars(_SAMPLES, {"mark": _MARK}))


def unseed(manager: DatabaseManager, *, reason: str = "remove samples") -> int:
    """Return how many sample organisations it has removed, with all that they had.

    Those are the ones whose key follows from the number in their name: no other can be.
    """
    with manager.system_scope(reason) as session:
        found: Any = session.execute(_NO_SAMPLES, {"mark": _MARK})
        return int(found.rowcount)


def _users(documents: int) -> int:
    return min(4 + documents // 50, 1_000)


def _organization(
    manager: DatabaseManager, seed: int, number: int, documents: int
) -> Mapping[str, int]:
    """Return how many rows it has made for one organisation."""
    key = sample_id(seed, number)
    place = key.int % (len(_CLIENTS) * len(_TRADES))
    client, trade = _CLIENTS[place % len(_CLIENTS)], _TRADES[place // len(_CLIENTS)]
    given = {
        "org": str(key),
        "salt": f"{key}/",
        "users": _users(documents),
        "documents": documents,
        "people": _PEOPLE,
        "topics": _TOPICS,
        "kinds": _KINDS,
        "subjects": _SUBJECTS,
        "sentences": _SENTENCES,
    }
    with manager.session_scope(org_id=key) as session:
        if session.scalar(select(Organization.id)) is not None:
            return {}
        name = f"{client} {trade} (sample {seed}-{number})"
        connection = session.connection()
        connection.execute(insert(Organization).values(id=key, name=name))
        made = {"organizations": 1}
        for table, statement in _STEPS.items():
            made[table] = connection.execute(text(statement), given).rowcount
    return made
