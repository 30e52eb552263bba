from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from andamios_orm.dialect.quoting import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        (quoted, 'a "b" c', '"a ""b"" c"'),
        (literal, "it's", "'it''s'"),
    ],
)
def test_names_and_texts_are_quoted(
    function: Callable[[str], str], given: str, expected: str
) -> None:
    assert function(given) == expected
