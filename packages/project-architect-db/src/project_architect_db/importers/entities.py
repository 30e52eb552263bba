"""What rows of files can become: the fields of each entity, and how a row is checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import types

from andamios_orm.bulk.rows import MISSING, Batch
from andamios_orm.bulk.sources import read_text
from andamios_orm.bulk.target import target_of
from andamios_orm.bulk.work import read_rows
from andamios_orm.exceptions import ConfigurationError
from project_architect_db.importers.errors import NamesRefused, nearest
from project_architect_db.models.conversation import PHASES, Conversation
from project_architect_db.models.document import Document
from project_architect_db.models.project import Project
from project_architect_db.models.repository import Build, Deployment, Repository
from project_architect_db.schemas.conversation import ConversationCreate
from project_architect_db.schemas.document import DocumentCreate
from project_architect_db.schemas.project import ProjectCreate
from project_architect_db.schemas.repository import RepositoryCreate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from andamios_orm.bulk.target import Target

__all__ = ["ENTITIES", "Entity", "Naming", "entity_of"]


@dataclass(frozen=True)
class Entity:
    """What one kind of rows becomes; ``within`` is what a row has to belong to."""

    name: str
    plural: str
    model: type[Any]
    schema: type[Any] | None
    within: str | None

    @property
    def target(self) -> Target:
        """What a bulk knows of its model."""
        return target_of(self.model)

    @cached_property
    def renamed(self) -> dict[str, str]:
        """Attributes of the model whose field has the name of the column."""
        return {"metadata": "repo_metadata"} if self.model is Repository else {}

    @cached_property
    def own(self) -> frozenset[str]:
        """Fields that the schema checks."""
        return frozenset(() if self.schema is None else self.schema.model_fields)

    @cached_property
    def more(self) -> frozenset[str]:
        """Fields beside those of the schema, which the columns check."""
        target = self.target
        beside = target.columns.keys() - target.kept.keys() - self.own
        return frozenset(beside - set(self.renamed.values()))

    @cached_property
    def references(self) -> frozenset[str]:
        """Fields that name what a row belongs to."""
        names = {None: (), "project": ("project",), "repository": ("project", "project_id")}
        whole = (self.within,) if self.within else ()
        return frozenset((*names[self.within], *whole))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """All fields that a row may have, in order."""
        return tuple(sorted(self.own | self.more | self.references))

    @cached_property
    def kept(self) -> dict[str, str]:
        """Columns that the library itself writes, and how: they are left out."""
        return {name: why for name, why in self.target.kept.items() if name not in self.fields}

    @cached_property
    def _with_default(self) -> frozenset[str]:
        """Fields that the schema knows as None, and the model as something of its own."""
        columns = self.target.columns
        return frozenset(name for name in columns if columns[name].default is not None)

    @cached_property
    def documents(self) -> frozenset[str]:
        """Fields that hold JSON, which a text has to be read for."""
        columns = self.target.columns
        found = {name for name in columns if isinstance(columns[name].type, types.JSON)}
        back = {attribute: field for field, attribute in self.renamed.items()}
        return frozenset({back.get(name, name) for name in found} | ({"messages"} & self.own))

    def problem(self, row: dict[str, Any], owner: str | None) -> tuple[str, str] | None:
        """Return field and reason if a row has what no field of a model would refuse.

        Texts that hold JSON are read on the way.
        """
        for name in self.documents & row.keys():
            if isinstance(row[name], str):
                try:
                    row[name] = orjson.loads(row[name])
                except orjson.JSONDecodeError as error:
                    return name, f"it is no JSON: {error.msg} at character {error.pos + 1}"
        phase = row.get("phase")
        if self.model is Conversation and isinstance(phase, str) and phase not in PHASES:
            return "phase", f"known are {', '.join(PHASES)}{nearest(phase, PHASES)}"
        if self.model is Project and owner is not None and row.get("owner", owner) != owner:
            return "owner", f"{owner!r}, who imports, can make projects of their own only"
        return None

    def batch(self, rows: list[dict[str, Any]]) -> Batch:
        """Return rows as columns, checked by the schema.

        Raises:
            BulkRefused: the schema refuses some of them.
        """
        batch = read_rows(rows, self.target, self.schema)
        columns = {self.renamed.get(name, name): batch.columns[name] for name in batch.columns}
        if self.schema is not None:
            for name in self._with_default & columns.keys():
                columns[name] = [MISSING if value is None else value for value in columns[name]]
            beside = sorted({name for row in rows for name in row} & self.more)
            columns |= {name: [row.get(name, MISSING) for row in rows] for name in beside}
        read = read_text(Batch(batch.count, columns), self.target)
        read.optional = batch.optional
        return read


ENTITIES: Final = {
    entity.name: entity
    for entity in (
        Entity("project", "projects", Project, ProjectCreate, None),
        Entity("conversation", "conversations", Conversation, ConversationCreate, "project"),
        Entity("document", "documents", Document, DocumentCreate, "project"),
        Entity("repository", "repositories", Repository, RepositoryCreate, "project"),
        Entity("build", "builds", Build, None, "repository"),
        Entity("deployment", "deployments", Deployment, None, "repository"),
    )
}
"""By name."""


def entity_of(name: str) -> Entity:
    """Return the entity with a name.

    Raises:
        ConfigurationError: there is none; the error lists those there are.
    """
    if name not in ENTITIES:
        known = ", ".join(ENTITIES)
        raise ConfigurationError(f"entity={name!r}: known are {known}{nearest(name, ENTITIES)}")
    return ENTITIES[name]


class Naming:
    """Which field a column of a file is."""

    def __init__(
        self, source: str, entity: Entity, mapping: Mapping[str, str | None] | None
    ) -> None:
        """Take columns by their own name, unless ``mapping`` has another; None leaves one out.

        Raises:
            NamesRefused: it maps to what is no field, or to one of them twice.
        """
        self._source = source
        self._entity = entity
        self._mapping = dict(mapping or {})
        self._unseen = set(self._mapping)
        self._known: dict[str, str | None] = {}
        self.left_out: dict[str, str] = {}
        fields = [field for field in self._mapping.values() if field is not None]
        self._refuse((field for field in fields if field not in entity.fields), entity.fields)
        twice = sorted({field for field in fields if fields.count(field) > 1})
        if twice:
            text = f"mapping= has {', '.join(map(repr, twice))} more than once"
            raise NamesRefused(source, text, twice, entity.fields)

    def _refuse(self, names: Iterable[str], known: Iterable[str], what: str = "field") -> None:
        found = sorted(names)
        if found:
            listed = tuple(known)
            near = "; ".join(
                f"there is no {what} {name!r}{nearest(name, listed)}" for name in found
            )
            text = f"{near}; known are {', '.join(listed)}"
            raise NamesRefused(self._source, text, found, listed)

    def check_header(self, names: tuple[str, ...]) -> None:
        """Refuse a header with columns that mean nothing, or without those that are mapped.

        Raises:
            NamesRefused: the error names them, and what there is.
        """
        self._refuse(self._unseen - set(names), names, "column")
        fields: dict[str, str] = {}
        unknown = []
        for name in names:
            try:
                field = self.field(name)
            except LookupError:
                unknown.append(name)
                continue
            if field is not None and fields.setdefault(field, name) != name:
                text = f"the columns {fields[field]!r} and {name!r} are both {field!r}"
                raise NamesRefused(self._source, text, [fields[field], name], self._entity.fields)
        if unknown:
            near = "; ".join(self.unknown(name) for name in unknown)
            known = f"known are {', '.join(self._entity.fields)}"
            text = f"{near}; {known}: {self._remedy(unknown[0])}"
            raise NamesRefused(self._source, text, unknown, self._entity.fields)

    @staticmethod
    def _remedy(name: str) -> str:
        return f"say what it is with mapping={{{name!r}: ...}}, or leave it out with None"

    def unknown(self, name: str) -> str:
        """Return what is said of a column that is no field."""
        return f"{name!r} is no field of a {self._entity.name}{nearest(name, self._entity.fields)}"

    def check_seen(self) -> None:
        """Refuse a mapping of columns that no row had.

        Raises:
            NamesRefused: the error names them, and the columns there were.
        """
        self._refuse(self._unseen, self._known, "column")

    def field(self, name: str) -> str | None:
        """Return the field that a column is; None if it is left out.

        Raises:
            LookupError: it is none.
        """
        field: str | None = self._mapping.get(name, name)
        if name in self._mapping:
            self._unseen.discard(name)
            if field is None:
                self.left_out[name] = "mapping= leaves it out"
        elif name in self._entity.kept:
            self.left_out[name] = self._entity.kept[name]
            field = None
        elif name not in self._entity.fields:
            raise LookupError(name)
        self._known[name] = field
        return field

    def named(self, row: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Return a row by field, and what is wrong with its names; what is None is not said."""
        fields: dict[str, Any] = {}
        wrong = []
        for name, value in row.items():
            try:
                field = self._known[name] if name in self._known else self.field(name)
            except LookupError:
                known = ", ".join(self._entity.fields)
                wrong.append((name, f"{self.unknown(name)}; known are {known}"))
                continue
            if field in fields:
                wrong.append((name, f"it is {field!r}, which the row has already"))
            elif field is not None and value is not None:
                fields[field] = value
        return fields, wrong
