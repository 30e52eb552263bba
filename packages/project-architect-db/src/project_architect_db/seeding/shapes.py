"""How many children sixteen parents have: always as many together, never alike.

Rows are made by blocks of sixteen parents. A block has one of some shapes, which say for each
of its children whose it is and the how-manieth: so keys and sums are known beforehand, while
one project has nine documents and the next one none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from project_architect_db.seeding.chance import Chance

__all__ = ["BLOCK", "CHILDREN", "SHAPES", "Slot", "count_of", "shape_of", "slots_of"]

BLOCK: Final = 16
"""Parents of a block."""
SHAPES: Final = 24
"""Shapes that blocks have."""
CHILDREN: Final = {
    "members": 16,
    "conversations": 16,
    "messages": 80,
    "documents": 32,
    "versions": 8,
    "accesses": 24,
    "repositories": 8,
    "builds": 96,
    "deployments": 32,
    "contributors": 48,
    "activity": 96,
}
"""Children of a block of projects, conversations, documents or repositories."""
_EVEN: Final = 0.35
"""How much alike parents are: all children are spread by weights from this upwards."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A child of a block: whose it is, the how-manieth, and of how many."""

    shape: int
    slot: int
    parent: int
    place: int
    siblings: int


def slots_of(kind: str, seed: int) -> list[Slot]:
    """Return the children of each shape of a kind, in the order of their parents."""
    chance = Random(f"{seed} {kind}")  # noqa: S311 - sample data
    found = []
    for shape in range(SHAPES):
        weights = [_EVEN + chance.random() ** 3 * 4 for _ in range(BLOCK)]
        chosen = chance.choices(range(BLOCK), cum_weights=list(accumulate(weights)), k=CHILDREN[kind])
        counts = [chosen.count(parent) for parent in range(BLOCK)]
        places = ((parent, place) for parent in range(BLOCK) for place in range(counts[parent]))
        found += [
            Slot(shape, slot, parent, place, counts[parent])
            for slot, (parent, place) in enumerate(places)
        ]
    return found


def shape_of(chance: Chance, kind: str, block: int) -> int:
    """Return the shape of a block."""
    return chance.draw(block, f"{kind} shape", SHAPES)


def count_of(kind: str, parents: int, chance: Chance) -> int:
    """Return how many children the first ``parents`` have; those of a block come in order."""
    blocks, rest = divmod(parents, BLOCK)
    shape = shape_of(chance, kind, blocks)
    last = [each for each in slots_of(kind, chance.seed) if each.shape == shape]
    return blocks * CHILDREN[kind] + sum(each.parent < rest for each in last)
