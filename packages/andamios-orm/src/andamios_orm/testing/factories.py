"""Factories of instances, on polyfactory: the same values in every run, with what they need.

A subclass says for which model, and what is not left to chance::

    class OrderFactory(ModelFactory[Order]):
        status = "open"
        number = Use(lambda: next(numbers))  # of polyfactory, like Ignore and PostGenerated

What a column does by itself is left to it: keys, defaults, and columns that may be NULL and
refer to other rows. What has to refer to another row gets one, made by its own factory.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import Column, inspect
from sqlalchemy.orm import RelationshipDirection

from andamios_orm.bulk import Created, bulk_create
from andamios_orm.exceptions import ConfigurationError, MissingExtra
from andamios_orm.models.derived import kept_by_model
from andamios_orm.models.mixins import SoftDeleteMixin
from andamios_orm.models.types import EnumByValue, Money, PydanticJSON, UTCDateTime
from andamios_orm.models.vector import Vector

try:
    from polyfactory.factories.base import BaseFactory
    from polyfactory.factories.sqlalchemy_factory import SQLAlchemyFactory
except ModuleNotFoundError as error:
    message = "factories need polyfactory: pip install 'andamios-orm[testing]'"
    raise MissingExtra(message) from error

if TYPE_CHECKING:
    from polyfactory.field_meta import FieldMeta
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Mapper, RelationshipProperty
    from sqlalchemy.types import TypeEngine

__all__ = ["ModelFactory", "factory_of", "seed"]

ModelT = TypeVar("ModelT")


def seed(name: str) -> None:
    """Let all factories begin anew, with values that follow from ``name``."""
    digest = hashlib.sha256(name.encode()).digest()
    BaseFactory.seed_random(int.from_bytes(digest[:8], "big"))


class ModelFactory(SQLAlchemyFactory[ModelT], Generic[ModelT]):
    """Makes instances of one model: ``build()`` in memory, ``create()`` in a session."""

    __is_base_factory__ = True
    __set_relationships__ = False
    __set_association_proxy__ = False
    __allow_none_optionals__ = False

    @classmethod
    def build(cls, *_: Any, **values: Any) -> ModelT:
        """Return a new instance with ``values``, and with what it has to refer to."""
        instance = super().build(**values)
        for relation in cls._required(values):
            setattr(instance, relation.key, factory_of(relation.mapper.class_).build())
        return instance

    @classmethod
    async def create(cls, session: AsyncSession, **values: Any) -> ModelT:
        """Return a new instance that was flushed in ``session``; nothing is committed."""
        instance = cls.build(**values)
        session.add(instance)
        await session.flush()
        return instance

    @classmethod
    async def create_batch(cls, session: AsyncSession, size: int, **values: Any) -> Created[ModelT]:
        """Return ``size`` new rows, written as columns; nothing is committed.

        All of them share what they have to refer to: one row, unless ``values`` name it.
        """
        shared = dict(values)
        for relation in cls._required(values):
            shared[relation.key] = await factory_of(relation.mapper.class_).create(session)
        fixed = _as_columns(inspect(cls.__model__), shared)
        rows = [cls.process_kwargs(**fixed) for _ in range(size)]
        return await bulk_create(session, cls.__model__, rows)

    @classmethod
    def should_column_be_set(cls, column: Any) -> bool:
        """Return whether it gets a value here: not where the column or a relation has one.

        What a factory says itself is always set.
        """
        return (
            isinstance(column, Column)
            and super().should_column_be_set(column)
            and (cls._says(column) or cls._is_free(column))
        )

    @classmethod
    def _says(cls, column: Column[Any]) -> bool:
        """Return whether the factory has a value for a column."""
        own = cls.__mro__[: cls.__mro__.index(ModelFactory)]
        return any(column.key in vars(each) for each in own)

    @classmethod
    def _is_free(cls, column: Column[Any]) -> bool:
        """Return whether nobody else gives a column its value."""
        return (
            not column.foreign_keys
            and column.default is None
            and column.server_default is None
            and column.identity is None
            and column.name not in _kept_columns(cls.__model__)
            and column is not column.table.autoincrement_column
            and column is not inspect(cls.__model__).version_id_col
        )

    @classmethod
    def _get_type_from_type_engine(cls, type_engine: TypeEngine[Any]) -> Any:
        """Return the type of the values, also for the types of this package."""
        match type_engine:
            case EnumByValue():
                return type_engine.enum_class
            case PydanticJSON():
                return type_engine.model
            case Vector():
                return _vector_of(type_engine.size)
            case Money():
                return super()._get_type_from_type_engine(type_engine.impl_instance)
            case _:
                return super()._get_type_from_type_engine(type_engine)

    @classmethod
    def get_model_fields(cls) -> list[FieldMeta]:
        """Return the fields, found once for each factory."""
        if cls not in _fields:
            _fields[cls] = super().get_model_fields()
        return _fields[cls]

    @classmethod
    def get_provider_map(cls) -> dict[Any, Any]:
        """Return what makes values, found once: it takes longer than to make one."""
        known = (cls, len(_vectors), len(BaseFactory._extra_providers or ()))  # noqa: SLF001 - add_provider() has no other trace
        if known not in _providers:
            _providers[known] = super().get_provider_map()
        return _providers[known]

    @classmethod
    def get_sqlalchemy_types(cls) -> dict[Any, Any]:
        """Return what makes values of types that need more than a Python type."""
        vectors = {kind: partial(cls._vector, size) for size, kind in _vectors.items()}
        return {**super().get_sqlalchemy_types(), UTCDateTime: cls._moment, **vectors}

    @classmethod
    def _moment(cls) -> dt.datetime:
        """Return a time of the last years, in UTC."""
        start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        return start + dt.timedelta(seconds=cls.__random__.randrange(5 * 365 * 86_400))

    @classmethod
    def _vector(cls, size: int) -> list[float]:
        """Return a vector of ``size`` numbers that single precision keeps."""
        return [cls.__random__.randrange(-1000, 1000) / 8 for _ in range(size)]

    @classmethod
    def _required(cls, values: dict[str, Any]) -> list[RelationshipProperty[Any]]:
        """Return the relations to rows without which this one cannot be stored."""
        mapper: Mapper[ModelT] = inspect(cls.__model__)
        return [
            relation
            for relation in mapper.relationships
            if relation.direction is RelationshipDirection.MANYTOONE
            and relation.key not in values
            and not relation.viewonly
            and not any(
                column.nullable or mapper.get_property_by_column(column).key in values
                for column in relation.local_columns
            )
        ]


_fields: dict[type[Any], list[FieldMeta]] = {}
_providers: dict[tuple[type[Any], int, int], dict[Any, Any]] = {}
_vectors: dict[int, type[list[float]]] = {}


def _vector_of(size: int) -> type[list[float]]:
    """Return the type that stands for vectors of ``size`` numbers."""
    return _vectors.setdefault(size, type(f"Vector{size}", (list,), {}))


def _kept_columns(model: type[Any]) -> set[str]:
    """Return the columns that nobody writes by hand, so that none is made up."""
    columns = {column.name: column for column in inspect(model).columns}
    deleted = {"deleted_at"} if issubclass(model, SoftDeleteMixin) else set()
    return {*kept_by_model(columns), *deleted}


_made: dict[type[Any], type[ModelFactory[Any]]] = {}


def factory_of(model: type[ModelT]) -> type[ModelFactory[ModelT]]:
    """Return the factory of ``model``: the last one that was written for it, or a plain one."""
    written = [
        each for each in _subclasses(ModelFactory) if getattr(each, "__model__", None) is model
    ]
    own = [each for each in written if each is not _made.get(model)]
    if own:
        return own[-1]
    if model not in _made:
        name = f"{model.__name__}Factory"
        _made[model] = type(name, (ModelFactory,), {"__model__": model, "__module__": __name__})
    return _made[model]


def _subclasses(base: type[Any]) -> list[type[Any]]:
    return [each for child in base.__subclasses__() for each in (child, *_subclasses(child))]


def _as_columns(mapper: Mapper[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` with the keys of related instances in the place of those."""
    columns: dict[str, Any] = {}
    for name, value in values.items():
        relation = mapper.relationships.get(name)
        if relation is None:
            columns[name] = value
            continue
        if relation.direction is not RelationshipDirection.MANYTOONE:
            raise ConfigurationError(
                f"create_batch() writes rows of one table: create those of {name} by themselves"
            )
        for local, remote in relation.local_remote_pairs or ():
            key = mapper.get_property_by_column(local).key
            columns[key] = getattr(value, relation.mapper.get_property_by_column(remote).key)
    return columns
