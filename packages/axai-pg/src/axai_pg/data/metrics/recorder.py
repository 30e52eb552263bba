"""What is measured: how often, how long, how it ended. Whose it was is never kept.

All names are of a fixed kind: operations are named in the code, statements by their first
word, errors by a class of the libraries. So nothing here can carry an organisation, a user,
a key or a value.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import psycopg.errors

from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BOUNDS", "Measure", "Recorder", "checked_name", "error_name", "statement_name"]

BOUNDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Seconds up to which measured times are counted together."""

OTHER: Final = "other"
_MOST: Final = 500
_NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_LONGEST: Final = 100
_STATEMENTS: Final = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "VALUES", "COPY", "EXPLAIN"}
    | {"SET", "SHOW", "CALL", "LOCK", "TRUNCATE", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE"}
    | {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "LISTEN", "NOTIFY", "ANALYZE"}
)
_LIBRARIES: Final = ("andamios_orm", "axai_pg", "sqlalchemy", "psycopg", "asyncio", "builtins")
_DRIVERS: Final = frozenset(name for name in dir(psycopg.errors) if name[0].isupper())


@dataclass(frozen=True, slots=True)
class Measure:
    """How often something was done, in how many seconds in all, and how it failed.

    ``errors`` counts by class; ``slow`` are those that took as long as the limit or longer.
    ``buckets`` counts those of up to each of ``BOUNDS``, and last those that took longer.
    """

    count: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    slow: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)

    @property
    def mean(self) -> float:
        """The seconds of one, on average; 0 if there was none."""
        return self.seconds / self.count if self.count else 0.0


@dataclass(eq=False, slots=True)
class _Total:
    count: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    slow: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def frozen(self) -> Measure:
        return Measure(
            self.count,
            self.seconds,
            self.longest,
            self.slow,
            MappingProxyType(dict(self.errors)),
            tuple(self.buckets),
        )


class Recorder:
    """Measures by name; to be used from any thread."""

    def __init__(self, slow: float | None = None) -> None:
        """Count what takes ``slow`` seconds or longer as slow."""
        self.slow = slow
        self._totals: dict[str, _Total] = {}
        self._lock = Lock()

    def record(self, name: str, seconds: float, error: str | None = None) -> bool:
        """Add one, and return whether it was slow."""
        slow = self.slow is not None and seconds >= self.slow
        with self._lock:
            if name not in self._totals and len(self._totals) >= _MOST:
                name = OTHER
            total = self._totals.setdefault(name, _Total())
            total.count += 1
            total.seconds += seconds
            total.longest = max(total.longest, seconds)
            total.slow += slow
            total.buckets[bisect_left(BOUNDS, seconds)] += 1
            if error is not None:
                total.errors[error] += 1
        return slow

    def snapshot(self) -> Mapping[str, Measure]:
        """Return what was measured so far, by name."""
        with self._lock:
            found = {name: total.frozen() for name, total in sorted(self._totals.items())}
        return MappingProxyType(found)

    def reset(self) -> None:
        """Begin anew."""
        with self._lock:
            self._totals.clear()


def checked_name(name: str) -> str:
    """Return ``name`` if it is one of code: words with dots in between.

    >>> checked_name("reports.monthly")
    'reports.monthly'

    Raises:
        ConfigurationError: it is not, so that it might carry a value.
    """
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r:.40} is no name of an operation: use words with dots, such as "
            f"reports.monthly, and nothing of whose it is"
        )
    return name


def statement_name(word: str) -> str:
    """Return the first word of a statement, if it is one of SQL.

    >>> statement_name("SELECT"), statement_name("/*ACME*/")
    ('SELECT', 'other')
    """
    return word if word in _STATEMENTS else OTHER


def error_name(error: BaseException | str) -> str:
    """Return the class of an error; of one that is not of the libraries, what it is based on.

    >>> error_name(LookupError()), error_name("UniqueViolation")
    ('LookupError', 'UniqueViolation')
    """
    if isinstance(error, str):
        return error if error in _DRIVERS else OTHER
    return next(
        kind.__name__
        for kind in type(error).__mro__
        if kind.__module__.partition(".")[0] in _LIBRARIES
    )
