"""What a DuckDB table is made of, as values: columns, constraints, indexes, comments.

DuckDB alters a table only where nothing depends on it. What it does not alter is made
anew in another shape; every method here returns that shape and touches no database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "ColumnShape",
    "ConstraintShape",
    "IndexShape",
    "Quote",
    "TableShape",
    "mentions",
    "renamed",
    "unqualified",
    "unquoted",
]

_NAME = r'(?:"(?:[^"]|"")*"|[^\W\d]\w*)'
_BALANCED = r"[^()]*"
for _ in range(4):
    _BALANCED = rf"[^()]*(?:\({_BALANCED}\)[^()]*)*"
_TOKEN = re.compile(
    rf"""
    '(?:[^']|'')*'                                                      # a text
    | AS\s+{_BALANCED}                                                   # the type in a cast
    | COLLATE\s+[\w.]+
    | (?P<name>{_NAME})(?P<fields>(?:\.{_NAME})*)(?P<call>\s*(?:\(|:=))?
    | .
    """,
    re.DOTALL | re.VERBOSE,
)

Quote: TypeAlias = "Callable[[str], str]"
"""Puts an identifier into quotes."""


def mentions(expression: str, column: str) -> bool:
    """Return whether an SQL expression over one table refers to ``column``.

    >>> mentions("(lower(name) = 'price')", "price"), mentions('("Price" > 0)', "price")
    (False, True)
    """
    return any(_is(token, column) for token in _TOKEN.finditer(expression))


def renamed(expression: str, old: str, new: str) -> str:
    """Return an SQL expression over one table with the column ``old`` called ``new``, quoted.

    >>> print(renamed("((a.b > 0) AND (a(b) != CAST('a' AS A)))", "a", '"to"'))
    (("to".b > 0) AND (a(b) != CAST('a' AS A)))
    """
    return _TOKEN.sub(
        lambda token: f"{new}{token['fields']}" if _is(token, old) else token[0], expression
    )


def unqualified(expression: str, table: str) -> str:
    """Return an SQL expression over one table whose columns do without the name of the table.

    >>> unqualified("((t.a > 0) AND (t > 'x') AND (b.t > 0))", "t")
    "((a > 0) AND (t > 'x') AND (b.t > 0))"
    """
    return _TOKEN.sub(
        lambda token: token["fields"][1:] if token["fields"] and _is(token, table) else token[0],
        expression,
    )


def _is(token: re.Match[str], name: str) -> bool:
    """Return whether a token is an identifier, perhaps with fields behind it, called so."""
    if token["name"] is None or token["call"]:
        return False
    return unquoted(token["name"]).lower() == name.lower()


def unquoted(identifier: str) -> str:
    """Return the name that an identifier in SQL stands for.

    >>> unquoted('"a "" b"'), unquoted("a")
    ('a " b', 'a')
    """
    if not identifier.startswith('"'):
        return identifier
    return identifier[1:-1].replace('""', '"')


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """A column; type, default and generated value are SQL as DuckDB writes it."""

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    generated: str | None = None
    comment: str | None = None
    collation: str | None = None

    def definition(self, quote: Quote) -> str:
        """Return it as a part of CREATE TABLE."""
        parts = [quote(self.name), self.type]
        if self.generated is not None:  # and has no collation: DuckDB's grammar
            parts.append(f"GENERATED ALWAYS AS ({self.generated})")
        elif self.collation is not None:
            parts.append(f"COLLATE {self.collation}")
        if self.default is not None:
            parts.append(f"DEFAULT ({self.default})")
        if not self.nullable:
            parts.append("NOT NULL")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class ConstraintShape:
    """A constraint of a table. ``kind`` is PRIMARY KEY, UNIQUE, CHECK or FOREIGN KEY.

    DuckDB forgets names; ``name`` is what a migration called it, if that is known. A key
    ``refers_to`` a table of the same schema: DuckDB has no others.
    """

    kind: str
    columns: tuple[str, ...] = ()
    expression: str | None = None
    refers_to: str | None = None
    referred: tuple[str, ...] = ()
    name: str | None = None

    def definition(self, quote: Quote, schema: str | None = None) -> str:
        """Return it as a part of CREATE TABLE; it says, too, which constraint this is."""
        if self.kind == "CHECK":
            return f"CHECK ({self.expression})"
        text = f"{self.kind} ({', '.join(map(quote, self.columns))})"
        if self.refers_to is None:
            return text
        parent = _full_name(schema, self.refers_to, quote)
        return f"{text} REFERENCES {parent} ({', '.join(map(quote, self.referred))})"

    def concerns(self, column: str) -> bool:
        """Return whether it could not stay without ``column``."""
        if self.expression is not None:
            return mentions(self.expression, column)
        return _has(self.columns, column)

    def is_to(self, table: str) -> bool:
        """Return whether it is a key to a table of this name."""
        return self.refers_to is not None and _same(self.refers_to, table)

    def with_column_renamed(self, old: str, new: str, quote: Quote) -> Self:
        """Return it with the column ``old`` of its table called ``new``."""
        return replace(
            self,
            columns=_renamed_in(self.columns, old, new),
            expression=self.expression and renamed(self.expression, old, quote(new)),
        )


@dataclass(frozen=True, slots=True)
class IndexShape:
    """An index over columns or expressions; ``parts`` are SQL as DuckDB writes it."""

    name: str
    unique: bool
    parts: tuple[str, ...]
    comment: str | None = None

    def definition(self, table: str, quote: Quote) -> str:
        """Return the statement that makes it on ``table``, a quoted name."""
        kind = "UNIQUE INDEX" if self.unique else "INDEX"
        return f"CREATE {kind} {quote(self.name)} ON {table} ({', '.join(self.parts)})"


@dataclass(frozen=True, slots=True)
class TableShape:
    """A whole table."""

    name: str
    schema: str | None
    columns: tuple[ColumnShape, ...]
    constraints: tuple[ConstraintShape, ...] = ()
    indexes: tuple[IndexShape, ...] = ()
    comment: str | None = None

    def full_name(self, quote: Quote) -> str:
        """Return its name with its schema, quoted."""
        return _full_name(self.schema, self.name, quote)

    def definition(self, quote: Quote) -> str:
        """Return the statement that makes the table, without its indexes and comments."""
        parts = [
            *(column.definition(quote) for column in self.columns),
            *(constraint.definition(quote, self.schema) for constraint in self.constraints),
        ]
        return f"CREATE TABLE {self.full_name(quote)} ({', '.join(parts)})"

    def has_column(self, name: str) -> bool:
        """Return whether there is such a column."""
        return any(_same(column.name, name) for column in self.columns)

    def column(self, name: str) -> ColumnShape:
        """Return the column of this name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if _same(column.name, name):
                return column
        raise KeyError(name)

    @property
    def stored(self) -> tuple[ColumnShape, ...]:
        """The columns that hold what was written into them."""
        return tuple(column for column in self.columns if column.generated is None)

    @property
    def has_foreign_keys(self) -> bool:
        """Whether rows of it must refer to rows that exist."""
        return any(constraint.refers_to for constraint in self.constraints)

    @property
    def own_keys(self) -> tuple[ConstraintShape, ...]:
        """The keys by which rows refer to other rows of the same table."""
        return tuple(each for each in self.constraints if each.is_to(self.name))

    # ---- other shapes ----------------------------------------------------------------

    def with_name(self, name: str) -> Self:
        """Return the shape under another name."""
        return replace(self, name=name).referring_to(self.name, name, {})

    def with_column(self, column: ColumnShape) -> Self:
        """Return the shape with one more column."""
        return replace(self, columns=(*self.columns, column))

    def with_column_changed(self, name: str, **changes: object) -> Self:
        """Return the shape with other attributes of one column (not its name)."""
        changed = replace(self.column(name), **changes)  # type: ignore[arg-type]  # their names are the caller's
        return replace(
            self,
            columns=tuple(
                changed if _same(column.name, name) else column for column in self.columns
            ),
        )

    def without_column(self, name: str) -> Self:
        """Return the shape without a column, and without constraints and indexes that need it."""
        return replace(
            self,
            columns=tuple(column for column in self.columns if not _same(column.name, name)),
            constraints=tuple(
                each
                for each in self.constraints
                if not each.concerns(name)
                and not (each.is_to(self.name) and _has(each.referred, name))
            ),
            indexes=tuple(
                index
                for index in self.indexes
                if not any(mentions(part, name) for part in index.parts)
            ),
        )

    def with_column_renamed(self, old: str, new: str, quote: Quote) -> Self:
        """Return the shape with a column under another name, wherever it is mentioned."""
        shape = replace(
            self,
            columns=tuple(
                replace(
                    column,
                    name=new if _same(column.name, old) else column.name,
                    generated=column.generated and renamed(column.generated, old, quote(new)),
                )
                for column in self.columns
            ),
            constraints=tuple(
                each.with_column_renamed(old, new, quote) for each in self.constraints
            ),
            indexes=tuple(
                replace(index, parts=tuple(renamed(part, old, quote(new)) for part in index.parts))
                for index in self.indexes
            ),
        )
        return shape.referring_to(self.name, self.name, {old.lower(): new})

    def with_constraint(self, constraint: ConstraintShape) -> Self:
        """Return the shape with one more constraint; a primary key makes its columns NOT NULL."""
        columns = self.columns
        if constraint.kind == "PRIMARY KEY":
            columns = tuple(
                replace(column, nullable=False) if _has(constraint.columns, column.name) else column
                for column in columns
            )
        return replace(self, columns=columns, constraints=(*self.constraints, constraint))

    def without_constraint(self, constraint: ConstraintShape) -> Self:
        """Return the shape without this constraint."""
        kept = tuple(each for each in self.constraints if each is not constraint)
        return replace(self, constraints=kept)

    def referring_to(self, old: str, new: str, columns: Mapping[str, str]) -> Self:
        """Return the shape whose keys to the table ``old`` go to ``new``.

        ``columns`` are new names of that table's columns, by the old ones in lower case.
        """
        return replace(
            self,
            constraints=tuple(
                replace(
                    each,
                    refers_to=new,
                    referred=tuple(columns.get(name.lower(), name) for name in each.referred),
                )
                if each.is_to(old)
                else each
                for each in self.constraints
            ),
        )


def _full_name(schema: str | None, name: str, quote: Quote) -> str:
    return f"{quote(schema)}.{quote(name)}" if schema else quote(name)


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _has(names: Iterable[str], name: str) -> bool:
    return any(_same(each, name) for each in names)


def _renamed_in(names: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    return tuple(new if _same(name, old) else name for name in names)
