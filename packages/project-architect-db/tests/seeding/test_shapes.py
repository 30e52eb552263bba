from __future__ import annotations

import pytest

from project_architect_db.seeding.chance import Chance
from project_architect_db.seeding.shapes import BLOCK, CHILDREN, SHAPES, count_of, slots_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("kind", CHILDREN)
def test_each_shape_has_all_children_in_the_order_of_their_parents(kind: str) -> None:
    slots = slots_of(kind, 7)

    assert len(slots) == SHAPES * CHILDREN[kind]
    for shape in range(SHAPES):
        own = [each for each in slots if each.shape == shape]
        assert [each.slot for each in own] == list(range(CHILDREN[kind]))
        assert own == sorted(own, key=lambda each: (each.parent, each.place))
        for parent in range(BLOCK):
            places = [each.place for each in own if each.parent == parent]
            assert places == list(range(len(places)))
            assert all(each.siblings == len(places) for each in own if each.parent == parent)


def test_children_are_counted_by_whole_blocks_and_what_is_begun() -> None:
    chance = Chance(7)

    counts = [count_of("documents", parents, chance) for parents in range(33)]

    assert counts == sorted(counts)
    assert (counts[0], counts[16], counts[32]) == (0, 32, 64)
