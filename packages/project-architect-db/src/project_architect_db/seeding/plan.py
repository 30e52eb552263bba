"""The columns of sample data as expressions: what follows from the number of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Date, String, and_, column, func, literal, select

from andamios_orm.models import UTCDateTime
from project_architect_db.seeding.chance import DAY, WEEK, Chance, moment_of, whole
from project_architect_db.seeding.shapes import BLOCK, CHILDREN, SHAPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, FromClause, Subquery

    from andamios_orm.bulk.stage import Staged

__all__ = ["DRAFTS", "YEARS", "Plan", "Span"]

YEARS: Final = 2
_LENGTH: Final = YEARS * 52 * WEEK
_STEPS: Final = 10_000
_OWN: Final = {"n", "parent", "place", "siblings"}
DRAFTS: Final = 12
"""Projects of a hundred that never begin."""


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers of some rows, from 0; ``stop`` is not one of them."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Plan:
    """What all rows of a portfolio follow from.

    ``projects`` is how many there are, ``until`` the last working second, ``first`` the key
    of the first row of each table, ``lists`` what is chosen from, with its ``sizes``.
    """

    chance: Chance
    projects: int
    until: int
    first: Mapping[str, int]
    lists: Mapping[str, Staged]
    sizes: Mapping[str, int]
    on_postgresql: bool

    # ---- rows ---------------------------------------------------------------------------

    def numbers(self, span: Span) -> Subquery:
        """Return the numbers of a span as rows with ``n``."""
        series = func.generate_series(
            literal(span.start, BigInteger), literal(span.stop - 1, BigInteger)
        )
        rows = series.table_valued(column("n", BigInteger)).render_derived()
        return select(rows.c.n.label("n")).subquery()

    def children(self, kind: str, parents: FromClause) -> Subquery:
        """Return the children of some rows, with the columns of those.

        ``n`` is their own number and ``parent`` that of the row; ``place`` says the
        how-manieth they are, of ``siblings``.
        """
        slots, parent = self.lists[kind], parents.c.n
        block = whole(parent, BLOCK)
        kept = [each for each in parents.c if each.name not in _OWN]
        matches = self._belongs(kind, parent)
        return self._kept(
            select(
                (block * CHILDREN[kind] + slots["slot"]).label("n"),
                parent.label("parent"),
                slots["place"].label("place"),
                slots["siblings"].label("siblings"),
                *kept,
            ).join_from(parents, slots.table, matches)
        )

    def counted(self, kind: str, parents: FromClause) -> Subquery:
        """Return the rows with how many children of a kind each has, by the name of the kind."""
        slots = self.lists[kind]
        is_first = and_(self._belongs(kind, parents.c.n), slots["place"] == 0)
        count = func.coalesce(slots["siblings"], 0, type_=BigInteger).label(kind)
        return self._kept(
            select(*parents.c, count).join_from(parents, slots.table, is_first, isouter=True)
        )

    def _belongs(self, kind: str, parent: ColumnElement[int]) -> ColumnElement[bool]:
        """Return whether a slot is of a child of ``parent``."""
        slots = self.lists[kind]
        shape = self.draw(whole(parent, BLOCK), f"{kind} shape", SHAPES)
        return and_(slots["shape"] == shape, slots["parent"] == parent % BLOCK)

    def with_columns(self, rows: FromClause, **more: ColumnElement[Any]) -> Subquery:
        """Return the rows with more columns."""
        return self._kept(select(*rows.c, *(each.label(name) for name, each in more.items())))

    def joined(
        self,
        rows: FromClause,
        others: FromClause,
        matches: ColumnElement[bool],
        *,
        isouter: bool = False,
    ) -> Subquery:
        """Return the rows with the columns of others that match, but for ``parent``."""
        more = (each for each in others.c if each.name != "parent")
        return self._kept(select(*rows.c, *more).join_from(rows, others, matches, isouter=isouter))

    def chosen(self, rows: FromClause, **places: tuple[str, ColumnElement[int]]) -> Subquery:
        """Return the rows with what is at a place of a list: ``text_words`` and so on."""
        found: list[Any] = list(rows.c)
        source: Any = rows
        for name, (kind, place) in places.items():
            wanted = self.lists[kind]
            table = wanted.table.alias(name)
            names = {column: str(each.key) for column, each in wanted.columns.items()}
            source = source.join(table, table.c[names.pop("at")] == place)
            found += [table.c[each].label(f"{name}_{column}") for column, each in names.items()]
        return self._kept(select(*found).select_from(source))

    def _kept(self, statement: Any) -> Subquery:
        """Return a subquery; PostgreSQL would write its expressions out wherever one is used."""
        return (statement.offset(0) if self.on_postgresql else statement).subquery()  # type: ignore[no-any-return]  # of Any

    # ---- values -------------------------------------------------------------------------

    def draw(self, number: ColumnElement[int], name: str, below: int) -> ColumnElement[int]:
        """Return a number from 0 to ``below`` - 1 that follows from another one."""
        return self.chance.draw(number, name, below)

    def happens(self, number: ColumnElement[int], name: str, percent: int) -> ColumnElement[bool]:
        """Return whether something is the case, as it is of so many in a hundred."""
        return self.draw(number, name, 100) < percent

    def place_in(self, kind: str, number: ColumnElement[int], name: str) -> ColumnElement[int]:
        """Return a place of a list."""
        return self.draw(number, name, self.sizes[kind])

    def skewed(self, number: ColumnElement[int], name: str, below: int) -> ColumnElement[int]:
        """Return a number from 0 to ``below`` - 1, a low one more often."""
        product = self.draw(number, f"{name} a", 1_000) * self.draw(number, f"{name} b", 1_000)
        return whole(product * below, 1_000_000)

    def key(self, table: str, number: ColumnElement[int]) -> ColumnElement[int]:
        """Return the key of a row."""
        return number + self.first[table]

    def time(self, working: ColumnElement[int]) -> ColumnElement[Any]:
        """Return a moment as the database has it."""
        return func.to_timestamp(moment_of(working), type_=UTCDateTime())

    def day(self, working: ColumnElement[int]) -> ColumnElement[Any]:
        """Return a day as the database has it."""
        return func.timezone("UTC", self.time(working)).cast(Date)

    def digest(self, text: ColumnElement[str]) -> ColumnElement[str]:
        """Return the SHA-256 of a text, in hexadecimal digits."""
        if self.on_postgresql:
            raw = func.sha256(func.convert_to(text, "UTF8"))
            return func.encode(raw, "hex", type_=String())
        return func.sha256(text, type_=String())

    # ---- the lives of projects ------------------------------------------------------------

    def lives(self, span: Span) -> Subquery:
        """Return projects: when they began, how they went, when they were left.

        There are more projects each month: three times as many at the end. ``fate`` decides
        what becomes of one, ``began`` and ``ended`` are working seconds; one that goes on
        ends now.
        """
        rows = self.numbers(span)
        number = rows.c.n
        share = whole((number + 1) * _STEPS, self.projects)
        grown = whole(_LENGTH * share * (3 * _STEPS - share), 2 * _STEPS * _STEPS)
        jitter = DAY // 2 + self.draw(number, "jitter", 2 * DAY)
        began = grown - jitter + (self.until - _LENGTH)
        length = 6 * DAY + self.draw(number, "a", 60) * self.draw(number, "b", 60) * (DAY // 12)
        rows = self.with_columns(
            rows,
            project=number,
            began=began,
            length=length,
            fate=self.draw(number, "fate", 100),
        )
        due = rows.c.began + rows.c.length
        now = literal(self.until, BigInteger)
        return self.with_columns(
            rows,
            over=and_(due < now, rows.c.fate >= DRAFTS),
            ended=func.least(due, now, type_=BigInteger),
        )
