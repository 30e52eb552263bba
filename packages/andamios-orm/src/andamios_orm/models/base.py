"""The base of models: what every table and relationship of an application gets.

A base is a class of the application's own, so that two libraries never share one::

    class Base(Row, DeclarativeBase):
        pass
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sqlalchemy import BigInteger, Double, MetaData, event, inspect
from sqlalchemy.orm import DeclarativeBase, DeclarativeBaseNoMeta

from andamios_orm.models.checked import DOCUMENT
from andamios_orm.models.feed import feed_tables
from andamios_orm.models.types import EnumByValue, Money, UTCDateTime
from andamios_orm.models.unloaded import guard_relationship

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.orm import InstanceState, InstrumentedAttribute, Mapper

    from andamios_orm.models.written import WrittenRow

__all__ = ["NAMING_CONVENTION", "TYPES", "Model", "Row", "is_told_of_rows"]

NAMING_CONVENTION: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Names of constraints and indexes, so that migrations can refer to them."""

TYPES: Final[Mapping[Any, Any]] = MappingProxyType(
    {
        int: BigInteger(),
        float: Double(),
        decimal.Decimal: Money(38, 10),
        dt.datetime: UTCDateTime(),
        enum.Enum: EnumByValue(enum.Enum),
        **dict.fromkeys(
            (
                dict,
                dict[str, Any],
                dict[str, str],
                dict[str, int],
                dict[str, float],
                dict[str, bool],
                dict[str, list[str]],
                dict[str, dict[str, Any]],
                list,
                list[Any],
                list[str],
                list[int],
                list[float],
                list[dict[str, Any]],
            ),
            DOCUMENT,
        ),
    }
)
"""Which column an annotation becomes, where the model does not say."""


class Row:
    """Makes a base of ours: ``class Base(Row, DeclarativeBase)``.

    Its tables name their constraints by a convention, its foreign keys are checked by
    the library on DuckDB and by the server on PostgreSQL, its relationships say what is
    missing when they were not loaded, and its instances show their key and nothing else.
    """

    __feed__: ClassVar[bool] = True
    """Whether changes are recorded."""
    __history__: ClassVar[bool] = False
    """Whether rows are kept as they were before and after each change."""
    __tenant__: ClassVar[str | None] = None
    """The attribute that says whose row it is."""
    __feed_name__: ClassVar[str | None] = None
    """What change records call the model; the name of its table unless set."""
    __remembered__: ClassVar[tuple[str, ...]] = ()
    """Attributes that are remembered of the rows of the last commits, before and after.

    A kept result can then follow from them, without the database (``core.folds``).
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Prepare a base; leave models as they are."""
        if not {DeclarativeBase, DeclarativeBaseNoMeta}.isdisjoint(cls.__bases__):
            _prepare(cls)
        super().__init_subclass__(**options)

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Keep what follows from rows of the model in other tables; to be overridden.

        It is called once for each flush, bulk or single create, in the transaction that
        wrote the rows, and may run statements on the connection. It is not told of the
        rows that statements of a session, such as ``update(Model)``, change.
        """

    def __repr__(self) -> str:
        """Return the model and its key: ``Project(id=7)``."""
        state: InstanceState[Any] = inspect(self)
        shown = ", ".join(_shown_key(state))
        return f"{type(self).__name__}({shown})"


def _prepare(base: Any) -> None:
    """Give a base its metadata and types, before SQLAlchemy looks for them."""
    own = vars(base)
    registry = own.get("registry")
    if registry is not None:
        metadata = registry.metadata
        missing = {
            name: type_ for name, type_ in TYPES.items() if name not in registry.type_annotation_map
        }
        registry.update_type_annotation_map(missing)
    else:
        metadata = own.get("metadata")
        if metadata is None:
            metadata = base.metadata = MetaData(naming_convention=dict(NAMING_CONVENTION))
        base.type_annotation_map = {**TYPES, **own.get("type_annotation_map", {})}
    metadata.info["andamios"] = True  # the core checks its keys,
    metadata.info["duckdb_foreign_keys"] = "none"  # so the dialect creates none
    if own.get("__feed__", True):
        feed_tables(metadata)


@event.listens_for(Row, "instrument_class", propagate=True)
def _fetch_defaults(mapper: Mapper[Any], _model: type[Any]) -> None:
    """Read what the database filled in at once: later it would have to be awaited."""
    if mapper.eager_defaults == "auto":
        mapper.eager_defaults = True


@event.listens_for(Row, "attribute_instrument", propagate=True)
def _guard(_model: type[Any], _name: str, attribute: InstrumentedAttribute[Any]) -> None:
    guard_relationship(attribute)


def is_told_of_rows(model: type[Any] | None) -> bool:
    """Return whether ``model`` has a ``__wrote__()`` of its own."""
    hook = getattr(model, "__wrote__", None)
    return hook is not None and hook.__func__ is not vars(Row)["__wrote__"].__func__


def _shown_key(state: InstanceState[Any]) -> list[str]:
    mapper = state.mapper
    shown = []
    for column in mapper.primary_key:
        name = mapper.get_property_by_column(column).key
        value = state.dict.get(name)
        secret = column.info.get("secret") or getattr(column.type, "secret", False)
        if value is not None:
            shown.append(f"{name}=***" if secret else f"{name}={value!r}")
    return shown


class Model(Row, DeclarativeBase):
    """A base that is ready for use, for an application that needs only one."""
