"""What a flush tells the change feed: a record for each row that it changed, and for each link.

Rows are kept as they were before, from the instance if it was read in this transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, event, inspect, select
from sqlalchemy.orm import LoaderCallableStatus, PassiveFlag
from sqlalchemy.sql import ClauseElement

from andamios_orm.core.ledger import Ledger
from andamios_orm.core.recording import remembered_of, remembers, version_of
from andamios_orm.core.records import Entity, Record, Version
from andamios_orm.models.actor import current_actor
from andamios_orm.models.base import Row, is_told_of_rows
from andamios_orm.models.written import WrittenRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection
    from sqlalchemy.orm import InstanceState, Mapper, Session, SessionTransaction, UOWTransaction

__all__ = ["forget_flush", "note_attached", "note_earlier", "record_flush"]

_BEFORE = "andamios.before"
_EXPRESSIONS = "andamios.expressions"
_EARLIER = "andamios.earlier"
_BELIEVED = "andamios.believed"
_DELETED_AT = "deleted_at"


@event.listens_for(Row, "before_update", propagate=True)
def _note_expressions(mapper: Mapper[Any], _connection: Connection, instance: Any) -> None:
    """Note what is set to an expression: a flush may leave no other trace of it."""
    state: InstanceState[Any] = inspect(instance)
    values = state.dict
    names = {name for name in state.committed_state if _is_expression(values.get(name))}
    if names and Entity.of(mapper) is not None:
        session: Any = state.session
        session.info.setdefault(_EXPRESSIONS, {})[state] = names


def _is_expression(value: Any) -> bool:
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


@event.listens_for(Row, "before_update", propagate=True)
@event.listens_for(Row, "before_delete", propagate=True)
def _keep_before(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    """Keep what a row of a model with history is, before the database changes it."""
    model = type(instance)
    follows = is_told_of_rows(model) or remembers(model, connection.dialect)
    needed = model.__history__ or follows
    entity = Entity.of(mapper) if needed else None
    if entity is None:
        return
    state: InstanceState[Any] = inspect(instance)
    session: Any = state.session
    kept = session.info.setdefault(_BEFORE, {})
    if follows and state in session.info.get(_EARLIER, ()):
        session.info.setdefault(_BELIEVED, {})[state] = dict(state.dict)
        kept[state] = _read(entity, mapper, state, connection)
    else:
        kept[state] = _before(entity, mapper, state, connection)


def _before(
    entity: Entity, mapper: Mapper[Any], state: InstanceState[Any], connection: Connection
) -> dict[str, Any]:
    """Return the row as it is stored; it is read only if the instance does not know it."""
    known = {name: state.dict[name] for name in entity.columns if name in state.dict}
    for name, old in state.committed_state.items():
        if name in entity.columns:
            known.pop(name, None)
            if not isinstance(old, LoaderCallableStatus):
                known[name] = old
    if len(known) < len(entity.columns):
        known = _read(entity, mapper, state, connection) or known
    return known


def _read(
    entity: Entity, mapper: Mapper[Any], state: InstanceState[Any], connection: Connection
) -> dict[str, Any] | None:
    """Return the row from the database."""
    identity = _identity(state)[1]
    columns = [mapper.columns[name] for name in entity.columns]
    matches = (column == value for column, value in zip(mapper.primary_key, identity, strict=True))
    statement = select(*columns).select_from(mapper.persist_selectable).where(*matches)
    row = connection.execute(statement).one_or_none()
    return None if row is None else dict(zip(entity.columns, row, strict=True))


def record_flush(session: Session, context: UOWTransaction) -> None:
    """Record every row that a flush has changed; listens to ``after_flush``."""
    kept = session.info.pop(_BEFORE, {})
    believed = session.info.pop(_BELIEVED, {})
    expressions = session.info.pop(_EXPRESSIONS, {})
    replaced = _replaced(context)
    written: dict[Entity, list[WrittenRow]] = {}
    for state, (deleted, listed) in sorted(context.states.items(), key=_turn):
        entity = None if listed else Entity.of(state.mapper)
        if entity is None:
            continue
        # What the database made of it may have been fetched, which gives it its key early.
        is_new = state.key is None or state in session._new  # noqa: SLF001 - session.new copies it
        kind = _kind(entity, state, is_new=is_new, deleted=deleted, replaced=replaced)
        if kind is None and state in expressions:
            kind = "update"
        if kind is None:
            continue
        connection = session.connection(bind_arguments={"mapper": state.mapper})
        record = _record(entity, state, kind, connection)
        follows = entity.wrote is not None or remembers(entity.model, connection.dialect)
        if entity.history or follows:
            row = _written(entity, state, record, kept.get(state), connection)
            if state in believed and None not in row:
                row = _corrected(row, state, believed[state])
            written.setdefault(entity, []).append(row)
            record.rows = remembered_of(entity, kind, [row], connection.dialect)
            if entity.history:
                record.versions = [_change(entity, record, row, connection)]
        Ledger.of(connection).add(record)
    _record_links(session, context)
    for entity, rows in written.items():
        if entity.wrote is not None:
            entity.wrote(session.connection(bind_arguments={"mapper": entity.model}), rows)


def forget_flush(session: Session) -> None:
    """Forget what a flush noted that did not come to its end; listens to ``after_rollback``."""
    session.info.pop(_BEFORE, None)
    session.info.pop(_BELIEVED, None)
    session.info.pop(_EXPRESSIONS, None)
    if not session.in_nested_transaction():  # the end of a savepoint is not that of all
        session.info.pop(_EARLIER, None)


def note_earlier(
    session: Session, transaction: SessionTransaction, _connection: Connection
) -> None:
    """Note the instances of earlier transactions: their rows may have been changed since.

    Listens to ``after_begin``.
    """
    if transaction.nested:
        return  # a savepoint sees what this transaction has read
    session.info[_EARLIER] = set(session.identity_map.all_states())


def note_attached(session: Session, instance: object) -> None:
    """Note an instance of another session; listens to ``detached_to_persistent``."""
    session.info.setdefault(_EARLIER, set()).add(inspect(instance, raiseerr=True))


def _turn(item: tuple[InstanceState[Any], tuple[bool, bool]]) -> tuple[bool, int]:
    """Return when a row is recorded: changed rows, new ones as they were added, deleted ones."""
    state, (deleted, _) = item
    return deleted, -1 if state.insert_order is None else state.insert_order


def _replaced(context: UOWTransaction) -> set[Any]:
    """Return the keys of rows that were deleted and added anew: they were updated."""
    return {state.key for state, (deleted, listed) in context.states.items() if deleted and listed}


def _kind(
    entity: Entity, state: InstanceState[Any], *, is_new: bool, deleted: bool, replaced: set[Any]
) -> str | None:
    """Return what happened to a row, or None if nothing did."""
    if deleted:
        return "purge" if entity.soft else "delete"
    if is_new:
        return "update" if replaced and _identity(state) in replaced else "create"
    return _kind_of_update(entity, state)


def _kind_of_update(entity: Entity, state: InstanceState[Any]) -> str | None:
    changed = _changed(entity, state)
    if not changed:
        return None
    if entity.soft and _DELETED_AT in changed:
        old, new = state.committed_state.get(_DELETED_AT), state.dict.get(_DELETED_AT)
        if new is not None and (old is None or isinstance(old, LoaderCallableStatus)):
            return "delete"
        return "restore" if new is None else "update"
    return "update"


def _changed(entity: Entity, state: InstanceState[Any]) -> set[str]:
    """Return the names of the columns that an UPDATE was sent for."""
    manager = state.manager
    return {
        name
        for name, old in state.committed_state.items()
        if name in entity.names
        and (name not in state.dict or not manager[name].impl.is_equal(state.dict[name], old))
    }


def _identity(state: InstanceState[Any]) -> Any:
    """Return the identity key, which a new instance gets only after its flush."""
    if state.key is not None:
        return state.key
    return state.mapper._identity_key_from_state(state)  # noqa: SLF001 - as a flush does


def _record(entity: Entity, state: InstanceState[Any], kind: str, connection: Connection) -> Record:
    dialect, values = connection.dialect, state.dict
    return Record(
        entity.tables,
        entity.name,
        kind,
        key=entity.key_text(_identity(state)[1], dialect),
        actor=current_actor(),
        tenant=entity.tenant_of(values, dialect),
    )


def _written(
    entity: Entity,
    state: InstanceState[Any],
    record: Record,
    before: dict[str, Any] | None,
    connection: Connection,
) -> WrittenRow:
    gone = record.kind in {"delete", "purge"} and state.dict.get(_DELETED_AT) is None
    if gone or record.kind == "purge":
        return WrittenRow(before, None)
    return WrittenRow(before, _after(entity, state, before, connection))


def _corrected(
    row: WrittenRow, state: InstanceState[Any], believed: Mapping[str, Any]
) -> WrittenRow:
    """Return a row of which the instance knows only what it has set itself, or was told since."""
    before, after = dict(row.before or {}), row.after or {}
    new = {
        name: value
        for name, value in after.items()
        if name in state.committed_state
        or name not in before
        or value is not believed.get(name, LoaderCallableStatus.NO_VALUE)
    }
    return WrittenRow(before, {name: {**before, **new}[name] for name in after})


def _change(entity: Entity, record: Record, row: WrittenRow, connection: Connection) -> Version:
    key, dialect, erased = record.key or "", connection.dialect, record.kind == "purge"
    return version_of(entity, key, row.before, row.after, dialect, erased=erased)


def _after(
    entity: Entity,
    state: InstanceState[Any],
    before: dict[str, Any] | None,
    connection: Connection,
) -> dict[str, Any]:
    """Return the row as it is stored now; read only what the database alone knows."""
    known = {name: state.dict[name] for name in entity.columns if name in state.dict}
    missing = [name for name in entity.columns if name not in known]
    if not missing:
        return known
    if before is None:
        unknown = any(entity.columns[name].server_default is not None for name in missing)
    else:
        unknown = not state.expired_attributes.isdisjoint(missing)
    if unknown:
        return _read(entity, state.mapper, state, connection) or known
    return {
        name: known[name] if name in known else (before or {}).get(name) for name in entity.columns
    }


# ---- rows between rows: many to many ---------------------------------------------


def _record_links(session: Session, context: UOWTransaction) -> None:
    """Record the rows of association tables that a flush has added or deleted."""
    seen: set[tuple[str, str, str]] = set()
    relations: dict[Mapper[Any], list[tuple[Any, Entity]]] = {}
    for state, (deleted, _listed) in list(context.states.items()):
        if state.mapper not in relations:
            relations[state.mapper] = list(_many_to_many(state.mapper))
        for relation, entity in relations[state.mapper]:
            if relation.key not in state.dict:
                continue
            table = entity.table
            connection = session.connection(bind_arguments={"mapper": state.mapper})
            for kind, other in _links(state, relation.key, deleted=deleted):
                values = _link(relation, state, other)
                key = _link_key(entity, values, connection.dialect)
                if (table.name, kind, key) not in seen:
                    seen.add((table.name, kind, key))
                    Ledger.of(connection).add(
                        Record(entity.tables, entity.name, kind, key=key, actor=current_actor())
                    )


def _link_key(entity: Entity, values: Mapping[str, Any], dialect: Any) -> str:
    """Return the key of a link; where the database makes it, what the link is between."""
    if values.keys() >= set(entity.key_names):
        return entity.key_of(values, dialect)
    between = [(name, values[name]) for name in entity.names if name in values]
    return entity.texts(between, dialect)


def _many_to_many(mapper: Mapper[Any]) -> Iterator[tuple[Any, Entity]]:
    """Yield the relationships that have a table of their own, and how that is recorded."""
    for relation in mapper.relationships:
        table = relation.secondary
        entity = Entity.of(table) if isinstance(table, Table) and not relation.viewonly else None
        if entity is not None:
            yield relation, entity


def _links(
    state: InstanceState[Any], name: str, *, deleted: bool
) -> Iterator[tuple[str, InstanceState[Any]]]:
    history = state.get_history(name, PassiveFlag.PASSIVE_NO_INITIALIZE)
    gone = [*(history.deleted or ()), *((history.unchanged or ()) if deleted else ())]
    yield from (("delete", inspect(each)) for each in gone if each is not None)
    if not deleted:
        yield from (("create", inspect(each)) for each in history.added or () if each is not None)


def _link(relation: Any, state: InstanceState[Any], other: InstanceState[Any]) -> dict[str, Any]:
    """Return the values of the row that links two instances."""
    sides = ((state, relation.synchronize_pairs), (other, relation.secondary_synchronize_pairs))
    return {
        link.key: side.dict.get(side.mapper.get_property_by_column(column).key)
        for side, pairs in sides
        for column, link in pairs or ()
    }
