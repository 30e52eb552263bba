"""The rules of conftest.py, tried on small suites."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def suite(pytester: pytest.Pytester, root: Path) -> pytest.Pytester:
    """Return an empty suite under this repository's conftest."""
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    settings = ["asyncio_mode = auto", "asyncio_default_fixture_loop_scope = function"]
    pytester.makeini("\n".join(["[pytest]", *settings, "markers =", " unit", " e2e", " db"]))
    return pytester


def test_a_test_without_a_kind_is_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_nothing(): pass")

    outcome = suite.runpytest_subprocess("-p", "no:randomly")

    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines(["*test_nothing: carry exactly one marker of *unit"])


def test_a_test_of_two_kinds_is_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\n@pytest.mark.unit\n@pytest.mark.e2e\ndef test_both(): pass")

    outcome = suite.runpytest_subprocess("-p", "no:randomly")

    assert outcome.ret == pytest.ExitCode.USAGE_ERROR


def test_a_test_of_one_kind_runs(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\n@pytest.mark.unit\ndef test_one(): pass")

    outcome = suite.runpytest_subprocess("-p", "no:randomly")

    outcome.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marks", "outcomes"), [("", {"failed": 1}), ("@pytest.mark.db", {"passed": 1})]
)
def test_only_a_marked_test_opens_a_database(
    suite: pytest.Pytester, marks: str, outcomes: dict[str, int]
) -> None:
    suite.makepyfile(
        f"""
        import duckdb, pytest

        {marks}
        @pytest.mark.unit
        def test_open():
            duckdb.connect().close()
        """
    )

    outcome = suite.runpytest_subprocess("-p", "no:randomly")

    outcome.assert_outcomes(**outcomes)


@pytest.mark.parametrize(
    ("wanted", "module"), [("", "uvloop"), ("uvloop", "uvloop"), ("asyncio", "asyncio.unix_events")]
)
def test_the_loop_is_the_one_asked_for(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, wanted: str, module: str
) -> None:
    monkeypatch.delenv("ANDAMIOS_TEST_LOOP", raising=False)
    if wanted:
        monkeypatch.setenv("ANDAMIOS_TEST_LOOP", wanted)
    suite.makepyfile(
        f"""
        import asyncio, pytest

        @pytest.mark.unit
        async def test_loop():
            assert type(asyncio.get_running_loop()).__module__ == "{module}"
        """
    )

    outcome = suite.runpytest_subprocess("-p", "no:randomly")

    outcome.assert_outcomes(passed=1)
