"""What a deletion takes along, and what forbids it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.orm import RelationshipDirection
from sqlalchemy.orm.attributes import set_committed_value

from andamios_orm.exceptions import ForeignKeyViolation
from andamios_orm.models.mixins import SoftDeleteMixin
from andamios_orm.models.staying import stays
from andamios_orm.queries.visible import visible

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstanceState, Mapper, RelationshipProperty, Session

__all__ = ["Cascade"]


@dataclass(eq=False)
class _Doomed:
    """A row that goes, softly or not, and its children by relation."""

    row: Any
    softly: bool
    children: dict[str, list[Any]] = field(default_factory=dict)


class Cascade:
    """Deletes rows of one session with what belongs to them.

    It runs inside ``AsyncSession.run_sync()``: one query for each relation and level.
    """

    def __init__(self, session: Session) -> None:
        """Work in ``session``; the flush is the caller's."""
        self._session = session
        self._doomed: dict[int, _Doomed] = {}
        self._barring: list[tuple[RelationshipProperty[Any], list[Any], bool]] = []
        self._orphaned: list[tuple[RelationshipProperty[Any], Any]] = []
        self._above: dict[RelationshipProperty[Any], dict[tuple[Any, ...], Any]] = {}

    def delete(self, rows: Sequence[Any], moment: dt.datetime | None) -> None:
        """Mark ``rows`` as deleted at ``moment``, or delete them; with them what they own.

        Raises:
            ForeignKeyViolation: a row outside refers to one along a relation that does
                not cascade.
        """
        self._collect(rows, softly=moment is not None)
        for relation, parents, softly in self._barring:
            self._refuse_if_referred(relation, parents, softly=softly)
        for relation, child in self._orphaned:
            for _, remote in relation.synchronize_pairs:
                setattr(child, relation.mapper.get_property_by_column(remote).key, None)
        for doomed in self._doomed.values():
            if doomed.softly:
                doomed.row.deleted_at = moment
            else:
                self._expunge(doomed)

    def restore(self, row: Any, moment: dt.datetime) -> None:
        """Take back what the deletion of ``row`` at ``moment`` did softly."""
        waiting = [row]
        while waiting:
            parent = waiting.pop()
            parent.deleted_at = None
            for relation in _to_children(inspect(parent).mapper):
                if _cascades(relation) and issubclass(relation.mapper.class_, SoftDeleteMixin):
                    then = relation.mapper.class_.deleted_at == moment
                    waiting.extend(self._children(relation, [parent], then))

    def _collect(self, rows: Sequence[Any], *, softly: bool) -> None:
        """Note ``rows`` and, level by level, what goes with them."""
        level = [row for row in rows if self._is_news(row, softly=softly)]
        while level:
            following: list[Any] = []
            for mapper, parents in _by_mapper(level).items():
                soft = [row for row in parents if self._doomed[id(row)].softly]
                hard = [row for row in parents if not self._doomed[id(row)].softly]
                for relation in _to_children(mapper):
                    following += self._follow(relation, soft, softly=True)
                    following += self._follow(relation, hard, softly=False)
            level = following

    def _is_news(self, row: Any, *, softly: bool) -> bool:
        """Note that ``row`` goes; return whether that is more than was known."""
        softly = softly and isinstance(row, SoftDeleteMixin)
        known = self._doomed.get(id(row))
        if known is not None and (softly or not known.softly):
            return False
        self._doomed[id(row)] = _Doomed(row, softly)
        return True

    def _follow(
        self, relation: RelationshipProperty[Any], parents: list[Any], *, softly: bool
    ) -> list[Any]:
        """Return the children that go with ``parents`` and were not known to."""
        if not parents:
            return []
        if softly and stays(relation):
            return []
        cascades, nulls = _cascades(relation), _ondelete(relation) == "SET NULL"
        if not cascades and not nulls:
            self._barring.append((relation, parents, softly))
            return []
        if nulls and not cascades and softly:
            return []  # the parent's row stays, so nothing points into the void
        alive = visible(relation.mapper.class_) if softly else None
        children = self._children(relation, parents, alive)
        if not cascades:
            self._orphaned += [(relation, child) for child in children]
            return []
        self._assign(relation, parents, children)
        return [child for child in children if self._is_news(child, softly=softly)]

    def _assign(
        self, relation: RelationshipProperty[Any], parents: list[Any], children: list[Any]
    ) -> None:
        by_key: dict[tuple[Any, ...], list[Any]] = {}
        remote = [
            relation.mapper.get_property_by_column(column).key for _, column in _pairs(relation)
        ]
        for child in children:
            by_key.setdefault(tuple(getattr(child, name) for name in remote), []).append(child)
        for parent in parents:
            own = by_key.get(_referred(relation, parent), [])
            self._doomed[id(parent)].children[relation.key] = own

    def _children(
        self,
        relation: RelationshipProperty[Any],
        parents: list[Any],
        condition: ColumnElement[bool] | None,
    ) -> list[Any]:
        statement = select(relation.mapper.class_).where(_refers(relation, parents))
        if condition is not None:
            statement = statement.where(condition)
        return list(self._session.scalars(statement.order_by(*relation.mapper.primary_key)))

    def _refuse_if_referred(
        self, relation: RelationshipProperty[Any], parents: list[Any], *, softly: bool
    ) -> None:
        """Raise if a row that stays refers to one of ``parents``."""
        child = relation.mapper
        gone = [one.row for one in self._doomed.values() if isinstance(one.row, child.class_)]
        going = {inspect(row).identity for row in gone}
        statement = select(*child.primary_key).where(_refers(relation, parents))
        alive = visible(child.class_) if softly else None
        if alive is not None:
            statement = statement.where(alive)
        for row in self._session.execute(statement.limit(len(going) + 1)):
            if tuple(row) not in going:
                raise _referred_to(relation, parents, tuple(row))
        self._assign(relation, parents, gone)

    def _expunge(self, doomed: _Doomed) -> None:
        """Delete a row for good; what it owns is known, so that nothing is loaded for it."""
        for relation in _to_children(inspect(doomed.row).mapper):
            children = doomed.children.get(relation.key, [])
            value: Any = children
            if not relation.uselist:
                value = children[0] if children else None
            set_committed_value(doomed.row, relation.key, value)
        for relation in _to_unloaded_parents(inspect(doomed.row)):
            set_committed_value(doomed.row, relation.key, self._parent(relation, doomed.row))
        self._session.delete(doomed.row)

    def _parent(self, relation: RelationshipProperty[Any], row: Any) -> Any:
        """Return the row that another refers to if it goes as well: a flush needs no other."""
        if relation not in self._above:
            names = _names(relation.mapper, [remote for _, remote in _pairs(relation)])
            self._above[relation] = {
                tuple(getattr(doomed.row, name) for name in names): doomed.row
                for doomed in self._doomed.values()
                if isinstance(doomed.row, relation.mapper.class_)
            }
        names = _names(relation.parent, [local for local, _ in _pairs(relation)])
        return self._above[relation].get(tuple(getattr(row, name) for name in names))


