import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.db]

EXAMPLE = Path(__file__).parents[4] / "examples/andamios_orm/integration/fastapi_app.py"


@pytest.fixture
def example() -> ModuleType:
    """Return the module of the example."""
    if not EXAMPLE.exists():  # pragma: no cover - in a source distribution
        pytest.skip("the examples are in the repository only")
    spec = importlib.util.spec_from_file_location("fastapi_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
async def test_the_example_works(
    url: str, example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    await example.main(url)

    assert capsys.readouterr().out.splitlines() == [
        "twice: 409 It exists already title",
        "before 1900: ['Dracula']",
        "and then: ['Emma']",
        "unknown: 422 ['title', 'title__ne', 'title__lt']",
        "known already: 304",
        "change: 428 None",
        'change: 200 "2"',
        'change: 412 "2"',
        "nowhere: there is no such Book",
    ]
