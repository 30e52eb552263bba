"""Comparison of results with what was computed again, field by field."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Compared"]


class Compared:
    """Compares results, and notes which field of which class was compared, and had a value."""

    def __init__(self) -> None:
        """Have compared nothing yet."""
        self.fields: set[tuple[type[BaseModel], str]] = set()
        self.valued: set[tuple[type[BaseModel], str]] = set()
        self.reasons: set[str] = set()

    def check(self, found: BaseModel, expected: dict[str, Any], what: object) -> None:
        """Compare a result; all differences are in what is raised."""
        differences = list(self._model(found, expected, type(found).__name__))
        assert not differences, "\n".join([str(what), *differences])

    def _model(self, found: BaseModel, expected: dict[str, Any], path: str) -> Iterator[str]:
        kind = type(found)
        if kind.__name__ == "AttentionReason":
            expected = {**expected, "text": self._text(found)}
        names = set(kind.model_fields)
        if names != set(expected):
            yield f"{path}: fields {sorted(names ^ set(expected))} are on one side only"
        for name in names & set(expected):
            self.fields.add((kind, name))
            if expected[name] not in (None, [], {}):
                self.valued.add((kind, name))
            yield from self._any(getattr(found, name), expected[name], f"{path}.{name}")

    def _any(self, found: Any, expected: Any, path: str) -> Iterator[str]:
        if isinstance(found, BaseModel) and isinstance(expected, dict):
            yield from self._model(found, expected, path)
        elif isinstance(found, dict) and isinstance(expected, dict):
            if list(found) != list(expected):
                yield f"{path}: keys {list(found)} instead of {list(expected)}"
                return
            for key, value in expected.items():
                yield from self._any(found[key], value, f"{path}[{key!r}]")
        elif isinstance(found, list) and isinstance(expected, list):
            if len(found) != len(expected):
                yield f"{path}: {found!r} instead of {expected!r}"
                return
            for place, (one, other) in enumerate(zip(found, expected, strict=True)):
                yield from self._any(one, other, f"{path}[{place}]")
        elif not _is_same(found, expected):
            yield f"{path}: {found!r} instead of {expected!r}"

    def _text(self, reason: Any) -> str:
        """Return the words of a reason as they are, if they are any: they are for people."""
        text: str = reason.text
        assert text.strip() == text != ""
        assert len(text) < 100
        self.reasons.add(reason.code)
        return text


def _is_same(found: Any, expected: Any) -> bool:
    if isinstance(expected, dt.datetime):
        return (
            isinstance(found, dt.datetime)
            and str(found.tzinfo) == str(expected.tzinfo)
            and found.astimezone(dt.UTC) == expected.astimezone(dt.UTC)
        )
    if isinstance(expected, float) and isinstance(found, (int, float)):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    return type(found) in {type(expected), int} and bool(found == expected)
