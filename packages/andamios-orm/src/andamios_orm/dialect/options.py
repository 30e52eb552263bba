"""What an engine may be told, read once from its URL and its arguments."""

from __future__ import annotations

import difflib
import math
import os
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DatabaseOptions", "default_threads", "parse_options"]

REFUSABLE = frozenset({"COPY", "ATTACH", "DETACH", "EXPORT", "LOAD", "PREPARE", "EXECUTE", "SET"})
"""Statement types that ``allow`` can open up, one by one."""

NEED_FILES = frozenset({"COPY", "ATTACH", "EXPORT", "LOAD"})
"""Those that are of no use while DuckDB may not touch files."""

FOREIGN_KEYS = ("physical", "none")

_SETTING = re.compile(r"[a-z_][a-z0-9_]*\Z")


def default_threads() -> int:
    """Return one thread less than there are cores, so that queries cannot starve the loop."""
    return max(1, usable_cores() - 1)


def usable_cores() -> int:
    """Return the number of cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - Linux knows its affinity


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """The options of one database, as they are given in a URL or in arguments.

    ``settings`` are DuckDB's own (``memory_limit``, ``temp_directory``, ...);
    everything else is ours. Times are in seconds, None means no limit.
    """

    threads: int = field(default_factory=default_threads)
    read_only: bool = False
    hardened: bool = True
    allow: frozenset[str] = frozenset()
    extensions: tuple[str, ...] = ()
    foreign_keys: str = "physical"
    statement_timeout: float | None = 300.0
    write_timeout: float | None = 30.0
    running_statements: int = field(default_factory=lambda: max(2, usable_cores()))
    settings: tuple[tuple[str, str], ...] = ()
    given: frozenset[str] = frozenset()

    def conflict_with(self, opened: DatabaseOptions) -> str | None:
        """Return the name of the first given option that ``opened`` has otherwise."""
        for name in sorted(self.given | _SAFETY):
            if name == "settings":
                known = dict(opened.settings)
                for key, value in self.settings:
                    if known.get(key) != value:
                        return key
            elif getattr(self, name) != getattr(opened, name):
                return name
        return None


_OWN = tuple(f.name for f in fields(DatabaseOptions) if f.name not in {"settings", "given"})
_ENGINE_WIDE = frozenset({"statement_timeout", "write_timeout", "foreign_keys"})
_SAFETY = frozenset({"hardened", "allow"})
"""What engines on one database must agree on even where one was not told."""


def parse_options(*sources: Mapping[str, Any]) -> DatabaseOptions:
    """Return the options in ``sources``; a later source overrides an earlier one.

    Raises:
        ConfigurationError: a name or a value that makes no sense.
    """
    raw: dict[str, Any] = {}
    for source in sources:
        for name, value in source.items():
            if name == "pragma":
                raw.update(_pragmas(value))
            elif name == "config":
                raw.update(_config(value))
            else:
                raw[name] = value
    values = {name: _READERS[name](name, raw.pop(name)) for name in _OWN if name in raw}
    settings = tuple(sorted((_setting_name(name), _text(name, raw[name])) for name in raw))
    given = frozenset(values) - _ENGINE_WIDE | ({"settings"} if settings else set())
    return DatabaseOptions(**values, settings=settings, given=given)


def unknown_setting(name: str, known: list[str]) -> ConfigurationError:
    """Return the error for an option that neither DuckDB nor we know."""
    close = difflib.get_close_matches(name, [*_OWN, *known], n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return ConfigurationError(
        f"unknown option {name!r}{hint} Known are {', '.join(_OWN)} and DuckDB's own settings"
    )


def _setting_name(name: str) -> str:
    lowered = name.lower()
    if not _SETTING.match(lowered):
        raise unknown_setting(name, [])
    return lowered


def _pragmas(value: object) -> dict[str, str]:
    parts = value.split(";") if isinstance(value, str) else value
    if isinstance(parts, dict):
        return {str(key): str(setting) for key, setting in parts.items()}
    if not isinstance(parts, (list, tuple)):
        raise ConfigurationError(
            f"pragma={value!r} is not of the form 'threads=4; memory_limit=2GB'"
        )
    pragmas = {}
    for part in parts:
        if not str(part).strip():
            continue
        name, equals, setting = str(part).partition("=")
        if not equals:
            raise ConfigurationError(f"pragma {part!r} is not of the form 'threads=4'")
        pragmas[name.strip()] = setting.strip().strip("'\"")
    return pragmas


def _config(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"config={value!r} is not a dict of DuckDB settings")
    return value


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float, os.PathLike)):
        return str(value)
    raise ConfigurationError(f"{name}={value!r} is not a value that DuckDB's settings can have")


def _whole(name: str, value: object) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise ConfigurationError(f"{name}={value!r} is not a whole number of at least 1")
    return number


_FLAGS = {"true": True, "1": True, "yes": True, "on": True}
_FLAGS |= {"false": False, "0": False, "no": False, "off": False}


def _flag(name: str, value: object) -> bool:
    flag = _FLAGS.get(str(value).lower())
    if flag is None:
        raise ConfigurationError(f"{name}={value!r} is neither true nor false")
    return flag


def _seconds(name: str, value: object) -> float | None:
    if value is None or str(value).lower() in {"none", "off"}:
        return None
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ConfigurationError(f"{name}={value!r} is not a time in seconds above 0, nor 'none'")
    return seconds


def _names(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(str(part).strip() for part in parts if str(part).strip())  # type: ignore[attr-defined]  # a sequence by contract


def _allow(name: str, value: object) -> frozenset[str]:
    kinds = frozenset(kind.upper() for kind in _names(value))
    if unknown := sorted(kinds - REFUSABLE):
        raise ConfigurationError(
            f"{name}={', '.join(unknown)} cannot be allowed; can be: {', '.join(sorted(REFUSABLE))}"
        )
    return kinds


def _extensions(name: str, value: object) -> tuple[str, ...]:  # noqa: ARG001 - one signature for all readers
    return _names(value)


def _foreign_keys(name: str, value: object) -> str:
    if value not in FOREIGN_KEYS:
        raise ConfigurationError(f"{name}={value!r} is not one of {', '.join(FOREIGN_KEYS)}")
    return str(value)


_READERS: dict[str, Any] = {
    "threads": _whole,
    "read_only": _flag,
    "hardened": _flag,
    "allow": _allow,
    "extensions": _extensions,
    "foreign_keys": _foreign_keys,
    "statement_timeout": _seconds,
    "write_timeout": _seconds,
    "running_statements": _whole,
}
