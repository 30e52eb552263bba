"""A script of a change, and where its transaction begins and ends.

A script that is framed by BEGIN and COMMIT runs in the transaction of the runner, together
with its row of the registry. So whatever else would begin or end a transaction is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from andamios_orm.exceptions import MigrationRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Script", "read_script"]

_TOKEN: Final = re.compile(
    r"""(?P<skipped>--[^\n]*|\s+)
    |(?P<comment>/\*)
    |(?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'[^']*(?:''[^']*)*'|"[^"]*"
        |\$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<end>;)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_NESTED: Final = re.compile(r"/\*|\*/")
_BEGIN: Final = re.compile(r"BEGIN( WORK| TRANSACTION)?|START TRANSACTION")
_END: Final = re.compile(r"(COMMIT|END|ROLLBACK|ABORT)( WORK| TRANSACTION)?")
_TO_SAVEPOINT: Final = re.compile(r"ROLLBACK( WORK| TRANSACTION)? TO\b")
_CONTROL: Final = re.compile(r"(BEGIN|COMMIT|END|ROLLBACK|ABORT|(START|PREPARE) TRANSACTION)\b")
_ROUTINE: Final = re.compile(r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\b")


@dataclass(frozen=True)
class Script:
    """A file of SQL; ``body`` has no BEGIN and no COMMIT, if ``framed`` says it had them."""

    path: Path
    body: str
    framed: bool


@dataclass(frozen=True, slots=True)
class _Statement:
    """Where a statement is, its semicolon included, and its words: what is quoted is left out."""

    start: int
    end: int
    words: str


def read_script(path: Path) -> Script:
    """Return the script in ``path``.

    Raises:
        MigrationRefused: it begins or ends a transaction, and not just as its first and
            its last statement.
    """
    text = path.read_text(encoding="utf-8")
    statements = list(_statements(text))
    framed = len(statements) > 1 and bool(
        _BEGIN.fullmatch(statements[0].words) and _END.fullmatch(statements[-1].words)
    )
    for statement in statements[1:-1] if framed else statements:
        if _CONTROL.match(statement.words) and not _TO_SAVEPOINT.match(statement.words):
            line = text.count("\n", 0, statement.start) + 1
            raise MigrationRefused(
                f"{path}, line {line}: {statement.words} would begin or end the transaction that "
                f"a change runs in: let a plain BEGIN be the first statement and COMMIT the "
                f"last, or leave out both"
            )
    if not framed:
        return Script(path, text, framed=False)
    return Script(path, text[statements[0].end : statements[-1].start], framed=True)


def _statements(text: str) -> Iterator[_Statement]:
    """Yield what stands between semicolons, as psql sees it."""
    start, words, depth, place = None, [], 0, 0
    while token := _TOKEN.match(text, place):
        first, place = place, token.end()
        if token["comment"]:
            place = _after_comment(text, place)
            continue
        if token["skipped"]:
            continue
        if start is None:
            start = first
        if token["word"]:
            words.append(token["word"].upper())
            depth += _deeper(words, depth)
        if token["end"] and not depth:
            yield _Statement(start, place, " ".join(words))
            start, words = None, []
    if start is not None:
        yield _Statement(start, len(text), " ".join(words))


def _deeper(words: list[str], depth: int) -> int:
    """Return by how much the last word goes deeper into a body that is not quoted."""
    if words[-1] == "END" and depth:
        return -1
    if words[-1] == "CASE" and depth:
        return 1
    return int(words[-2:] == ["BEGIN", "ATOMIC"] and bool(_ROUTINE.match(" ".join(words))))


def _after_comment(text: str, place: int) -> int:
    """Return where a comment ends whose inside begins at ``place``; comments may nest."""
    depth = 1
    for mark in _NESTED.finditer(text, place):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    return len(text)
