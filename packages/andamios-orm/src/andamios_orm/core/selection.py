"""Which changes somebody wants to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from andamios_orm.core.records import Entity, all_mappers
from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import MetaData
    from sqlalchemy.orm import Mapper

    from andamios_orm.models.feed import FeedTables

__all__ = ["MOST", "Selection", "entity_names"]

MOST = 1_000
"""How many changes are read at once unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which changes a reader wants."""

    entities: frozenset[str] | None = None
    tenant: str | None = None
    limit: int = MOST
    after: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.entities is None and self.tenant is None


def entity_names(tables: FeedTables, entities: Collection[str | type[Any]]) -> frozenset[str]:
    """Return the names under which ``entities`` appear in the feed of ``tables``.

    Raises:
        ConfigurationError: nothing is recorded under one of them.
    """
    said = {each for each in entities if isinstance(each, str)}
    names = said.union(_name(each) for each in entities if not isinstance(each, str))
    known = _known(tables) if said else set()
    unknown = sorted(said - known)
    if unknown and known:  # a program that only reads the feed may have no models
        raise ConfigurationError(
            f"nothing is recorded as {unknown[0]!r:.60}: known are {', '.join(sorted(known))}"
        )
    return frozenset(names)


def _name(model: type[Any]) -> str:
    found = Entity.of(model)
    if found is None:
        raise ConfigurationError(f"changes of {model.__name__} are not recorded")
    return found.name


def _known(tables: FeedTables) -> set[str]:
    """Return the names of all tables and models whose changes the feed can have."""
    metadata = tables.changes.metadata
    own = {tables.changes.name, tables.history.name, tables.followers.name}
    names = {table.name for table in metadata.tables.values()} - own
    for mapper in all_mappers():
        entity = Entity.of(mapper) if _is_of(mapper, metadata) else None
        if entity is not None:
            names.add(entity.name)
    return names


def _is_of(mapper: Mapper[Any], metadata: MetaData) -> bool:
    return getattr(mapper.local_table, "metadata", None) is metadata
