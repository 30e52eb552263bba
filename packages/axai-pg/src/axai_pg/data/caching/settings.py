"""How much is kept of what was asked, and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from andamios_orm.exceptions import ConfigurationError
from axai_pg.data.config.settings import read_environment

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CacheSettings", "QueryKind"]

QueryKind = Literal["default", "search", "graph"]
"""What a query is about, which says for how long its answer is kept."""

_KINDS: Final[tuple[str, ...]] = get_args(QueryKind)
_LONGEST: Final = 24 * 3600.0
_VARIABLES: Final = {
    "size": "AXAI_CACHE_SIZE",
    "default_ttl": "AXAI_CACHE_TTL",
    "search_ttl": "AXAI_CACHE_SEARCH_TTL",
    "graph_ttl": "AXAI_CACHE_GRAPH_TTL",
    "url": "AXAI_CACHE_URL",
    "prefix": "AXAI_CACHE_PREFIX",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """What a cache may take; times are in seconds.

    ``size`` is how many bytes of answers it holds in memory, ``default_ttl``, ``search_ttl``
    and ``graph_ttl`` for how long one of each kind is kept at most. ``url`` is that of a Redis
    to keep them in instead, where all names begin with ``prefix``: one for each database.
    """

    size: int = 64 * 2**20
    default_ttl: float = 1800
    search_ttl: float = 300
    graph_ttl: float = 7200
    url: str = field(default="", repr=False)
    prefix: str = "axai"

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        size: object = self.size
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ConfigurationError(f"size={size!r} is no number of bytes")
        for name in ("default_ttl", "search_ttl", "graph_ttl"):
            checked_ttl(getattr(self, name), name)

    @classmethod
    def from_env(cls, env_file: str | Path | None = None) -> CacheSettings:
        """Return what the variables ``AXAI_CACHE_…`` say, and ``env_file`` where they do not.

        Raises:
            ConfigurationError: a value is no number, or makes no sense; the file cannot be read.
        """
        variables = read_environment(env_file)
        size = _number(variables.get(_VARIABLES["size"]), _VARIABLES["size"], cls().size)
        if size != int(size):
            raise ConfigurationError(f"{_VARIABLES['size']}={size} is no whole number")
        times: dict[str, Any] = {
            name: _number(variables.get(_VARIABLES[name]), _VARIABLES[name], getattr(cls(), name))
            for name in ("default_ttl", "search_ttl", "graph_ttl")
        }
        texts: dict[str, Any] = {
            name: variables[_VARIABLES[name]]
            for name in ("url", "prefix")
            if variables.get(_VARIABLES[name])
        }
        return cls(size=int(size), **times, **texts)

    def ttl(self, ttl: float | QueryKind) -> float:
        """Return for how many seconds an answer is kept: so many, or those of a kind.

        Raises:
            ConfigurationError: there is no such kind, or it is no time.
        """
        if not isinstance(ttl, str):
            return checked_ttl(ttl)
        return getattr(self, f"{checked_kind(ttl)}_ttl")  # type: ignore[no-any-return]  # it is one


def checked_kind(kind: str) -> str:
    """Return ``kind`` if it is one of queries.

    Raises:
        ConfigurationError: it is not.
    """
    if kind not in _KINDS:
        raise ConfigurationError(f"ttl={kind!r:.40} is none of {', '.join(_KINDS)}")
    return kind


def checked_ttl(ttl: float, name: str = "ttl") -> float:
    """Return ``ttl`` if it is a number of seconds above 0, and no longer than a day.

    Raises:
        ConfigurationError: it is not.
    """
    value: object = ttl
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or math.isnan(ttl) or not 0 < ttl <= _LONGEST:
        raise ConfigurationError(
            f"{name}={value!r:.40} is no number of seconds above 0 and up to {_LONGEST:.0f}"
        )
    return ttl


def _number(text: str | None, name: str, default: float) -> float:
    if not text:
        return default
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ConfigurationError(f"{name}={text} is no number")
    return found
