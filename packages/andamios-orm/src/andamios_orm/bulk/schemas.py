"""Rows validated by a pydantic model, one column at a time, with the outcome of one at a time.

pydantic-core validates the values of a field as one list: the same code that validates
them inside a model, without the model. A schema where fields depend on each other, and
every row that is refused, goes through ``TypeAdapter(list[Schema])``, which also words
the errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined, SchemaError, SchemaValidator, core_schema
from sqlalchemy import types

from andamios_orm.bulk.arrow import ArrowColumn
from andamios_orm.bulk.rows import MISSING, Batch, batch_of, holds
from andamios_orm.exceptions import BulkRefused, RowRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from andamios_orm.bulk.target import Target

__all__ = ["validate_columns", "validated"]


def validated(
    rows: Any, schema: type[BaseModel], target: Target, *, partial: bool = False
) -> Batch:
    """Return rows as columns of what ``schema`` makes of them.

    With ``partial`` only what the rows say themselves counts, no default of the schema.

    Raises:
        BulkRefused: the schema refuses some rows; each bad field of each is named.
    """
    batch = _batch(rows, target)
    columns = None if batch is None else validate_columns(schema, batch)
    if batch is None or columns is None:
        whole = rows if batch is None else batch.as_dicts()
        found = batch_of(_one_by_one(schema, whole, target), target, partial=partial)
    else:
        said = batch.columns.keys() & columns.keys()
        if partial:
            columns = {
                name: _masked(columns[name], batch.columns[name])
                for name in columns
                if name in said
            }
        found = Batch(batch.count, dict(columns), optional=frozenset(columns.keys() - said))
    return _plain(_wanted(found, schema, target), target)


def _masked(values: list[Any], given: Sequence[Any]) -> list[Any]:
    """Return the values of rows that said one."""
    if isinstance(given, ArrowColumn) or not holds(given, MISSING):
        return values
    return [
        MISSING if said is MISSING else value for value, said in zip(values, given, strict=True)
    ]


def _batch(rows: Any, target: Target) -> Batch | None:
    """Return rows as columns, or None if some are no dicts: then pydantic looks at each."""
    if isinstance(rows, list) and any(isinstance(row, BaseModel) for row in rows):
        return None
    try:
        return batch_of(rows, target)
    except BulkRefused:
        return None


def _one_by_one(schema: type[BaseModel], rows: Any, target: Target) -> list[Any]:
    try:
        found: list[Any] = TypeAdapter(list[schema]).validate_python(list(rows))  # type: ignore[valid-type]  # a class made elsewhere
    except ValidationError as refused:
        raise BulkRefused(target.name, _refusals(refused, target)) from None
    return found


def _refusals(refused: ValidationError, target: Target) -> list[RowRefusal]:
    errors = []
    for error in refused.errors(include_url=False, include_context=False):
        row, *place = error["loc"]
        field = ".".join(map(str, place))
        name = str(place[0]) if place else ""
        given = error["input"]
        if isinstance(given, dict):
            given = {key: "***" if target.is_secret(key) else each for key, each in given.items()}
        elif target.is_secret(name):
            given = "***"
        errors.append(RowRefusal(int(row), field, error["msg"], given))
    return errors


def _wanted(batch: Batch, schema: type[BaseModel], target: Target) -> Batch:
    """Leave out defaults of the schema that mean nothing to the model."""
    for name in list(batch.columns):
        column = target.columns.get(name)
        field = schema.model_fields.get(name)
        values = batch.columns[name]
        if (field is not None and field.exclude) or (
            name in target.kept and name in batch.optional
        ):
            del batch.columns[name]
        elif column is not None and not column.nullable and name in batch.optional:
            batch.columns[name] = [MISSING if value is None else value for value in values]
    return batch


def _plain(batch: Batch, target: Target) -> Batch:
    """Turn secrets and nested models into what a column takes."""
    from pydantic_core import to_jsonable_python

    for name, values in batch.columns.items():
        kinds = set(map(type, values))
        if kinds & {SecretStr, SecretBytes}:
            batch.columns[name] = [
                value.get_secret_value() if isinstance(value, (SecretStr, SecretBytes)) else value
                for value in values
            ]
        column = target.columns.get(name)
        document = column is not None and isinstance(column.type, types.JSON)
        if document and not kinds <= _JSON_KINDS:
            batch.columns[name] = [
                value if value is MISSING else to_jsonable_python(value) for value in values
            ]
    return batch


_JSON_KINDS = {dict, list, str, int, float, bool, type(None), type(MISSING)}


def validate_columns(schema: type[BaseModel], batch: Batch) -> dict[str, list[Any]] | None:
    """Return the values of each field, or None if pydantic has to look at whole rows.

    None is no refusal: it says that one bad value, or one rule over several fields, is
    nothing that columns can tell.
    """
    found = _fields(schema)
    if found is None:
        return None
    fields, definitions, config, extra = found
    if extra != "ignore" and not batch.columns.keys() <= fields.keys():
        return None
    columns: dict[str, list[Any]] = {}
    for name, field in fields.items():
        values = _values(batch, name)
        inner = field["schema"]
        if inner["type"] != "default" and holds(values, PydanticUndefined):
            return None
        listed: Any = core_schema.list_schema(inner)
        if definitions:
            listed = core_schema.definitions_schema(listed, definitions)
        try:
            columns[name] = SchemaValidator(listed, config).validate_python(values)
        except (ValidationError, SchemaError):
            return None
    return columns


def _values(batch: Batch, name: str) -> Sequence[Any]:
    values = batch.columns.get(name)
    if values is None:
        return [PydanticUndefined] * batch.count
    if isinstance(values, ArrowColumn):
        return values.own_values()
    if holds(values, MISSING):
        return [PydanticUndefined if value is MISSING else value for value in values]
    return values


def _fields(schema: type[BaseModel]) -> tuple[dict[str, Any], list[Any], Any, str] | None:
    """Return fields, definitions, config and treatment of strangers, if fields stand alone."""
    core: Any = schema.__pydantic_core_schema__
    if not schema.__pydantic_complete__:
        return None
    definitions: list[Any] = []
    if core["type"] == "definitions":
        definitions, core = core["definitions"], core["schema"]
    known = {each["ref"]: each for each in definitions}
    if core["type"] == "definition-ref":
        core = known[core["schema_ref"]]
    if core["type"] != "model" or core["schema"]["type"] != "model-fields" or _is_special(core):
        return None
    config = core.get("config") or {}
    inside = core["schema"]
    extra = inside.get("extra_behavior") or config.get("extra_fields_behavior") or "ignore"
    fields = inside["fields"]
    if extra == "allow" or not all(_stands_alone(field) for field in fields.values()):
        return None
    return fields, definitions, config, extra


def _is_special(core: dict[str, Any]) -> bool:
    return bool(
        core.get("root_model")
        or core.get("custom_init")
        or core.get("post_init")
        or core.get("strict") is not None
    )


def _stands_alone(field: dict[str, Any]) -> bool:
    """Whether a field is read under its own name and its validators see nothing but its value."""
    if field.get("validation_alias") is not None:
        return False
    return not _looks_around(field["schema"])


def _looks_around(schema: Any) -> bool:
    """Whether some function in a schema is told of the other fields."""
    if isinstance(schema, dict):
        if schema.get("type") == "with-info" or schema.get("default_factory_takes_data"):
            return True
        if schema.get("type") == "model":
            return False  # what happens inside of it stays inside
        return any(_looks_around(inner) for key, inner in schema.items() if key != "metadata")
    if isinstance(schema, (list, tuple)):
        return any(map(_looks_around, schema))
    return False
