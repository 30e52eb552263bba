"""A question with a value that is refused."""

from __future__ import annotations

import pytest

from andamios_orm.cli.asking import asked
from andamios_orm.exceptions import QueryRefused, ValueRefused

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("column", "said"), [("metric", "metric 'x': why"), (None, "'x': why")])
def test_a_value_that_is_refused_is_a_wrong_question(column: str | None, said: str) -> None:
    with pytest.raises(QueryRefused) as refused, asked():
        raise ValueRefused("why", "x", column)

    assert str(refused.value) == said
