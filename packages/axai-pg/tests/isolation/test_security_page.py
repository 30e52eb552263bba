"""The page on security names every attack, and no test that is not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.isolation.attacks_on_keys import ATTACKS as ON_KEYS
from tests.isolation.attacks_on_rights import ATTACKS as ON_RIGHTS
from tests.isolation.attacks_on_rows import ATTACKS as ON_ROWS
from tests.isolation.promises import PROMISES
from tests.isolation.promises_of_functions import PROMISES as OF_FUNCTIONS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

CHECKS = {check.__name__ for check in (*ON_ROWS, *ON_KEYS, *ON_RIGHTS, *PROMISES, *OF_FUNCTIONS)}


@pytest.fixture(scope="module")
def named(root: Path) -> set[str]:
    """Return what the page names in code."""
    page = root / "docs" / "explanation" / "axai-security.md"
    return set(re.findall(r"`(\w+)`", page.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def tests(root: Path) -> dict[str, set[str]]:
    """Return the names of the tests of isolation, by file."""
    folder = root / "packages" / "axai-pg" / "tests" / "isolation"
    return {
        path.name: set(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
        for path in folder.glob("test_*.py")
    }


def test_every_attack_and_promise_is_on_the_page(named: set[str]) -> None:
    assert not CHECKS - named


def test_every_test_on_the_page_is_there(named: set[str], tests: dict[str, set[str]]) -> None:
    found = {name for name in named if name.startswith("test_")}

    assert len(found) > 20
    assert not found - {name for names in tests.values() for name in names}


def test_every_test_of_sessions_and_pools_is_on_the_page(
    named: set[str], tests: dict[str, set[str]]
) -> None:
    wanted = tests["test_sessions.py"] | tests["test_pool.py"]

    assert not wanted - named


def test_every_other_check_on_the_page_is_there(named: set[str]) -> None:
    phrases = {name for name in named if name.count("_") > 2 and not name.startswith("test_")}

    assert not phrases - CHECKS
