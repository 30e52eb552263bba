"""Organisations of very different sizes, and documents out of sentences: all of it by SQL.

The n-th organisation has a share of 1/n, and the n-th word one of 1/(n + 10), as those have that
no search leaves out. Triggers and foreign keys are left out, as in a restore: what they would
make is made here, and is the same. What is searched is put together out of the sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql

if TYPE_CHECKING:
    import psycopg

__all__ = ["seed"]

USERS: Final = 10
WORDS: Final = 20_000
SENTENCES: Final = 20_000
CHUNK: Final = 50_000

# A word is its number in syllables, so that the same number is the same word each time.
_WORDS: LiteralString = """
CREATE TEMPORARY TABLE words AS
SELECT number, (
    SELECT string_agg(
        (ARRAY['ba','ce','di','fo','gu','ha','le','mi','no','pu','ra','se','ti','vo','zu','ka'])
            [1 + ((number * 7919::bigint) / (16 ^ place)::bigint) %% 16], '' ORDER BY place)
    FROM generate_series(0, 2 + number %% 3) AS place
) AS word
FROM generate_series(1, %(words)s) AS number
"""
_SENTENCES: LiteralString = """
CREATE TEMPORARY TABLE sentences AS
SELECT number, sentence, 'en' AS language, to_tsvector('english', sentence) AS vector
FROM (
    SELECT places.number, initcap(string_agg(word, ' ' ORDER BY place)) || '.' AS sentence
    FROM (
        SELECT number, place,
            1 + floor(10 * (power((%(words)s + 10) / 10.0, random()) - 1))::int AS chosen
        FROM generate_series(1, %(sentences)s) AS number
        CROSS JOIN LATERAL generate_series(1, 6 + number %% 10) AS place
    ) AS places JOIN words ON words.number = chosen
    GROUP BY places.number
) AS said
"""
_GERMAN: LiteralString = """
INSERT INTO sentences SELECT number, sentence, 'de', to_tsvector('german', sentence) FROM sentences
"""
_JOINED: LiteralString = """
CREATE AGGREGATE pg_temp.joined(tsvector) (SFUNC = tsvector_concat, STYPE = tsvector)
"""
_ORGANIZATIONS: LiteralString = """
INSERT INTO organizations (id, name)
SELECT axai_uuid7(), 'Organisation ' || number
FROM generate_series(1, %(organizations)s) AS number
"""
_USERS: LiteralString = """
INSERT INTO users (org_id, id, username, email)
SELECT id, axai_uuid7(), 'user' || number, 'user' || number || '@example.com'
FROM organizations, generate_series(1, %(users)s) AS number
"""
_MEMBERS: LiteralString = """
CREATE TEMPORARY TABLE members AS
SELECT row_number() OVER (ORDER BY name, id) AS member, id AS org_id, (
    SELECT array_agg(users.id ORDER BY users.id) FROM users WHERE org_id = organizations.id
) AS users
FROM organizations
"""
_DOCUMENTS: LiteralString = """
WITH chosen AS MATERIALIZED (
    SELECT number, random() AS chance,
        floor(power(%(organizations)s + 1, random()))::int AS member,
        2 + floor(30 * power(random(), 2))::int AS length,
        CASE WHEN number %% 10 = 0 THEN 'de' ELSE 'en' END AS language,
        timestamptz '2024-01-01' + number * (interval '730 days' / %(documents)s) AS moment
    FROM generate_series(%(first)s::bigint, %(last)s) AS number
), contents AS (
    SELECT chosen.number, string_agg(sentence, ' ' ORDER BY place) AS content,
        pg_temp.joined(vector ORDER BY place) AS vector
    FROM chosen CROSS JOIN LATERAL generate_series(1, length) AS place
    JOIN sentences AS said ON said.language = chosen.language
        AND said.number = 1 + (chosen.number * 31 + place * place * 7919) %% %(sentences)s
    GROUP BY chosen.number
)
INSERT INTO documents (
    org_id, id, owner_id, title, description, content, language, status, processing_status,
    document_type, source, metadata, size, word_count, content_hash, search_vector,
    created_at, updated_at, deleted_at
)
SELECT org_id, axai_uuid7(), users[1 + chosen.number %% %(users)s], title.sentence,
    description.sentence, content, chosen.language,
    CASE WHEN chance < 0.7 THEN 'published' WHEN chance < 0.9 THEN 'draft' ELSE 'archived' END,
    'complete', 'report', 'import',
    jsonb_build_object('team', 'team ' || chosen.number %% 12, 'pages', length),
    octet_length(content), array_length(string_to_array(content, ' '), 1),
    encode(sha256(convert_to(content, 'UTF8')), 'hex'),
    setweight(title.vector, 'A') || setweight(description.vector, 'B')
        || setweight(contents.vector, 'B'),
    moment, moment, CASE WHEN chosen.number %% 50 = 0 THEN moment END
FROM chosen JOIN contents ON contents.number = chosen.number JOIN members USING (member)
JOIN sentences AS title ON title.language = chosen.language
    AND title.number = 1 + chosen.number * 7 %% %(sentences)s
JOIN sentences AS description ON description.language = chosen.language
    AND description.number = 1 + chosen.number * 13 %% %(sentences)s
"""
_INDEXES: LiteralString = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename = 'documents' AND indexname LIKE 'ix_%'
"""
_PREPARED: Final = (_WORDS, _SENTENCES, _GERMAN, _JOINED, _ORGANIZATIONS, _USERS, _MEMBERS)


def seed(connection: psycopg.Connection[Any], documents: int, organizations: int) -> None:
    """Fill an empty database; the connection is a superuser's, and commits each statement."""
    numbers = {
        "documents": documents,
        "organizations": organizations,
        "users": USERS,
        "words": WORDS,
        "sentences": SENTENCES,
    }
    connection.execute("SET session_replication_role = replica")
    connection.execute("SELECT setseed(0.5)")
    for statement in _PREPARED:
        connection.execute(statement, numbers)
    indexes = connection.execute(_INDEXES).fetchall()
    for name, _ in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    for first in range(1, documents + 1, CHUNK):
        chunk = {"first": first, "last": min(first + CHUNK - 1, documents)}
        connection.execute(_DOCUMENTS, numbers | chunk)
    for _, definition in indexes:
        connection.execute(definition)
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")
