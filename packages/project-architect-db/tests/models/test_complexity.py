"""A complexity score is a number from 0 to 100 whatever the architecture looks like."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from project_architect_db.models.complexity import complexity_score, framework_of, points_of

pytestmark = pytest.mark.unit

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["services", "framework", "components", "complexity_score", "name"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(DOCUMENTS)
def test_any_document_has_a_score_or_none(document: object) -> None:
    score = complexity_score(document)

    assert score is None or 0 <= score <= 100
    framework = framework_of(document)
    assert framework is None or 0 < len(framework) <= 100


@pytest.mark.parametrize(
    ("architecture", "score"),
    [
        (None, None),
        ("FastAPI", None),
        ({}, 0),
        ({"services": ["api"]}, 8),
        ({"services": ("api",)}, 8),
        ({"components": {"a": 1, "b": 2}, "databases": "PostgreSQL"}, 14),
        ({"dependencies": ["x"] * 60}, 50),
        ({"dependencies": 60}, 50),
        ({"dependencies": -3, "languages": True, "modules": "  "}, 0),
        ({"components": None, "modules": 1.5}, 0),
        ({"services": 100_000}, 100),
        ({"complexity_score": 70.4}, 70),
        ({"complexity_score": True, "services": ["api"]}, 8),
        ({"complexity_score": 101}, 0),
    ],
)
def test_the_score_follows_the_formula(architecture: object, score: int | None) -> None:
    assert complexity_score(architecture) == score


def test_more_parts_are_never_less_complex() -> None:
    scores = [complexity_score({"services": number}) or 0 for number in range(50)]

    assert scores == sorted(scores)
    assert points_of({"services": 3, "other": 9}) == 15


@pytest.mark.parametrize(
    ("architecture", "framework"),
    [
        ({"framework": " FastAPI "}, "FastAPI"),
        ({"framework": ["Django", "Flask"]}, "Django"),
        ({"framework": []}, None),
        ({"framework": {"name": "Rails"}}, "Rails"),
        ({"framework": [{"name": "Vue"}]}, "Vue"),
        ({"framework": "   "}, None),
        ({"framework": 7}, None),
        ({"framework": "x" * 200}, "x" * 100),
        ([], None),
    ],
)
def test_a_framework_is_found_where_it_is_named(
    architecture: object, framework: str | None
) -> None:
    assert framework_of(architecture) == framework
