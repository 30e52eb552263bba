"""Who is acting, and where that is known."""

from __future__ import annotations

import asyncio

import pytest

from andamios_orm.models import acting_as, current_actor

pytestmark = pytest.mark.unit


def test_nobody_acts_unless_it_is_said() -> None:
    assert current_actor() is None


def test_the_innermost_actor_acts_until_its_block_ends() -> None:
    with acting_as("ana"):
        with acting_as("ben"):
            inside = current_actor()
        after = current_actor()

    assert (inside, after, current_actor()) == ("ben", "ana", None)


def test_an_error_ends_the_block_as_well() -> None:
    with pytest.raises(LookupError), acting_as("ana"):
        raise LookupError

    assert current_actor() is None


async def test_tasks_do_not_act_for_each_other() -> None:
    async def act(name: str) -> str | None:
        with acting_as(name):
            await asyncio.sleep(0)
            return current_actor()

    with acting_as("ana"):
        inherited = asyncio.create_task(asyncio.sleep(0, current_actor()))
        others = await asyncio.gather(act("ben"), act("eva"))

    assert [*others] == ["ben", "eva"]
    assert await inherited == "ana"
