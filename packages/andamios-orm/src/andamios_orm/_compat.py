"""What differs between the versions of other libraries that are allowed, and nowhere else.

Where code can be written so that all versions take it, it is, and stays where it belongs.
"""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.orm import strategies

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LazyLoader", "ReflectedTypes", "installed"]

# SQLAlchemy 2.1 calls it private.
LazyLoader: Any = getattr(strategies, "_LazyLoader", None) or strategies.LazyLoader  # type: ignore[attr-defined, unused-ignore]


class ReflectedTypes(PGDialect):
    """Types by their names in PostgreSQL.

    SQLAlchemy 2.0.45 reads the collation with them, and duckdb-sqlalchemy passes one to
    every version.
    """

    supports_statement_cache = True

    def _reflect_type(self, *arguments: Any, **options: Any) -> Any:
        known = {name: value for name, value in options.items() if name in _REFLECTED}
        return super()._reflect_type(*arguments, **known)


_REFLECTED = inspect.signature(PGDialect._reflect_type).parameters  # noqa: SLF001  # no public name


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages that are there."""
    return {name: version(name) for name in packages}
