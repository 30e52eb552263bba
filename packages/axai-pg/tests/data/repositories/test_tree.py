"""Topics and collections: the way up, what is below, and no circles."""

from __future__ import annotations

import pickle
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sqlalchemy import event, update

from andamios_orm.exceptions import CheckViolation, NotFound, ValueRefused
from axai_pg.data.models import Collection
from axai_pg.data.repositories import CollectionRepository, TopicRepository
from axai_pg.exceptions import CycleRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Session
    from axai_pg.data.models import User

    Tree: TypeAlias = TopicRepository | CollectionRepository
    Make: TypeAlias = Callable[..., Any]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(3)]


@pytest.fixture(params=[TopicRepository, CollectionRepository])
def tree(request: pytest.FixtureRequest, session: Session) -> Tree:
    """Return the topics or the collections of the organisation."""
    found: Tree = request.param(session)
    return found


@pytest.fixture
def make(tree: Tree, user: User) -> Make:
    """Return ``make(name, parent)``: a new row, below another or at the top."""

    async def make(name: str, parent: Any = None) -> Any:
        values = {"name": name, tree.parent: None if parent is None else parent.id}
        if tree.model is Collection:
            values["owner_id"] = user.id
        return await tree.create(values)

    return make


@pytest.fixture
async def rows(make: Make) -> dict[str, Any]:
    """Return a tree: b and c below a, d below b; and e at the top."""
    a = await make("a")
    b, c = [await make(name, a) for name in "bc"]
    return {"a": a, "b": b, "c": c, "d": await make("d", b), "e": await make("e")}


def names(found: list[Any]) -> str:
    return "".join(each.name for each in found)


@pytest.mark.slow
async def test_the_way_up_and_what_is_below(tree: Tree, rows: dict[str, Any]) -> None:
    assert names(await tree.roots()) == "ae"
    assert names(await tree.children(rows["a"].id)) == "bc"
    assert names(await tree.children(rows["a"].id, 1, 1)) == "c"
    assert names(await tree.path(rows["d"].id)) == "abd"
    assert names(await tree.subtree(rows["a"].id)) == "abcd"
    assert names(await tree.subtree(rows["a"].id, max_depth=1)) == "abc"
    assert names(await tree.subtree(rows["a"].id, limit=2)) == "ab"


async def test_a_row_moves_with_what_is_below_it(tree: Tree, rows: dict[str, Any]) -> None:
    await tree.move(rows["b"].id, rows["e"].id)
    below = names(await tree.subtree(rows["e"].id))
    await tree.move(rows["b"].id, None)

    assert below == "ebd"
    assert names(await tree.path(rows["d"].id)) == "bd"


@pytest.mark.parametrize("parent", ["a", "b", "d"])
async def test_a_circle_is_refused_before_the_database_sees_it(
    tree: Tree, rows: dict[str, Any], parent: str
) -> None:
    with pytest.raises(CycleRefused) as refused:
        await tree.move(rows["a"].id, rows[parent].id)

    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301 - our own
    assert (again.key, again.parent) == (rows["a"].id, rows[parent].id)
    assert "or below it: choose a parent that is not" in str(again)
    assert names(await tree.roots()) == "ae"


async def test_the_database_refuses_a_circle_by_itself(
    session: Session, tree: Tree, rows: dict[str, Any]
) -> None:
    statement = update(tree.model).where(tree.model.id == rows["a"].id)
    with pytest.raises(CheckViolation):
        await session.execute(statement.values({tree.parent: rows["d"].id}))


@pytest.mark.parametrize("order", [1, -1])
async def test_a_batch_has_what_is_above_its_rows_and_asks_once_for_the_rest(
    session: Session, tree: Tree, user: User, rows: dict[str, Any], order: int
) -> None:
    top = uuid.uuid4()
    above = {"f": rows["e"].id, "g": top, "h": rows["a"].id, "i": None}
    keys = {"f": top}
    owner = {"owner_id": user.id} if tree.model is Collection else {}
    batch = [
        tree.model(id=keys.get(name, uuid.uuid4()), name=name, **{tree.parent: parent}, **owner)
        for name, parent in above.items()
    ]
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        sent.append(statement)

    engine = session.sync_session.get_bind().engine
    event.listen(engine, "before_cursor_execute", note)
    made = await tree.add_many(batch[::order])
    event.remove(engine, "before_cursor_execute", note)

    assert made == batch[::order]
    assert [statement.split()[0] for statement in sent] == ["SELECT", "INSERT"]
    assert names(await tree.subtree(rows["e"].id)) == "efg"


async def test_a_batch_names_what_is_not_there(tree: Tree, rows: dict[str, Any]) -> None:
    nobody = uuid.uuid4()
    below = [tree.model(name=name, **{tree.parent: key}) for name, key in
             (("f", rows["a"].id), ("g", nobody))]  # fmt: skip

    with pytest.raises(NotFound, match=str(nobody)):
        await tree.add_many(below)


@pytest.mark.parametrize("depth", [-1, 101, True, "2"])
async def test_a_depth_is_a_number_from_0_to_100(
    tree: Tree, rows: dict[str, Any], depth: Any
) -> None:
    with pytest.raises(ValueRefused, match="from 0 to 100"):
        await tree.subtree(rows["a"].id, max_depth=depth)


async def test_what_is_not_there_is_above_nothing(
    tree: Tree, make: Make, rows: dict[str, Any]
) -> None:
    nobody = uuid.uuid4()
    with pytest.raises(NotFound):
        await tree.move(rows["a"].id, nobody)
    with pytest.raises(NotFound):
        await make("x", tree.model(id=nobody))
    with pytest.raises(NotFound):
        await tree.subtree(nobody)
