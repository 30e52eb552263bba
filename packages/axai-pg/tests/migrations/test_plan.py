from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import MigrationRefused, RevisionUnknown
from axai_pg.migrations import read_plan

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

HEAD = "%syntax-version=1.0.0\n%project=p\n"
ONE = "one 2026-01-01T00:00:00Z A <a@example.org> # First\n"


def write(folder: Path, text: str) -> Path:
    (folder / "sqitch.plan").write_text(text, encoding="utf-8")
    return folder


def test_ids_are_those_of_sqitch(tmp_path: Path) -> None:
    """They were those of version 1.3.1."""
    plan = read_plan(
        write(
            tmp_path,
            f"{HEAD}\n{ONE}"
            "two [one !other] 2026-01-02T03:04:05Z B C <b@example.org> # Zweite Änderung\n"
            "@v1 2026-01-02T03:04:06Z B C <b@example.org> # A tag\n"
            "three [one two] 2026-01-03T00:00:00Z A <a@example.org>\n",
        )
    )

    assert [change.id for change in plan.changes] == IDS
    assert [tag.id for tag in plan.tags] == TAGS


IDS = [
    "e5110a43f9ed71b512db1a8e9d6b5e09af7e5dee",
    "f83a2a5e9650bf14a10c0782b50047b320820b67",
    "45da9509b72cc875e65d96c510573fc84fff3e5b",
]
TAGS = ["bb53cb5bb499758d990a67ba26655f9b6e563428"]


def test_a_change_is_found_by_name_by_id_and_by_tag(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path, f"{HEAD}{ONE}@v1 2026-01-01T00:00:00Z A <a@x>\n"))

    assert plan.position("one") == plan.position(plan.changes[0].id) == plan.position("@v1") == 0
    with pytest.raises(RevisionUnknown, match="'@v2'; there are: one"):
        plan.position("@v2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}one\n", "line 3 is no change and no tag"),
        (f"{HEAD}@v1 2026-01-01T00:00:00Z A <a@x>\n", "stands before all changes"),
        (f"{HEAD}{ONE}{ONE}", "planned once"),
        (f"{HEAD}two [one] 2026-01-01T00:00:00Z A <a@x>\n{ONE}", "after those that it requires"),
        (f"{HEAD}two [!one@v1] 2026-01-01T00:00:00Z A <a@x>\n", "conflict !one@v1 is not under"),
        (f"{HEAD}two [!p:@v1] 2026-01-01T00:00:00Z A <a@x>\n", "conflict !p:@v1 is not under"),
        (ONE, "has to say %project="),
        (f"{HEAD}%uri=https://example.org\n{ONE}", "has to say %project="),
    ],
)
def test_a_plan_that_is_not_understood_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MigrationRefused, match=message):
        read_plan(write(tmp_path, text))


def test_the_names_of_changes_sort_by_time(scripts: Path) -> None:
    names = [change.name for change in read_plan(scripts).changes]

    assert names == sorted(names)
    assert all(re.fullmatch(r"\d{8}_\d{4}_[a-z_]+", name) for name in names)


def test_each_script_says_what_it_costs(scripts: Path) -> None:
    for change in read_plan(scripts).changes:
        script = change.script("deploy")
        assert script is not None
        head = script.path.read_text(encoding="utf-8").partition("BEGIN;")[0]
        for word in ("Deploy axai:", "What:", "Impact:", "Compatibility:"):
            assert word in head, script.path
