"""What DuckDB's own parser says of a statement: its kind, whether it writes, whether it may run."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from andamios_orm.dialect.options import NEED_FILES
from andamios_orm.exceptions import StatementRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ParsedStatement", "StatementCache"]

READS = frozenset({"SELECT", "EXPLAIN"})
COUNTED = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE_INTO"})
"""Kinds that answer with a count of rows, unless they have a RETURNING clause."""

_REMEDY = {
    "TRANSACTION": "use begin(), commit() and rollback() of the connection or session",
    "SET": "give settings to the engine: in its URL, or in connect_args",
    "PRAGMA": "give settings to the engine: in its URL, or in connect_args",
    "COPY": "read and write files with andamios_orm.bulk, or open the engine with allow='COPY'",
    "ATTACH": "open an engine of its own for the other file",
    "LOAD": "name extensions when the engine is opened: extensions='fts'",
    "PREPARE": "statements are prepared and cached by the engine itself",
    "EXECUTE": "statements are prepared and cached by the engine itself",
}

_ALWAYS_ALLOWED = frozenset(
    {"SELECT", "EXPLAIN", "CREATE", "DROP", "ALTER", "VACUUM", "ANALYZE"} | COUNTED
)

_FORBIDDEN_FUNCTIONS = frozenset(
    {
        "arrow_scan",
        "arrow_scan_dumb",
        "checkpoint",
        "disable_logging",
        "disable_profiling",
        "enable_logging",
        "enable_profiling",
        "force_checkpoint",
        "from_substrait",
        "from_substrait_json",
        "getenv",
        "glob",
        "json_execute_serialized_sql",
        "pandas_scan",
        "parquet_scan",
        "python_map_function",
        "query",
        "query_table",
        "seq_scan",
        "set_config",
        "sniff_csv",
        "truncate_duckdb_logs",
        "write_log",
    }
)
"""Functions that open files, run text as SQL, follow pointers or change the instance."""

_FORBIDDEN_PREFIXES = ("read_", "parquet_")
_SEQUENCE_FUNCTIONS = frozenset({"nextval", "setval"})

_WORTH_A_LOOK = re.compile(
    "|".join(
        sorted(
            {*_FORBIDDEN_FUNCTIONS, *_FORBIDDEN_PREFIXES, *_SEQUENCE_FUNCTIONS}
            | {"secret", "database", "returning", "explain", "checkpoint", "temp", "setseed"}
            | {r"\be'", r"'\s*\n\s*'"}
        )
    ),
    re.IGNORECASE,
)
"""A text without any of these needs no token by token reading."""

_CACHEABLE = 16 * 1024
_BYTES_PER_TEXT = 2048


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """One statement: DuckDB's parsed form, its kind, and what running it does.

    ``parts`` is set where DuckDB makes several of one: all of them have to be
    run, in one transaction.
    """

    prepared: Any
    kind: str
    writes: bool
    returning: bool
    parts: tuple[Any, ...] = ()
    lingers: bool = False
    """Whether the connection remembers it after the transaction: a temporary table, a setting."""
    checkpoint: bool = False
    """Whether it writes the log back into the file."""
    changes_schema: bool = False
    """Whether it may make, change or drop something that is stored."""
    changes_rows: bool = False
    """Whether it may change rows that are there."""

    @property
    def needs_transaction(self) -> bool:
        """Whether it changes what is stored, and can run inside a transaction."""
        return self.writes and self.kind in _TRANSACTIONAL

    @property
    def counts_rows(self) -> bool:
        """Whether the only result is the number of rows changed."""
        return self.kind in COUNTED and not self.returning

    @property
    def has_rows(self) -> bool:
        """Whether running it gives rows to read."""
        return self.returning or self.kind in _ANSWERS


_NO_SCHEMA = frozenset(
    {"COPY", "CALL", "PRAGMA", "SET", "VARIABLE_SET", "PREPARE", "LOAD", "VACUUM", "ANALYZE"}
    | {"TRANSACTION", "DETACH"}
)
"""Kinds that are neither reads nor counted, and leave the schema as it is."""

_CHANGES_ROWS = frozenset({"UPDATE", "DELETE", "MERGE_INTO", "EXECUTE"})
_ON_CONFLICT = re.compile(r"\bconflict\b|\binsert\s+or\b", re.IGNORECASE)
_TRANSACTIONAL = READS | COUNTED | {"CREATE", "DROP", "ALTER", "COPY", "EXECUTE"}
_ANSWERS = READS | {"CALL", "PRAGMA", "EXECUTE"}

NOTHING = ParsedStatement(None, "NOTHING", writes=False, returning=False)
"""The empty statement: allowed, and does nothing."""


class Token(NamedTuple):
    """A word of a statement: where it starts (in bytes), its type, its lowered text."""

    start: int
    kind: Any
    word: str


class StatementCache:
    """Parsed statements by text, those parsed first dropped first.

    The bound is in bytes because one text can weigh a thousand times another
    (a select about 2 KB, an INSERT of 1,000 rows about 1 MB).
    """

    def __init__(
        self,
        *,
        hardened: bool,
        allow: frozenset[str] = frozenset(),
        own_files: tuple[str, ...] = (),
        size: int = 8 * 1024 * 1024,
    ) -> None:
        """Keep at most ``size`` bytes (estimated); ``own_files`` are never to be read as text."""
        self._hardened = hardened
        self._allow = allow
        self._own_files = own_files
        self._room = size
        self._parsed: OrderedDict[str, ParsedStatement] = OrderedDict()
        self._own: dict[str, Any] = {}
        self._lock = threading.Lock()

    def parse(self, text: str, connection: duckdb.DuckDBPyConnection) -> ParsedStatement:
        """Return the parsed form of ``text``, which must be one allowed statement.

        Raises:
            StatementRefused: more than one statement, or one that is not allowed.
        """
        parsed = self._parsed.get(text)
        if parsed is not None:
            return parsed
        parsed = self._read(text, connection)
        if len(text) <= _CACHEABLE:
            self._keep(text, parsed)
        return parsed

    def own(self, text: str, connection: duckdb.DuckDBPyConnection) -> Any:
        """Return the prepared form of a statement of the library itself, such as COMMIT."""
        prepared = self._own.get(text)
        if prepared is None:
            prepared = self._own[text] = connection.extract_statements(text)[0]
        return prepared

    def clear(self) -> None:
        """Forget everything; for an instance that was opened anew."""
        with self._lock:
            self._room += sum(map(_weight, self._parsed))
            self._parsed.clear()
            self._own.clear()

    def _keep(self, text: str, parsed: ParsedStatement) -> None:
        with self._lock:
            if text not in self._parsed:
                self._parsed[text] = parsed
                self._room -= _weight(text)
            while self._room < 0:
                dropped, _ = self._parsed.popitem(last=False)
                self._room += _weight(dropped)

    def _read(self, text: str, connection: duckdb.DuckDBPyConnection) -> ParsedStatement:
        statements = _extract(text, connection)
        if not statements:
            return NOTHING
        if _is_one_alter(text, statements):
            if self._hardened:
                self._refuse(text, "ALTER", list(_tokens(text)))
            return ParsedStatement(
                statements[1],
                "ALTER",
                writes=True,
                returning=False,
                parts=tuple(statements[1:-1]),
                changes_schema=True,
                changes_rows=True,
            )
        if len(statements) > 1:
            raise StatementRefused(
                f"{len(statements)} statements in one text: send them one by one",
                kind="MULTI",
                statement=text,
            )
        kind = statements[0].type.name
        looked_at = kind in NEED_FILES or self._worth_a_look(text)
        tokens = list(_tokens(text)) if looked_at else []
        words = [token.word for token in tokens]
        if self._hardened:
            self._refuse(text, kind, tokens)
        writes = kind not in READS or not _SEQUENCE_FUNCTIONS.isdisjoint(words)
        lingers = kind in _LINGER or "setseed" in words or _names_temporary(kind, words)
        changes = kind not in READS | COUNTED | _NO_SCHEMA and not _is_temporary(kind, words)
        changes_rows = kind in _CHANGES_ROWS or (
            kind == "INSERT" and _ON_CONFLICT.search(text) is not None
        )
        if kind == "EXPLAIN":
            inner = self._read(_behind_explain(text, tokens), connection)
            lingers = inner.lingers
            writes = inner.writes and not {"analyze", "analyse"}.isdisjoint(words)
            changes = inner.changes_schema
            changes_rows = writes and inner.changes_rows
        return ParsedStatement(
            statements[0],
            kind,
            writes,
            returning=kind in COUNTED and "returning" in words,
            lingers=lingers,
            checkpoint=_is_checkpoint(kind, words),
            changes_schema=changes,
            changes_rows=changes_rows,
        )

    def _worth_a_look(self, text: str) -> bool:
        lowered = text.lower()
        return bool(_WORTH_A_LOOK.search(text)) or any(name in lowered for name in self._own_files)

    def _refuse(self, text: str, kind: str, tokens: list[Token]) -> None:
        words = [token.word for token in tokens]
        if _is_checkpoint(kind, words):
            return
        if kind not in _ALWAYS_ALLOWED and kind not in self._allow:
            raise _refusal(text, kind)
        if kind == "CREATE" and _created(words) == "secret":
            raise _refusal(text, "CREATE SECRET")
        if kind == "ALTER" and words[1:2] == ["database"]:
            raise _refusal(text, "ALTER DATABASE")
        for called in _called(kind, tokens):
            if called in _FORBIDDEN_FUNCTIONS or called.startswith(_FORBIDDEN_PREFIXES):
                raise _refusal(text, f"{called}()")
        if kind == "COPY" and not _says_where(tokens):
            raise _refusal(text, "COPY to or from what is no plain literal")
        for word in words:
            if word.endswith(self._own_files) and self._own_files:
                raise _refusal(text, "the name of the database's own file in a statement")


_LINGER = frozenset({"SET", "VARIABLE_SET", "PREPARE", "LOAD"})


def _is_checkpoint(kind: str, words: list[str]) -> bool:
    """Whether it is CHECKPOINT or FORCE CHECKPOINT, which DuckDB makes a call of."""
    return kind == "CALL" and "checkpoint" in words[:2]


def _names_temporary(kind: str, words: list[str]) -> bool:
    """Whether it may make something that is seen by its connection alone."""
    return kind == "CREATE" and not {"temp", "temporary"}.isdisjoint(words[1:4])


def _is_temporary(kind: str, words: list[str]) -> bool:
    """Whether it surely makes or drops something that is seen by its connection alone."""
    if kind == "DROP":
        return words[2:4] == ["temp", "."] or words[2:6] == ["if", "exists", "temp", "."]
    at = 3 if words[1:3] == ["or", "replace"] else 1
    at += words[at : at + 1] in (["local"], ["global"])
    return kind == "CREATE" and words[at : at + 1] in (["temp"], ["temporary"])


def _says_where(tokens: list[Token]) -> bool:
    """Whether a COPY names its file by a literal, which can be compared before it runs."""
    depth = 0
    for token, following in pairwise(tokens):
        depth += token.word.count("(") - token.word.count(")")
        if depth == 0 and token.word in {"to", "from"}:
            return bool(following.kind == duckdb.token_type.string_const)
    return False


def _extract(text: str, connection: duckdb.DuckDBPyConnection) -> list[Any]:
    try:
        return connection.extract_statements(text)
    except (duckdb.IOException, duckdb.PermissionException, duckdb.InternalException) as error:
        raise StatementRefused(
            "the statement would read files before it runs; it was not run",
            statement=text,
            orig=error,
        ) from None


_ONE_ALTER = (
    ["TRANSACTION", "ALTER", "UPDATE", "ALTER", "TRANSACTION"],
    ["SET", "ALTER", "UPDATE", "ALTER", "SET"],
)
"""What DuckDB makes of it outside of a transaction, and inside of one."""


def _is_one_alter(text: str, statements: list[Any]) -> bool:
    """Whether it was one ``ADD COLUMN ... DEFAULT expression``, which DuckDB's parser takes apart.

    What stands around it is the parser's: the text begins with the ALTER.
    """
    return [statement.type.name for statement in statements] in _ONE_ALTER and (
        next(token.word for token in _tokens(text) if token.word) == "alter"
    )


def _weight(text: str) -> int:
    return _BYTES_PER_TEXT + 8 * len(text)


def _refusal(text: str, kind: str) -> StatementRefused:
    remedy = _REMEDY.get(kind, "open the engine with hardened=False if you trust every statement")
    return StatementRefused(
        f"{kind} is refused on this engine: {remedy}", kind=kind, statement=text
    )


_UNUSUAL_SPACE = re.compile(
    "[\\u0085\\u00a0\\u1680\\u180e\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\ufeff]"
)
"""What DuckDB's parser takes for a blank, but its tokenizer for a part of a name."""


