from __future__ import annotations

import asyncio
import contextvars
import pickle
import uuid
from typing import Any

import pytest

from andamios_orm.exceptions import ValueRefused
from axai_pg.data.isolation import Scope
from axai_pg.exceptions import NotInitialized, OrganizationChanged, OrganizationRequired

pytestmark = pytest.mark.unit

A, B = Scope(uuid.uuid4()), Scope(uuid.uuid4())
NONE = Scope()
SYSTEM = Scope.system("repair")


@pytest.fixture
def owner() -> object:
    return object()


@pytest.mark.parametrize("inner", [A, Scope(A.org_id, uuid.uuid4()), NONE])
def test_a_scope_may_hold_one_of_the_same_organisation_or_of_none(
    owner: object, inner: Scope
) -> None:
    with A.entered(owner), inner.entered(owner):
        pass


@pytest.mark.parametrize("inner", [B, SYSTEM])
@pytest.mark.parametrize("between", [A, NONE])
def test_a_scope_holds_no_other_organisation(owner: object, inner: Scope, between: Scope) -> None:
    with (
        A.entered(owner),
        between.entered(owner),
        pytest.raises(OrganizationChanged, match="was asked for inside one of organisation") as no,
        inner.entered(owner),
    ):
        raise AssertionError("entered")

    assert (no.value.outer, no.value.inner) == (A.org_id, inner.org_id)
    assert ("all organisations" in str(no.value)) == inner.is_system


@pytest.mark.parametrize("outer", [NONE, SYSTEM])
def test_a_scope_of_none_or_of_all_may_hold_any(owner: object, outer: Scope) -> None:
    with outer.entered(owner), A.entered(owner), pytest.raises(OrganizationChanged):
        B.entered(owner).__enter__()
    with outer.entered(owner), B.entered(owner):
        pass


def test_another_database_is_another_matter(owner: object) -> None:
    with A.entered(owner), B.entered(object()):
        pass


def test_scopes_need_not_be_left_in_the_order_of_their_entry(owner: object) -> None:
    first, second = A.entered(owner), A.entered(owner)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with pytest.raises(OrganizationChanged):
        B.entered(owner).__enter__()
    second.__exit__(None, None, None)

    with B.entered(owner):
        pass


def test_a_scope_may_be_left_in_another_context(owner: object) -> None:
    entered = A.entered(owner)
    elsewhere = contextvars.copy_context()
    elsewhere.run(entered.__enter__)

    entered.__exit__(None, None, None)

    def enter_other() -> None:
        with B.entered(owner):
            pass

    elsewhere.run(enter_other)


async def test_tasks_have_a_scope_each(owner: object) -> None:
    entered = asyncio.Barrier(2)

    async def work(scope: Scope) -> None:
        with scope.entered(owner):
            await entered.wait()

    await asyncio.gather(work(A), work(B))
    with pytest.raises(OrganizationChanged), A.entered(owner):
        await asyncio.create_task(work(B))  # it is a part of the work of A


def test_a_key_may_be_a_text() -> None:
    key = uuid.uuid4()

    assert Scope.of(str(key), key) == Scope(key, key)
    assert Scope.of(None, None) == NONE
    assert (NONE.is_bare, A.is_bare, SYSTEM.is_bare) == (True, False, False)


@pytest.mark.parametrize("value", ["x", "x' OR true", 7, b"x", str(uuid.UUID(int=0)), ""])
@pytest.mark.parametrize("name", ["org_id", "user_id"])
def test_a_key_that_is_none_is_refused_by_name(name: str, value: Any) -> None:
    keys = {"org_id": None, "user_id": None, name: value}

    with pytest.raises(ValueRefused, match=name):
        Scope.of(**keys)


@pytest.mark.parametrize("reason", ["", " \n"])
def test_an_operator_says_why(reason: str) -> None:
    with pytest.raises(ValueRefused, match="say why: the audit log keeps it"):
        Scope.system(reason)
    assert Scope.system(" repair ") == SYSTEM


@pytest.mark.parametrize(
    "error",
    [
        NotInitialized(),
        OrganizationRequired("topics"),
        OrganizationChanged(uuid.uuid4(), None),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: Exception) -> None:
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (type(copied), str(copied)) == (type(error), str(error))
