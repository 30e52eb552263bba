"""What the architecture of a project says in a number and a name, by rules that are written down.

The complexity score is from 0 to 100. Each part of the architecture has points:

===================================== ======
a service                              5
a database, an integration             4
a component, a module                  3
a language                             2
a dependency, an endpoint              1
===================================== ======

The score is ``100 * points / (points + 60)``, rounded: 60 points are a score of 50, and
no architecture is so large that another one could not be larger. A document that has a
``complexity_score`` from 0 to 100 of its own is taken at its word.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeGuard

__all__ = ["HALF", "POINTS", "complexity_score", "framework_of", "points_of"]

_POINTS: Final = {  # itself, for a proxy takes twice as long to answer
    "services": 5,
    "databases": 4,
    "integrations": 4,
    "components": 3,
    "modules": 3,
    "languages": 2,
    "dependencies": 1,
    "endpoints": 1,
}
POINTS: Final[Mapping[str, int]] = MappingProxyType(_POINTS)
"""Points for each part, by the key of the architecture that lists them."""
HALF: Final = 60
"""Points that make half of the highest score."""
_OWN: Final = "complexity_score"
_HIGHEST: Final = 100
_LONGEST: Final = 100


def complexity_score(architecture: object) -> int | None:
    """Return how complex an architecture is, from 0 to 100; None without one.

    >>> complexity_score({"services": ["api", "worker"], "dependencies": {"fastapi": "*"}})
    15
    >>> complexity_score({"complexity_score": 70})
    70
    """
    if not _is_object(architecture):
        return None
    if _OWN in architecture:
        own = architecture[_OWN]
        if isinstance(own, (int, float)) and not isinstance(own, bool) and 0 <= own <= _HIGHEST:
            return round(own)
    return _score(points_of(architecture))


@lru_cache(maxsize=512)  # most architectures have few points
def _score(points: int) -> int:
    return round(_HIGHEST * points / (points + HALF))


def points_of(architecture: Mapping[str, object]) -> int:
    """Return the points of all parts.

    >>> points_of({"services": 2, "databases": "PostgreSQL", "languages": []})
    14
    """
    points = 0
    for name, parts in architecture.items():
        each = _POINTS.get(name)
        if each is not None:
            # Most are lists or numbers, and a call takes longer than to see that.
            if type(parts) is list:
                points += each * len(parts)
            elif type(parts) is int and parts > 0:
                points += each * parts
            else:
                points += each * _number(parts)
    return points


def framework_of(architecture: object) -> str | None:
    """Return the framework that an architecture names: text, the first of a list, or its name.

    >>> framework_of({"framework": {"name": "FastAPI", "version": "0.121"}})
    'FastAPI'
    """
    found = architecture.get("framework") if _is_object(architecture) else None
    if not isinstance(found, str):
        found = _name(found)
    return found.strip()[:_LONGEST] or None if isinstance(found, str) else None


def _name(found: object) -> object:
    """Return what names a framework: the first of a list, or the name in an object."""
    if isinstance(found, (list, tuple)):
        found = found[0] if found else None
    return found.get("name") if _is_object(found) else found


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether a value is a JSON object; to ask a dict whether it is a mapping takes longer."""
    return type(value) is dict or isinstance(value, Mapping)


def _number(parts: object) -> int:
    """Return how many parts there are: of a list or an object, or a number or one by itself.

    An object that groups them in lists, such as dependencies by ecosystem, has those of all.
    """
    if isinstance(parts, int):
        return parts if parts > 0 and parts is not True else 0
    if isinstance(parts, str):
        return 1 if parts.strip() else 0
    if isinstance(parts, (list, tuple)):
        return len(parts)
    if _is_object(parts):
        return sum(len(each) if isinstance(each, (list, tuple)) else 1 for each in parts.values())
    return 0