def _tokens(text: str) -> Iterator[Token]:
    plain = _UNUSUAL_SPACE.sub(lambda found: " " * len(found[0].encode()), text)
    encoded = plain.encode("utf-8", "surrogatepass")
    spans = duckdb.tokenize(plain)
    ends = [start for start, _ in spans[1:]] + [len(encoded)]
    for (start, kind), end in zip(spans, ends, strict=True):
        yield Token(start, kind, _bare(encoded[start:end].decode("utf-8", "replace")))


def _bare(word: str) -> str:
    """Return an identifier or literal lowered, without its quotes and trailing comments."""
    word = word.strip().lower()
    if word.startswith("e'"):
        word = _ESCAPE.sub(_unescaped, word[1:])
    if word.startswith("$") and (tag := _DOLLARS.match(word)):
        return word[tag.end() :].split(tag[0], 1)[0]
    for quote in ('"', "'"):
        if word.startswith(quote) and (end := word.rfind(quote)) > 0:
            return _CONTINUED.sub("", word[1:end]).replace(quote * 2, quote)
    return word.split("/*", 1)[0].split("--", 1)[0].strip()


_DOLLARS = re.compile(r"\$\w*\$")
_CONTINUED = re.compile(r"'\s*\n\s*'")
"""A literal goes on after a line break: ``'a' <line break> 'b'`` is ``'ab'``."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{1,2})|u([0-9a-f]{4})|([0-7]{1,3})|(.))", re.DOTALL)


def _unescaped(found: re.Match[str]) -> str:
    """Return the character that an escape in ``E'...'`` stands for."""
    hexadecimal, octal = found[1] or found[2], found[3]
    if hexadecimal:
        return chr(int(hexadecimal, 16)).lower()
    return chr(int(octal, 8)).lower() if octal else found[4]


def _called(kind: str, tokens: list[Token]) -> Iterator[str]:
    """Return what stands before a parenthesis, except the name of a table before its columns."""
    names_tables = _BEFORE_TABLE
    if kind == "CREATE" and any(token.word == "index" for token in tokens[1:3]):
        names_tables |= {"on"}
    for at, (token, following) in enumerate(pairwise(tokens)):
        if not following.word.startswith("("):
            continue
        before = at - 1
        while before > 0 and tokens[before].word == ".":
            before -= 2
        if before < 0 or tokens[before].word not in names_tables:
            yield token.word


_BEFORE_TABLE = frozenset({"into", "table", "exists", "references"})


_BEFORE_WHAT_IS_CREATED = frozenset({"", "or", "replace", "persistent", "temporary", "temp"})


def _created(words: list[str]) -> str:
    """Return what kind of thing a CREATE statement makes: ``table``, ``secret``, ..."""
    return next((word for word in words[1:] if word not in _BEFORE_WHAT_IS_CREATED), "")


def _behind_explain(text: str, tokens: list[Token]) -> str:
    """Return the statement that an EXPLAIN explains."""
    at = 1
    while at < len(tokens) and tokens[at].word in {"analyze", "analyse", "verbose"}:
        at += 1
    if at < len(tokens) and tokens[at].word == "(" and tokens[at + 1].word in _EXPLAIN_OPTIONS:
        while at < len(tokens) and tokens[at].word != ")":
            at += 1
        at += 1
    start = tokens[at].start if at < len(tokens) else len(text)
    return text.encode("utf-8", "surrogatepass")[start:].decode("utf-8", "surrogatepass")


_EXPLAIN_OPTIONS = frozenset({"analyze", "analyse", "format"})
