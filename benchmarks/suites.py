"""The benchmarks of each package: their modules, and the page that shows their figures."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measure import Figure

__all__ = [
    "ANDAMIOS_ORM",
    "AXAI_PG",
    "PROJECT_ARCHITECT_DB",
    "SUITES",
    "Suite",
    "figures_of",
    "imported",
]

_REFERENCE: Final = Path(__file__).parent.parent / "docs" / "reference"


@dataclass(frozen=True, slots=True)
class Suite:
    """The modules of a package that measure, in their order."""

    package: str
    names: tuple[str, ...]
    page: Path

    @property
    def modules(self) -> list[str]:
        """The modules by their names below ``benchmarks``."""
        return [f"{self.package}.{name}" for name in self.names]

    def named(self, name: str) -> Iterator[str]:
        """Yield the module of this name, with or without that of the package."""
        return (each for each in self.modules if name in {each, each.partition(".")[2]})


ANDAMIOS_ORM: Final = Suite(
    "andamios_orm",
    (
        "query_performance",
        "connection_benchmarks",
        "repository_operations",
        "cached_reads",
        "bulk_operations",
        "isolation",
        "peers",
        "concurrent_access",
        "memory_usage",
    ),
    _REFERENCE / "performance.md",
)
PROJECT_ARCHITECT_DB: Final = Suite(
    "project_architect_db",
    (
        "crud_operations",
        "bulk_operations",
        "analytics_queries",
        "search",
        "concurrent_access",
        "memory_usage",
    ),
    _REFERENCE / "performance-project-architect.md",
)
AXAI_PG: Final = Suite(
    "axai_pg",
    ("isolation", "repository_operations", "cached_reads", "bulk_operations"),
    _REFERENCE / "performance-axai-pg.md",
)
SUITES: Final = (ANDAMIOS_ORM, PROJECT_ARCHITECT_DB, AXAI_PG)


def imported(module: str) -> Any:
    """Return a module by its name below ``benchmarks``."""
    return importlib.import_module(f"benchmarks.{module}")


def figures_of(modules: Sequence[str]) -> list[Figure]:
    """Return the figures of ``modules``, in their order."""
    return [figure for module in map(imported, modules) for figure in module.FIGURES]
