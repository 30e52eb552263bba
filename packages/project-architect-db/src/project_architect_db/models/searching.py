"""What PostgreSQL searches in: the words of columns, as expressions that indexes have.

They are words as the search of a DuckDB database has them: small letters without
accents, without stems. On DuckDB the indexes are not made, and the table stays empty.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sqlalchemy import DDL, Column, Index, String, Table, event, text

from project_architect_db.models.base import Base

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VECTORS", "search_index", "search_words"]

_ACCENTS: Final = r"'[\u0300-\u036f]+'"
# Whatever is no letter or digit in ASCII, Latin-1, and among general and CJK punctuation:
# a class such as [[:alnum:]] would depend on the locale of the database.
_SIGNS: Final = (
    r"'[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+'"
)
_LONGEST: Final = 200_000


def _words(*columns: str) -> str:
    """Return the SQL for the words of some columns.

    Of a long text the beginning is searched: a ``tsvector`` is smaller than 1 MB, and
    a letter may become several as its accents are taken off. Quotes
    and parentheses are where PostgreSQL has them when it shows an index: that is what
    Alembic compares.
    """
    parts = f"coalesce({columns[0]}, '')"
    for number, name in enumerate(columns[1:]):
        before = f"({parts})" if number else parts
        parts = f"({before} || ' ') || coalesce({name}, '')"
    plain = f""" "normalize"("left"({parts}, {_LONGEST}), 'NFKD')""".strip()
    letters = f"regexp_replace({plain}, {_ACCENTS}, '', 'g')"
    found = f"lower(regexp_replace({letters}, {_SIGNS}, ' ', 'g'))"
    return f"""to_tsvector('simple', "left"({found}, {_LONGEST}))"""


def _vector(titles: tuple[str, ...] = (), texts: tuple[str, ...] = ()) -> str:
    weighted = ((titles, "A"), (texts, "B"))
    return " || ".join(
        f"setweight({_words(*columns)}, '{weight}')" for columns, weight in weighted if columns
    )


VECTORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "projects": _vector(("name",), ("description", "project_idea", "framework")),
        "conversations": _vector(("title",)),
        "conversation_messages": _vector((), ("content",)),
        "documents": _vector(("name", "file_path"), ("content",)),
        "repositories": _vector(("name", "github_url"), ("description", "language")),
    }
)
"""The SQL for what is searched of a row, by table; a title weighs more than a text."""


def search_index(name: str, table: str) -> Index:
    """Return the index of what is searched in a table, on PostgreSQL alone."""
    return Index(name, text(f"({VECTORS[table]})"), postgresql_using="gin", duckdb_index=False)


search_words: Final = Table(
    "search_words",
    Base.metadata,
    Column("word", String, primary_key=True),
)
"""The words that rows have or had, in which PostgreSQL looks for what is mistyped."""

_TRIGRAMS: Final = """
DO $$ BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm cannot be created, so searches tolerate no typos: %%', SQLERRM;
END $$
"""
event.listen(
    search_words,
    "before_create",
    DDL(_TRIGRAMS).execute_if(dialect="postgresql"),  # type: ignore[no-untyped-call]  # SQLAlchemy gives no types
)
