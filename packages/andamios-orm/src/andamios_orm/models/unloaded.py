"""Relationships that say what to do when they are touched and nothing has loaded them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import LoaderCallableStatus, PassiveFlag, RelationshipProperty
from sqlalchemy.orm.exc import DetachedInstanceError

from andamios_orm._compat import LazyLoader
from andamios_orm.dialect.greenlets import in_greenlet
from andamios_orm.exceptions import NotLoaded

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute

__all__ = ["guard_relationship"]

_SELECT, _RAISE, _RAISE_ON_SQL = ((("lazy", name),) for name in ("select", "raise", "raise_on_sql"))


class _Guarded(LazyLoader):  # type: ignore[misc]  # SQLAlchemy publishes no name to derive from
    """A lazy loader whose refusals name the model, the relation and the way out."""

    def _load_for_state(self, state: Any, passive: Any, *arguments: Any, **options: Any) -> Any:
        # Loading would have to be awaited, and reading an attribute cannot.
        stuck = state.async_session is not None and not in_greenlet()
        allowed = passive & ~PassiveFlag.SQL_OK if stuck else passive
        try:
            found = super()._load_for_state(state, allowed, *arguments, **options)
        except DetachedInstanceError:
            raise self._not_loaded(state) from None
        missing = found is LoaderCallableStatus.PASSIVE_NO_RESULT
        if (
            stuck
            and missing
            and passive & PassiveFlag.SQL_OK
            and not passive & PassiveFlag.NO_RAISE
        ):
            raise self._not_loaded(state)
        return found

    def _invoke_raise_load(self, state: Any, passive: Any, lazy: str) -> None:
        raise self._not_loaded(state)

    def _not_loaded(self, state: Any) -> NotLoaded:
        return NotLoaded(state.class_.__name__, self.key)


def guard_relationship(attribute: InstrumentedAttribute[Any]) -> None:
    """Make a relationship raise ``NotLoaded`` where SQLAlchemy would load it, or fail.

    One that says ``lazy=`` keeps loading as it says; ``lazy=True`` asks for SQLAlchemy's
    own default, which only ``run_sync()`` and blocking sessions can serve.
    """
    relation: Any = attribute.prop
    if not isinstance(relation, RelationshipProperty):
        return
    loader = getattr(attribute.impl.callable_, "__self__", None)
    if not isinstance(loader, LazyLoader):
        return  # dynamic, write_only, noload: they do not load by themselves
    if relation.lazy == "select":
        relation.lazy = "raise"
        relation.strategy_key = _RAISE
    known: Any = relation._strategies  # noqa: SLF001  # where SQLAlchemy looks loaders up
    for key in {_SELECT, _RAISE, _RAISE_ON_SQL, loader.strategy_key}:
        if not isinstance(known.get(key), _Guarded):
            known[key] = _Guarded(relation, key)
    key = _RAISE if relation.lazy == "raise" else loader.strategy_key
    known[key].is_class_level = True
    relation.strategy = known.get(relation.strategy_key, relation.strategy)
    attribute.impl.callable_ = known[key]._load_for_state  # noqa: SLF001
