"""Foreign keys as links between tables, and the SQL that looks for what they miss on DuckDB.

A key that was touched is looked up in the parent first: that is one cheap statement. Only
if that finds too little, a second one asks whether a child with this key exists at all
and has no parent; it alone decides, so the order of statements in the transaction does
not matter.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Table
from sqlalchemy.exc import NoReferenceError

from andamios_orm.dialect.binds import as_list, bind_column
from andamios_orm.dialect.carriers import carrier
from andamios_orm.dialect.types import duckdb_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Column, Connection, MetaData
    from sqlalchemy.engine import Dialect
    from sqlalchemy.orm import Mapper, RelationshipProperty
    from sqlalchemy.schema import ForeignKeyConstraint

__all__ = ["Keys", "Link", "Links", "Lookup", "Plan", "checks_keys", "is_checked_here"]

Keys = dict[tuple[Any, ...], None]
"""Keys in the order in which they were touched, each once."""

SHOWN = 5
"""Keys that one error names."""


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A foreign key, with its columns in the order of the columns they refer to."""

    constraint: ForeignKeyConstraint
    child: Table
    parent: Table
    columns: tuple[Column[Any], ...]
    referred: tuple[Column[Any], ...]

    @classmethod
    def of(cls, constraint: ForeignKeyConstraint) -> Link:
        """Return the link that ``constraint`` makes."""
        return cls(
            constraint,
            constraint.table,
            constraint.referred_table,
            tuple(element.parent for element in constraint.elements),
            tuple(element.column for element in constraint.elements),
        )


def checks_keys(dialect: Dialect) -> bool:
    """Return whether ``dialect`` is ours, which can check keys in the hop of COMMIT."""
    return getattr(dialect, "runs_at_commit", False)


def is_checked_here(dialect: Dialect, table: Any) -> bool:
    """Return whether the foreign keys of ``table`` are checked by us, not by the database."""
    if not checks_keys(dialect):
        return False
    options: Any = dialect
    return "none" in (
        options.options.foreign_keys,
        table.info.get("duckdb_foreign_keys"),
        table.metadata.info.get("duckdb_foreign_keys"),
    )


class Plan(NamedTuple):
    """What the keys of one model's rows are linked to, by names of its attributes."""

    outgoing: tuple[tuple[Link, tuple[str | None, ...]], ...]
    incoming: tuple[tuple[Link, tuple[str | None, ...]], ...]
    through: tuple[RelationshipProperty[Any], ...]

    def checked_by(self, dialect: Dialect) -> Plan:
        """Return the links of which we check the keys, not the database."""
        return Plan(
            tuple(each for each in self.outgoing if is_checked_here(dialect, each[0].child)),
            tuple(each for each in self.incoming if is_checked_here(dialect, each[0].child)),
            tuple(each for each in self.through if is_checked_here(dialect, each.secondary)),
        )


class Links:
    """The foreign keys of a metadata, from both ends."""

    def __init__(self, metadata: MetaData) -> None:
        """Read the tables that there are now."""
        self.tables = len(metadata.tables)
        self._outgoing: dict[Table, list[Link]] = {}
        self._incoming: dict[Table, list[Link]] = {}
        self._plans: WeakKeyDictionary[Mapper[Any], Plan] = WeakKeyDictionary()
        for table in metadata.tables.values():
            constraints = sorted(table.foreign_key_constraints, key=lambda each: str(each.name))
            for link in _known(constraints):
                self._outgoing.setdefault(table, []).append(link)
                self._incoming.setdefault(link.parent, []).append(link)

    @classmethod
    def of(cls, metadata: MetaData) -> Links:
        """Return the links of ``metadata``, read once for as long as it has no new table."""
        found: Links | None = metadata.info.get(_LINKS)
        if found is None or found.tables != len(metadata.tables):
            found = metadata.info[_LINKS] = cls(metadata)
        return found

    def from_table(self, table: Table) -> Sequence[Link]:
        """Return the foreign keys that ``table`` has."""
        return self._outgoing.get(table, ())

    def to_table(self, table: Table) -> Sequence[Link]:
        """Return the foreign keys that refer to ``table``."""
        return self._incoming.get(table, ())

    def plan(self, mapper: Mapper[Any]) -> Plan:
        """Return how the rows of a model are linked."""
        plan = self._plans.get(mapper)
        if plan is None:
            tables: list[Any] = list(mapper.tables)
            plan = self._plans[mapper] = Plan(
                tuple(
                    (link, _names(mapper, link.columns))
                    for table in tables
                    for link in self.from_table(table)
                ),
                tuple(
                    (link, _names(mapper, link.referred))
                    for table in tables
                    for link in self.to_table(table)
                ),
                tuple(
                    relation
                    for relation in mapper.relationships
                    if isinstance(relation.secondary, Table) and not relation.viewonly
                ),
            )
        return plan


