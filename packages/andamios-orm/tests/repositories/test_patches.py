"""A patch has lines where its readers see them: at line feeds."""

from __future__ import annotations

import pytest

from andamios_orm.repositories.patches import patch

pytestmark = pytest.mark.unit


def test_what_is_equal_makes_no_patch() -> None:
    assert patch("a\fb\n", "a\fb\n", "old", "new") == ""


@pytest.mark.parametrize("inside", ["\f", "\v", "\r", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_line_ends_with_a_line_feed_only(inside: str) -> None:
    found = patch(f"a{inside}b\nc\n", f"a{inside}b\nd\n", "old", "new")

    assert found.split("\n") == [
        "--- old", "+++ new", "@@ -1,2 +1,2 @@", f" a{inside}b", "-c", "+d", "",
    ]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [("a", "a\n"), ("", "a"), ("a", "")])
def test_a_last_line_without_an_end_is_marked(before: str, after: str) -> None:
    found = patch(before, after, "old", "new")

    assert found.count("\n\\ No newline at end of file\n") == 1
    assert found.endswith("\n")