def _to_children(mapper: Mapper[Any]) -> Iterator[RelationshipProperty[Any]]:
    for relation in mapper.relationships:
        if relation.direction is RelationshipDirection.ONETOMANY and not relation.viewonly:
            yield relation


def _to_unloaded_parents(state: InstanceState[Any]) -> Iterator[RelationshipProperty[Any]]:
    """Yield what a flush would load of a row of a tree."""
    for relation in state.mapper.relationships:
        upwards = relation.direction is RelationshipDirection.MANYTOONE
        if upwards and not relation.viewonly and relation.key in state.unloaded:
            yield relation


def _names(mapper: Mapper[Any], columns: Sequence[Any]) -> list[str]:
    return [mapper.get_property_by_column(column).key for column in columns]


def _cascades(relation: RelationshipProperty[Any]) -> bool:
    return relation.cascade.delete or _ondelete(relation) == "CASCADE"


def _ondelete(relation: RelationshipProperty[Any]) -> str | None:
    """Return what the foreign keys behind a relation say of deleted parents.

    Of a key of several columns, PostgreSQL may set some: ``SET NULL (parent_id)``.
    """
    said = {
        (key.ondelete or "").upper().partition(" (")[0]
        for local, remote in _pairs(relation)
        for key in remote.foreign_keys
        if key.column is local
    }
    return said.pop() if len(said) == 1 else None


def _pairs(relation: RelationshipProperty[Any]) -> list[tuple[Any, Any]]:
    """Return the parent's and the child's columns."""
    return list(relation.local_remote_pairs or ())


def _referred(relation: RelationshipProperty[Any], parent: Any) -> tuple[Any, ...]:
    mapper = relation.parent
    return tuple(
        getattr(parent, mapper.get_property_by_column(local).key) for local, _ in _pairs(relation)
    )


def _refers(relation: RelationshipProperty[Any], parents: list[Any]) -> ColumnElement[bool]:
    columns = [remote for _, remote in _pairs(relation)]
    keys = [_referred(relation, parent) for parent in parents]
    if len(columns) == 1:
        condition: ColumnElement[bool] = columns[0].in_([key[0] for key in keys])
        return condition
    return tuple_(*columns).in_(keys)


def _by_mapper(rows: list[Any]) -> dict[Mapper[Any], list[Any]]:
    grouped: dict[Mapper[Any], list[Any]] = {}
    for row in rows:
        grouped.setdefault(inspect(row).mapper, []).append(row)
    return grouped


def _referred_to(
    relation: RelationshipProperty[Any], parents: list[Any], key: tuple[Any, ...]
) -> ForeignKeyViolation:
    parent, child = relation.parent.class_.__name__, relation.mapper
    of = parents[0] if len(parents) == 1 else None
    which = f"{parent} {_shown(inspect(of).identity)}" if of is not None else f"one {parent}"
    columns = tuple(remote.name for _, remote in _pairs(relation))
    return ForeignKeyViolation(
        f"{which} still has {child.class_.__name__} {_shown(key)} in {parent}.{relation.key}, "
        f"which does not cascade: delete that first, or say cascade='all, delete-orphan'",
        table=str(child.local_table),
        columns=columns,
        value=_shown(inspect(of).identity) if of is not None else None,
    )


def _shown(key: tuple[Any, ...]) -> Any:
    return key[0] if len(key) == 1 else key
