"""Write the page of the tables of project_architect_db, and their picture, from the models.

``python scripts/architect_schema.py`` prints the page; ``--write`` puts both into the
documentation.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_notes import first_line, notes_of_model, notes_of_module
from sqlalchemy import CheckConstraint, Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapper

from andamios_orm.cli.picture import picture
from andamios_orm.dialect import DuckDBDialect
from andamios_orm.models.derived import rule_of
from andamios_orm.models.limits import why_not
from project_architect_db.models import Base, rollups, searching

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
PAGE = FOLDER / "project-architect-schema.md"
DRAWING = FOLDER / "project-architect-schema.svg"
BEGIN = "<!-- the tables: written by scripts/architect_schema.py -->\n"
FEED = "andamios_"
"""How the names of tables begin that are those of the change feed."""
MODULES = (rollups, searching)
"""Those with tables that are no entities."""
PACKAGES = ("andamios_orm.models", "project_architect_db.models")
DUCKDB = DuckDBDialect()
POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's


def page() -> str:
    """Return the text of the page: what stands before the mark, and the tables."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return "\n".join([before + BEGIN, *_tables()])


def drawing() -> str:
    """Return the picture of the tables and their keys."""
    return "\n".join(picture(_own_tables(), DUCKDB)) + "\n"


def _own_tables() -> list[Table]:
    return [each for each in Base.metadata.sorted_tables if not each.name.startswith(FEED)]


def _tables() -> Iterator[str]:
    models: dict[Any, Mapper[Any]] = {each.local_table: each for each in Base.registry.mappers}
    for table in _own_tables():
        mapper = models.get(table)
        yield f"## {table.name}\n"
        yield f"{_about(table, mapper)}\n"
        yield "| column | DuckDB | PostgreSQL | |\n|---|---|---|---|"
        notes = {} if mapper is None else notes_of_model(mapper.class_, *PACKAGES)
        for column in table.columns:
            yield _column(column, notes.get(_attribute(mapper, column), ""))
        yield ""
        yield from _rules(table)
        if mapper is not None:
            yield from _relations(mapper)


def _about(table: Table, mapper: Mapper[Any] | None) -> str:
    if mapper is None:  # what is no entity is told below the table itself
        told = [
            text
            for module in MODULES
            for name, text in notes_of_module(module).items()
            if getattr(module, name) is table
        ]
        return f"`{table.name}`: {told[0]}"
    model = mapper.class_
    return f"`{model.__name__}`: {first_line(inspect.getdoc(model) or '')}"


def _attribute(mapper: Mapper[Any] | None, column: Column[Any]) -> str:
    return column.key if mapper is None else mapper.get_property_by_column(column).key


def _column(column: Column[Any], note: str) -> str:
    types = [str(column.type.compile(dialect=dialect)) for dialect in (DUCKDB, POSTGRESQL)]
    said = [*_said(column), *([note] if note else [])]
    return f"| `{column.name}` | {types[0]} | {types[1]} | {'; '.join(said)} |"


def _said(column: Column[Any]) -> Iterator[str]:
    if column.primary_key:
        yield "key" if column.identity is None else "key: an identity, on DuckDB from a sequence"
    for key in column.foreign_keys:
        yield f"refers to [{key.column.table.name}](#{key.column.table.name})"
    if column.nullable:
        yield "may be empty"
    rule = rule_of(column)
    if rule is not None:
        yield f"follows from `{rule.source}`" + (" unless it is said" if rule.given else "")
    elif "kept" in column.info:
        yield str(column.info["kept"])
    elif column.server_default is not None and hasattr(column.server_default, "arg"):
        yield f"default {_default(column.server_default.arg)}"
    if "shortest" in column.info:
        shortest = column.info["shortest"]
        yield "not empty" if shortest == 1 else f"{shortest} characters or more"
    if why_not(column, []) is not None:
        yield "an object"


def _default(argument: object) -> str:
    if isinstance(argument, str):
        return f"`{argument}`" if argument else "empty text"
    return "now"


def _rules(table: Table) -> Iterator[str]:
    lines = [*_indexes(table), *_constraints(table)]
    if lines:
        yield from lines
        yield ""


def _indexes(table: Table) -> Iterator[str]:
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        where = "" if index.dialect_options["duckdb"]["index"] is not False else ", PostgreSQL only"
        names = ", ".join(f"`{column.name}`" for column in index.columns)
        yield f"- index `{index.name}` of {names or 'its words'}{where}"


def _constraints(table: Table) -> Iterator[str]:
    for rule in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(rule, UniqueConstraint):
            names = ", ".join(f"`{column.name}`" for column in rule.columns)
            yield f"- unique `{rule.name}`: {names}"
        elif isinstance(rule, CheckConstraint):
            yield f"- check `{rule.name}`: `{rule.sqltext}`"


def _relations(mapper: Mapper[Any]) -> Iterator[str]:
    relations = sorted(mapper.relationships, key=lambda each: each.key)
    if not relations:
        return
    yield "| relation | to | when it is deleted |\n|---|---|---|"
    for relation in relations:
        many = "many" if relation.uselist else "one"
        target = relation.mapper
        name = f"[{target.class_.__name__}](#{target.local_table.name})"  # type: ignore[attr-defined]  # a table has one
        along = "they go with it" if relation.cascade.delete else ""
        yield f"| `{relation.key}` | {many} {name} | {along} |"
    yield ""


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        DRAWING.write_text(drawing(), encoding="utf-8")
    else:
        print(page())
