"""Instances made of a cached result: each is the reader's own, and in no session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.util import immutabledict

from andamios_orm.core.cache import ResultCache
from andamios_orm.exceptions import QueryRefused
from andamios_orm.queries.fields import mapper_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Result, Select
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Mapper

    from andamios_orm.core.cache import Caching
    from andamios_orm.core.folds import Fold

__all__ = ["execute", "instances"]

ModelT = TypeVar("ModelT")


async def execute(
    session: AsyncSession,
    statement: Select[Any],
    caching: Caching | None,
    options: Mapping[str, Any] | None = None,
    *,
    fold: Fold | None = None,
) -> Result[Any]:
    """Return the result of a statement of columns, from the cache if it may and can be."""
    if caching is None:
        return await _executed(session, statement, options)
    if options:
        statement = statement.execution_options(**options)
    cache = ResultCache.of(session, statement)
    return await cache.execute(
        session, statement, ttl=caching.ttl, tenant=caching.tenant, fold=fold
    )


async def instances(
    session: AsyncSession,
    model: type[ModelT],
    statement: Select[Any],
    caching: Caching | None,
    options: Mapping[str, Any] | None = None,
) -> Result[Any]:
    """Return the result of a statement whose first column is ``model``; of a cached one, copies.

    Raises:
        QueryRefused: relations were to be loaded, or instances may be of several models.
    """
    if caching is None:
        return await _executed(session, statement, options)
    mapper = mapper_of(model)
    plain = _PLAIN.get(statement)
    if plain is None:
        _refuse_more_than_rows(mapper, statement)
        plain = _PLAIN[statement] = _of_columns(mapper, statement)
    rows = (await execute(session, plain, caching, options)).all()
    width = len(mapper.column_attrs)
    whole = [(copy, *row[width:]) for copy, row in zip(_copies(mapper, rows), rows, strict=True)]
    labels = [each["name"] for each in statement.column_descriptions]
    return IteratorResult(SimpleResultMetaData(labels), iter(whole))


_PLAIN: WeakKeyDictionary[Select[Any], Select[Any]] = WeakKeyDictionary()
"""Statements that have columns in place of instances, by those that have instances."""


def _of_columns(mapper: Mapper[Any], statement: Select[Any]) -> Select[Any]:
    columns = [getattr(mapper.class_, attribute.key) for attribute in mapper.column_attrs]
    others = [each["expr"] for each in statement.column_descriptions[1:]]
    return statement.with_only_columns(*columns, *others, maintain_column_froms=True)


async def _executed(
    session: AsyncSession, statement: Select[Any], options: Mapping[str, Any] | None
) -> Result[Any]:
    result: Result[Any] = await session.execute(
        statement, execution_options=options or immutabledict()
    )
    return result


def _refuse_more_than_rows(mapper: Mapper[Any], statement: Select[Any]) -> None:
    name = mapper.class_.__name__
    if statement._with_options:  # noqa: SLF001 - there is no public name for them
        raise QueryRefused(
            f"a cached {name} is a copy of its own columns, without relations: leave out load= "
            f"and options(), or read it without the cache"
        )
    if mapper.polymorphic_on is not None or mapper.inherits is not None:
        raise QueryRefused(
            f"a row of {name} may be an instance of another class: with cached() ask for dicts() "
            f"or to(Schema)"
        )


def _copies(mapper: Mapper[Any], rows: Sequence[Any]) -> list[Any]:
    """Return detached instances with the values of ``rows``, the columns of the model first."""
    names = [attribute.key for attribute in mapper.column_attrs]
    key = [names.index(mapper.get_property_by_column(column).key) for column in mapper.primary_key]
    copies = []
    for row in rows:
        instance = mapper.class_manager.new_instance()
        state: Any = instance_state(instance)
        state.dict.update(zip(names, row, strict=False))
        state.key = mapper.identity_key_from_primary_key(tuple(row[place] for place in key))
        state.manager.dispatch.load(state, None)
        copies.append(instance)
    return copies
