"""Whether the change feed is as it promises, and can serve its followers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from andamios_orm.core.positions import SHIFT
from andamios_orm.maintenance.findings import SHOWN, Finding, Unreadable, keys_of
from andamios_orm.models.feed import CHANGES, COMPACTED, FOLLOWERS, HISTORY, PRUNED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from andamios_orm.maintenance.findings import Snapshot
    from andamios_orm.maintenance.verifying_catalog import Catalog

__all__ = ["of_feed"]

_NEXT: Final = (
    "build what it derives anew from the tables, and go on from there: note feed.position() "
    "before, and feed.move(name, position) after"
)
_FOLLOW: Final = "let all followers build what they derive anew from the tables"


async def of_feed(snapshot: Snapshot, catalog: Catalog) -> AsyncIterator[Finding]:
    """Yield what is wrong with the change feed, in each schema that has one."""
    for schema, name in [table.name for table in catalog.tables]:
        if name == CHANGES and catalog.find(schema, FOLLOWERS) and catalog.find(schema, HISTORY):
            feed = _Feed(snapshot, schema)
            try:
                async for finding in feed.findings():
                    yield finding
            except Unreadable:
                continue  # that was found when the table was read


class _Feed:
    """The tables of one feed."""

    def __init__(self, snapshot: Snapshot, schema: str) -> None:
        self._snapshot = snapshot
        self._changes, self._followers, self._history = (
            snapshot.quote(schema, name) for name in (CHANGES, FOLLOWERS, HISTORY)
        )

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield what is wrong."""
        newest, pruned, compacted = await self._ends()
        # In the transaction of the last one that was removed, some may be missing.
        behind = f"position >> {SHIFT} > {max(pruned, compacted) >> SHIFT}"
        checks = (
            (FOLLOWERS, *self._beyond(newest)),
            (FOLLOWERS, *self._expired(pruned)),
            (CHANGES, *self._repeated()),
            (CHANGES, *self._gaps(behind)),
            (CHANGES, *self._kept(pruned)),
            (HISTORY, *self._without_change(behind)),
        )
        for table, what, query, names, remedy in checks:
            rows = await self._snapshot.rows(f"{query} LIMIT {SHOWN}")
            if rows:
                yield Finding(table, what, int(rows[0][-1]), keys_of(names, rows), remedy)

    async def _ends(self) -> tuple[int, int, int]:
        """Return the newest position, and those up to which changes were removed."""
        [row] = await self._snapshot.rows(
            f"SELECT coalesce((SELECT max(position) FROM {self._changes}), 0), "  # noqa: S608 - quoted names
            f"coalesce(max(position) FILTER (WHERE name = '{PRUNED}'), -1), "
            f"coalesce(max(position) FILTER (WHERE name = '{COMPACTED}'), -1) "
            f"FROM {self._followers}"
        )
        newest, pruned, compacted = row
        return max(newest, pruned, compacted), pruned, compacted

    def _beyond(self, newest: int) -> tuple[str, str, Sequence[str], str]:
        return (
            "followers are at positions that no change has had yet",
            self._of_followers(f"position > {newest}"),
            ("name", "position"),
            f"perhaps the database was restored: {_NEXT}",
        )

    def _expired(self, pruned: int) -> tuple[str, str, Sequence[str], str]:
        return (
            "followers have not seen changes that retention has removed",
            self._of_followers(f"position < {pruned}"),
            ("name", "position"),
            _NEXT,
        )

    def _of_followers(self, condition: str) -> str:
        return (
            f"SELECT name, position, count(*) OVER () FROM {self._followers} "  # noqa: S608 - quoted names
            f"WHERE name NOT LIKE 'andamios:%' AND {condition} ORDER BY 1"
        )

    def _repeated(self) -> tuple[str, str, Sequence[str], str]:
        return (
            "changes have the same position",
            (
                f"SELECT position, sum(count(*) - 1) OVER () FROM {self._changes} "  # noqa: S608 - quoted names
                f"GROUP BY position HAVING count(*) > 1 ORDER BY 1"
            ),
            ("position",),
            _FOLLOW,
        )

    def _gaps(self, behind: str) -> tuple[str, str, Sequence[str], str]:
        """Look for transactions whose changes are not numbered from 0 without a gap."""
        last = f"max(position & {(1 << SHIFT) - 1})"
        return (
            "changes of transactions are missing",
            (
                f"SELECT min(position), sum({last} + 1 - count(DISTINCT position)) OVER () "  # noqa: S608 - quoted names
                f"FROM {self._changes} WHERE {behind} GROUP BY position >> {SHIFT} "
                f"HAVING {last} + 1 > count(DISTINCT position) ORDER BY 1"
            ),
            ("position",),
            _FOLLOW,
        )

    def _kept(self, pruned: int) -> tuple[str, str, Sequence[str], str]:
        return (
            "changes are there that retention has removed",
            (
                f"SELECT position, count(*) OVER () FROM {self._changes} "  # noqa: S608 - quoted names
                f"WHERE position <= {pruned} ORDER BY 1"
            ),
            ("position",),
            f"remove them: feed.prune(before={pruned + 1})",
        )

    def _without_change(self, behind: str) -> tuple[str, str, Sequence[str], str]:
        return (
            "versions of rows are there whose change is missing",
            (
                f"SELECT entity, key, position, count(*) OVER () FROM {self._history} AS h "  # noqa: S608 - quoted names
                f"WHERE {behind} AND NOT EXISTS "
                f"(SELECT 1 FROM {self._changes} AS c WHERE c.position = h.position) ORDER BY 3"
            ),
            ("entity", "key", "position"),
            _FOLLOW,
        )
