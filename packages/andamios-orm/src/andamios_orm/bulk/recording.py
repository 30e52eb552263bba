"""What a bulk leaves behind beside its rows: one change record, history, keys to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.bulk.arrow import ArrowColumn
from andamios_orm.core.integrity import check_removed, check_values
from andamios_orm.core.ledger import watch
from andamios_orm.core.recording import record_batch, remembers
from andamios_orm.core.records import Entity
from andamios_orm.core.scans import scan_of
from andamios_orm.models.base import is_told_of_rows
from andamios_orm.models.written import ColumnRows, WrittenRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from andamios_orm.bulk.work import Work
    from andamios_orm.core.recording import BatchKind
    from andamios_orm.core.scans import Scan

__all__ = [
    "created",
    "keeps_history",
    "new_rows",
    "record",
    "removed",
    "scan_ahead",
    "written",
]


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def keeps_history(work: Work) -> bool:
    """Whether rows of the model are needed as they were before and after a change."""
    model = work.target.model
    kept = getattr(model, "__history__", False) or remembers(model, work.connection.dialect)
    return bool(kept) or is_told_of_rows(model)


def _listed(values: Sequence[Any]) -> Sequence[Any]:
    return values.values() if isinstance(values, ArrowColumn) else values


def _ledger_of(work: Work) -> Connection:
    """Return the connection whose ledger is settled at COMMIT."""
    watch(work.session.sync_session.get_bind().engine)
    connection = work.connection.sync_connection
    assert connection is not None  # noqa: S101 - it has run statements
    return connection


async def created(
    work: Work,
    columns: Mapping[str, Sequence[Any]],
    count: int,
    sent: Mapping[str, Any] = _NOTHING,
    *,
    scan: Scan | None = None,
) -> None:
    """Record new rows; ``sent`` are those of their columns that went out as Arrow.

    ``scan`` is what ``scan_ahead()`` has made of them.
    """
    await record(work, "bulk_create", **new_rows(work, columns, count, sent), scan=scan)


def scan_ahead(
    work: Work, columns: Mapping[str, Sequence[Any]], count: int, sent: Mapping[str, Any]
) -> Scan | None:
    """Return the history of new rows, which takes no database; None if it has to wait."""
    entity = Entity.of(work.target.model)
    if entity is None or not entity.history or entity.tenant_name is not None:
        return None
    found = new_rows(work, columns, count, sent)
    return scan_of(entity, found["keys"], None, found["after"], work.connection.dialect)


def written(work: Work, columns: Mapping[str, Sequence[Any]]) -> None:
    """Check at COMMIT that the rows which ``columns`` refer to exist."""
    target = work.target
    referring = {
        target.columns[name].key: _listed(values)
        for name, values in columns.items()
        if target.columns[name].foreign_keys
    }
    if referring:
        check_values(_ledger_of(work), target.table, referring)


def removed(work: Work, keys: Sequence[Any] | None) -> None:
    """Check at COMMIT that nothing refers to rows that were removed, or changed their key."""
    check_removed(_ledger_of(work), work.target.table, keys)


def new_rows(
    work: Work,
    columns: Mapping[str, Sequence[Any]],
    count: int,
    sent: Mapping[str, Any] = _NOTHING,
) -> dict[str, Any]:
    """Return what to record of new rows: keys, tenants, the rows themselves."""
    found: dict[str, Any] = {"keys": work.target.keys_of(columns)}
    tenant = getattr(work.target.model, "__tenant__", None)
    if tenant is not None:
        found["tenants"] = columns.get(tenant, [None] * count)
    if keeps_history(work):
        nothing = [None] * count
        given = {name: columns.get(name, nothing) for name in work.target.columns}
        lent = {name for name, values in given.items() if isinstance(values, ArrowColumn)}
        found["after"] = ColumnRows(_Listed(given), count, sent, lent)
    return found


class _Listed(Mapping[str, Sequence[Any]]):
    """Columns, of which one of Arrow becomes a list when it is asked for."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> Sequence[Any]:
        return _listed(self._columns[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


async def record(  # noqa: PLR0913 - keys, and what is known of each
    work: Work,
    kind: BatchKind,
    keys: Sequence[Any],
    *,
    tenants: Sequence[Any] | None = None,
    before: Sequence[Mapping[str, Any] | None] | None = None,
    after: Sequence[Mapping[str, Any] | None] | None = None,
    scan: Scan | None = None,
) -> None:
    """Leave one change record of a batch, in the transaction that changed its rows."""
    session = work.session.sync_session
    if hasattr(session, "wrote"):  # it warns if it is closed without a commit
        session.wrote(work.target.name)
    record_batch(
        _ledger_of(work),
        work.target.model,
        kind,
        keys,
        tenants=tenants,
        before=before,
        after=after,
        scan=scan,
    )
    if is_told_of_rows(work.target.model) and len(keys):
        rows = WrittenRows(before, after)
        await work.connection.run_sync(work.target.model.__wrote__, rows)
