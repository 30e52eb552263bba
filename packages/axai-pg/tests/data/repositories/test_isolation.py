"""Another organisation's keys are answered as unknown ones are, by every method."""

from __future__ import annotations

import inspect
import uuid
from typing import TYPE_CHECKING, Any, Final

import pytest

from andamios_orm.exceptions import AndamiosError
from andamios_orm.repositories.events import MARK
from axai_pg.data import repositories
from axai_pg.data.repositories import BaseRepository, GraphRepository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axai_pg.data.config.database import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(25)]

CLASSES: Final = [
    each
    for name in repositories.__all__
    if isinstance(each := getattr(repositories, name), type)
    and issubclass(each, BaseRepository)
    and each is not BaseRepository
]
OF_KEYS: Final = {  # what a parameter is the key of, where it is not that of the model
    "document_id": "documents",
    "topic_id": "topics",
    "collection_id": "collections",
    "source_id": "graph_nodes",
    "target_id": "graph_nodes",
    "parent": None,
    "key": None,
    "owner_id": "users",
    "user_id": "users",
    "role_id": "roles",
    "org_id": "organizations",
}
PLAIN: Final[dict[str, Any]] = {
    "permission": "read",
    "status": "published",
    "version": 1,
    "number": 1,
    "first": 1,
    "extracted_by_tool": "t",
}
CHANGES: Final[dict[str, dict[str, Any]]] = {
    "users": {"is_active": False},
    "summaries": {"content": "x"},
    "documents": {"title": "x"},
}
# Those of the core that take no key, or of which the method with one row tells the same.
WITHOUT_KEYS: Final = {
    *("add", "add_many", "as_of", "best", "bulk_create", "bulk_upsert", "count", "create"),
    *("create_with_summary", "delete_where", "exists", "first", "get_or_create", "get_or_upsert"),
    *("find_by_email", "find_by_name", "find_by_status", "find_by_tool", "find_by_username"),
    *("history", "list", "list_and_count", "load", "roots", "search", "stream", "upsert"),
    *("upsert_many", "get_one", "get_one_or_none", "get_and_update", "_open"),
}


def methods() -> Iterator[Any]:
    """Yield each method of each repository that takes a key."""
    for each in CLASSES:
        for name, method in inspect.getmembers(each):
            is_restore = name == "restore" and not hasattr(each.model, "deleted_at")
            if hasattr(method, MARK) and name not in WITHOUT_KEYS and not is_restore:
                yield pytest.param(each, name, id=f"{each.__name__}.{name}")


def arguments(kind: Any, name: str, keys: dict[str, uuid.UUID]) -> dict[str, Any]:
    """Return what a method is called with, in which every key is one of ``keys``."""
    table = kind.model.__tablename__
    changes = CHANGES.get(table, {"name": "x"})
    given: dict[str, Any] = {}
    for parameter in inspect.signature(getattr(kind, name)).parameters.values():
        called = parameter.name
        if called in OF_KEYS and (parameter.default is parameter.empty or called == "user_id"):
            given[called] = keys[OF_KEYS[called] or table]
        elif called in PLAIN and parameter.default is parameter.empty:
            given[called] = PLAIN[called]
        elif called == "keys":
            given[called] = [keys[table]]
        elif called == "rows":
            given[called] = [{"id": keys[table], **changes}]
        elif called == "values" and name == "relate":
            given[called] = {"relationship_type": "x", "created_by_tool": "t"}
        elif called == "values":
            given[called] = changes
    return given


async def answer(
    manager: DatabaseManager, org_id: uuid.UUID, kind: Any, name: str, keys: dict[str, uuid.UUID]
) -> str:
    """Return what a method answers, or its error, without the keys that were asked for."""
    given = arguments(kind, name, keys)
    async with manager.async_session_scope(org_id) as session:
        try:
            said = repr(await getattr(kind(session), name)(**given))
        except AndamiosError as error:
            said = f"{type(error).__name__}: {error}"
        await session.rollback()
    for table, key in keys.items():
        said = said.replace(str(key), table)
    return said


@pytest.mark.sampled(50)
@pytest.mark.parametrize(("kind", "name"), list(methods()))
async def test_a_key_of_others_is_as_unknown_as_any(
    manager: DatabaseManager, ours: Any, theirs: Any, kind: Any, name: str
) -> None:
    unknown = {table: uuid.uuid4() for table in theirs.keys}
    unknown["organizations"] = uuid.uuid4()

    of_others = await answer(manager, ours.id, kind, name, theirs.keys)

    assert of_others == await answer(manager, ours.id, kind, name, unknown)
    own = await answer(manager, ours.id, kind, name, ours.keys)
    # The node of these organisations was found in no document.
    assert (own == of_others) == ((kind, name) == (GraphRepository, "find_by_document"))