_LINKS = "andamios.links"


def _known(constraints: Iterable[ForeignKeyConstraint]) -> Iterator[Link]:
    """Yield the links of ``constraints``, without those to a table that nobody described."""
    for constraint in constraints:
        with contextlib.suppress(NoReferenceError):
            yield Link.of(constraint)


def _names(mapper: Mapper[Any], columns: Sequence[Column[Any]]) -> tuple[str | None, ...]:
    """Return the attributes of ``columns``; None for one that the model leaves out."""
    properties = mapper._columntoproperty  # noqa: SLF001 - get_property_by_column() raises instead
    return tuple(properties[column].key if column in properties else None for column in columns)


# ---- SQL -------------------------------------------------------------------------


class Filter(NamedTuple):
    """Rows of ``{alias}`` that have one of some keys, as SQL and its parameters."""

    join: str
    where: str
    parameters: tuple[Any, ...]


class Lookup:
    """Writes the statements for one link, with the names as ``connection`` knows them."""

    def __init__(self, connection: Connection, link: Link) -> None:
        """Quote the names of ``link``."""
        self._connection = connection
        self._link = link
        quote = connection.dialect.identifier_preparer.quote
        self._columns = [f"c.{quote(column.name)}" for column in link.columns]
        self._referred = [f"p.{quote(column.name)}" for column in link.referred]
        self._child, self._parent = self._name(link.child), self._name(link.parent)

    def parents(self, keys: Keys) -> tuple[str, tuple[Any, ...]] | None:
        """Return a statement that counts the parents of ``keys``; None if they cannot be sent."""
        chosen = self._chosen(self._referred, self._link.columns, list(keys))
        if chosen is None:
            return None
        rows = f"FROM {self._parent} AS p {chosen.join} WHERE {chosen.where}"
        if len(keys) == 1:
            text = f"SELECT 1 {rows}"  # half the time of a count
        elif set(self._link.referred) == set(self._link.parent.primary_key):
            text = f"SELECT count(*) {rows}"
        else:
            text = f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(self._referred)} {rows})"  # noqa: S608 # nosec B608 - quoted names
        return text, chosen.parameters

    def children(self, keys: Keys) -> tuple[str, tuple[Any, ...]] | None:
        """Return a statement that finds a child of ``keys``; None if they cannot be sent."""
        chosen = self._chosen(self._columns, self._link.referred, list(keys))
        if chosen is None:
            return None
        text = f"SELECT 1 FROM {self._child} AS c {chosen.join} WHERE {chosen.where} LIMIT 1"  # noqa: S608 # nosec B608 - quoted names
        return text, chosen.parameters

    def orphans(
        self, keys: Keys | None, types: Sequence[Column[Any]] | None = None
    ) -> tuple[str, tuple[Any, ...]]:
        """Return the statement that finds children without a parent: with ``keys``, or all.

        ``types`` are the columns whose values the keys are: the child's unless given.
        """
        chosen = None
        if keys is not None:
            chosen = self._chosen(self._columns, types or self._link.columns, list(keys))
        return self._without_parent(chosen or _ALL)

    def orphans_among(
        self, key: Sequence[Column[Any]], keys: Sequence[tuple[Any, ...]]
    ) -> tuple[str, tuple[Any, ...]]:
        """Return the statement that finds orphans among the rows with these primary ``keys``."""
        chosen = self._chosen([self._own(column) for column in key], key, keys)
        return self._without_parent(chosen or _ALL)

    def orphans_between(
        self, key: Column[Any], first: Any, last: Any
    ) -> tuple[str, tuple[Any, ...]]:
        """Return the statement that finds orphans among the rows with a key from a to b."""
        dialect = self._connection.dialect
        name = duckdb_type(key.type, dialect)
        if name is None:
            return self._without_parent(_ALL)
        low, high = bind_column(key.type, [first, last], dialect, column=key.name)
        where = f"{self._own(key)} BETWEEN CAST($1 AS {name}) AND CAST($2 AS {name})"
        return self._without_parent(Filter("", where, (low, high)))

    def _without_parent(self, chosen: Filter) -> tuple[str, tuple[Any, ...]]:
        pairs = zip(self._referred, self._columns, strict=True)
        same = " AND ".join(f"{referred} = {column}" for referred, column in pairs)
        present = [f"{column} IS NOT NULL" for column in self._columns]
        where = " AND ".join([chosen.where, *present])
        text = f"SELECT DISTINCT {', '.join(self._columns)} FROM {self._child} AS c {chosen.join} ANTI JOIN {self._parent} AS p ON {same} WHERE {where} LIMIT {SHOWN}"  # noqa: E501, S608 # nosec B608 - quoted names
        return text, chosen.parameters

    def _chosen(
        self,
        names: Sequence[str],
        columns: Sequence[Column[Any]],
        keys: Sequence[tuple[Any, ...]],
    ) -> Filter | None:
        """Return the filter for ``keys``, whose values are those of ``columns``."""
        dialect = self._connection.dialect
        types = [duckdb_type(column.type, dialect) for column in columns]
        if None in types:
            return None  # values that cannot travel together: look at all rows
        bound = [
            list(bind_column(column.type, values, dialect, column=column.name))
            for column, values in zip(columns, zip(*keys, strict=True), strict=True)
        ]
        if len(keys) == 1:
            tests = [
                f"{name} = CAST(${number} AS {type_})"
                for number, (name, type_) in enumerate(zip(names, types, strict=True), 1)
            ]
            return Filter("", " AND ".join(tests), tuple(values[0] for values in bound))
        return self._listed(names, columns, types, bound)

    def _listed(
        self,
        names: Sequence[str],
        columns: Sequence[Column[Any]],
        types: Sequence[Any],
        bound: Sequence[list[Any]],
    ) -> Filter | None:
        dialect = self._connection.dialect
        carriers = [
            carrier(values, type_, partial(_listed, column.type, dialect))
            for values, type_, column in zip(bound, types, columns, strict=True)
        ]
        sources, parameters, tests = [], [], []
        for number, (each, values, name) in enumerate(zip(carriers, bound, names, strict=True), 1):
            if each is None:
                return None
            sources.append(f"{each.sql.format(parameter=f'${number}')} AS k{number}")
            parameters.append(each.pack(values))
            tests.append(f"{name} = k.k{number}")
        join = f"SEMI JOIN (SELECT {', '.join(sources)}) AS k ON {' AND '.join(tests)}"
        return Filter(join, "true", tuple(parameters))

    def _own(self, column: Column[Any]) -> str:
        return f"c.{self._connection.dialect.identifier_preparer.quote(column.name)}"

    def _name(self, table: Table) -> str:
        preparer = self._connection.dialect.identifier_preparer
        schema = self._connection.schema_for_object(table)
        name = preparer.quote(table.name)
        return f"{preparer.quote_schema(schema)}.{name}" if schema else name


_ALL = Filter("", "true", ())


def _listed(type_: Any, dialect: Dialect, values: Sequence[Any]) -> list[Any]:
    return list(as_list(type_, values, dialect))
