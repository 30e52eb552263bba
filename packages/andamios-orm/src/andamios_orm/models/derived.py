"""Columns that follow from another one, by a function of Python, whoever writes the row.

``derived()`` is for what is asked often and would be expensive to work out in each query:
a field of a JSON document, the number of words of a text, the time of a change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, event
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm.base import NO_VALUE, instance_state
from sqlalchemy.sql import ClauseElement

from andamios_orm.exceptions import ConfigurationError, ValueRefused
from andamios_orm.models.base import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine.default import DefaultExecutionContext
    from sqlalchemy.orm import InstrumentedAttribute, MappedColumn

__all__ = ["UNCHANGED", "Derived", "derived", "kept_by_model", "rule_of", "rules_of"]

_KEY: Final = "andamios_derived"


class _Unchanged:
    """The type of ``UNCHANGED``."""


UNCHANGED: Final = _Unchanged()
"""What a function returns to leave the column as it is; in a new row it is None."""


@dataclass(frozen=True, slots=True)
class Derived:
    """What a column follows from: ``function`` of the value of the attribute ``source``.

    ``given`` is whether a caller may say another value.
    """

    source: str
    function: Callable[[Any], Any]
    given: bool

    def __call__(self, context: DefaultExecutionContext) -> Any:
        """Return the value for a new row, as the default of its column."""
        try:
            row: Mapping[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call]  # SQLAlchemy's
        except KeyError:  # of insert(Model).values([...]), which SQLAlchemy cannot tell apart
            raise ValueRefused(
                "other columns follow from it: pass the rows beside the statement, "
                "execute(insert(Model), rows)",
                "…",
                self.source,
            ) from None
        return self.of_new(row.get(self.source))

    def of_new(self, value: Any) -> Any:
        """Return the value for a new row whose source is ``value``."""
        found = self.function(value)
        return None if found is UNCHANGED else found


def derived(
    source: str,
    function: Callable[[Any], Any],
    *arguments: Any,
    given: bool = False,
    **options: Any,
) -> MappedColumn[Any]:
    """Return a column with ``function`` of the attribute ``source``, which comes before it.

    It is set with a new row and again when ``source`` changes: by a flush, by a bulk, by a
    single create. Callers cannot write it; with ``given`` they may, and their value wins.
    The function takes whatever a caller passes, also None and what will be refused, and may
    return ``UNCHANGED``. The rest is for ``mapped_column()``. Statements, such as
    ``update(Model)``, are not seen.
    """
    rule = Derived(source, function, given)
    info = {**options.pop("info", {}), _KEY: rule}
    return mapped_column(*arguments, default=rule, info=info, **options)


def rule_of(column: Column[Any]) -> Derived | None:
    """Return what ``column`` follows from, if it does."""
    rule: Derived | None = column.info.get(_KEY)
    return rule


def kept_by_model(columns: Mapping[str, Column[Any]]) -> dict[str, str]:
    """Return why callers do not write some of ``columns``: they follow from others, or say so.

    A column that is kept up by other means says ``info={"kept": "the reason"}``.
    """
    kept = {name: column.info["kept"] for name, column in columns.items() if "kept" in column.info}
    for name, rule in rules_of(columns).items():
        if not rule.given:
            kept[name] = f"it follows from {rule.source}"
    return kept


def rules_of(columns: Mapping[str, Column[Any]]) -> dict[str, Derived]:
    """Return the rules of those ``columns`` that follow from others, by attribute."""
    return {name: rule for name, column in columns.items() if (rule := rule_of(column)) is not None}


@event.listens_for(Row, "attribute_instrument", propagate=True)
def _follow(model: type[Any], name: str, attribute: InstrumentedAttribute[Any]) -> None:
    """Set the attribute again whenever its source is set on a row that is stored."""
    columns: list[Any] = getattr(attribute.prop, "columns", [])
    rule = rule_of(columns[0]) if columns and isinstance(columns[0], Column) else None
    if rule is None:
        return
    source = getattr(model, rule.source, None)
    order = list(columns[0].table.c)
    if source is None or order.index(source.prop.columns[0]) > order.index(columns[0]):
        raise ConfigurationError(
            f"{model.__name__}.{name} follows from {rule.source!r}, which has to come before it"
        )
    function = rule.function

    def changed(instance: Any, value: Any, old: Any, _initiator: Any) -> None:
        if instance_state(instance).key is None or (old is not NO_VALUE and value == old):
            return  # new rows get it when they are stored
        if isinstance(value, ClauseElement):
            raise ValueRefused("other columns follow from it, so it is a value", "…", rule.source)
        found = function(value)
        if found is not UNCHANGED:
            setattr(instance, name, found)

    event.listen(source, "set", changed)
