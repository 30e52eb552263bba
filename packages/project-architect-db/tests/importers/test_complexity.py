import pytest

from project_architect_db.importers import complexity_score

pytestmark = pytest.mark.unit

FULL = {
    "components": [str(n) for n in range(20)],
    "dependencies": {"python": [str(n) for n in range(60)], "npm": [str(n) for n in range(40)]},
    "services": [str(n) for n in range(10)],
    "languages": {str(n): n for n in range(6)},
    "databases": ["a", "b", "c"],
    "entry_points": [str(n) for n in range(10)],
}


@pytest.mark.parametrize(
    ("architecture", "score"),
    [
        ({}, 0),
        (FULL, 100),
        ({**FULL, "services": [str(n) for n in range(1000)]}, 100),
        ({"components": ["a"]}, 6),
        ({"databases": ["a"]}, 5),
        ({"services": ["a", "b", "c"]}, 12),
        ({"services": "web"}, 0),
        ({"services": None, "databases": 7}, 0),
    ],
)
def test_the_score_follows_its_formula(architecture: dict[str, object], score: int) -> None:
    assert complexity_score(architecture) == score


def test_more_of_anything_is_never_simpler() -> None:
    scores = [complexity_score({"services": list(range(n))}) for n in range(20)]

    assert scores == sorted(scores)
