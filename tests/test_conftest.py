"""The rules of conftest.py, tried on small suites."""

import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

# What the small suites do not need, so that they start sooner.
WITHOUT = [f"-pno:{name}" for name in ("randomly", "inline_snapshot", "hypothesispytest", "xdist")]


@pytest.fixture
def suite(pytester: pytest.Pytester, root: Path) -> pytest.Pytester:
    """Return an empty suite under this repository's conftest."""
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    settings = ["asyncio_mode = auto", "asyncio_default_fixture_loop_scope = function"]
    pytester.makeini(
        "\n".join(["[pytest]", *settings, "markers =", " unit", " e2e", " db", " sampled", " slow"])
    )
    return pytester


@pytest.mark.slow
def test_a_test_without_a_kind_is_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_nothing(): pass")

    outcome = suite.runpytest_subprocess(*WITHOUT)

    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines(["*test_nothing: carry exactly one marker of *unit"])


@pytest.mark.slow
def test_a_test_of_two_kinds_is_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\n@pytest.mark.unit\n@pytest.mark.e2e\ndef test_both(): pass")

    outcome = suite.runpytest_subprocess(*WITHOUT)

    assert outcome.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.slow
def test_a_test_of_one_kind_runs(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\n@pytest.mark.unit\ndef test_one(): pass")

    outcome = suite.runpytest_subprocess(*WITHOUT)

    outcome.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marks", "outcomes"), [("", {"failed": 1}), ("@pytest.mark.db", {"passed": 1})]
)
@pytest.mark.slow
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

    outcome = suite.runpytest_subprocess(*WITHOUT)

    outcome.assert_outcomes(**outcomes)


@pytest.mark.slow
@pytest.mark.parametrize(("wanted", "module"), [("", "uvloop"), ("asyncio", "asyncio.unix_events")])
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

    outcome = suite.runpytest_subprocess(*WITHOUT)

    outcome.assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "chosen"), [(None, 1), ("soak", 100)])
def test_the_size_of_the_run_picks_the_rounds(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, size: str | None, chosen: int
) -> None:
    monkeypatch.delenv("ANDAMIOS_TEST_SIZE", raising=False)
    if size is not None:
        monkeypatch.setenv("ANDAMIOS_TEST_SIZE", size)
    suite.makepyfile(
        f"""
        import pytest

        @pytest.mark.unit
        def test_rounds(rounds):
            assert rounds(1, 10, 100) == {chosen}
        """
    )

    outcome = suite.runpytest_subprocess(*WITHOUT)

    outcome.assert_outcomes(passed=1)


@pytest.mark.slow
def test_an_unknown_size_is_refused(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDAMIOS_TEST_SIZE", "huge")
    suite.makepyfile("import pytest\n@pytest.mark.unit\ndef test_rounds(rounds): pass")

    outcome = suite.runpytest_subprocess(*WITHOUT)

    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*set it to one of fast, ci, soak*"])


@pytest.mark.slow
def test_a_test_that_never_ends_is_ended(
    suite: pytest.Pytester, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDAMIOS_TEST_LOOP", "uvloop")
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    method = settings["tool"]["pytest"]["ini_options"]["timeout_method"]
    suite.makepyfile(
        """
        import asyncio, pytest

        @pytest.mark.unit
        async def test_waiting():
            await asyncio.Event().wait()
        """
    )

    outcome = suite.runpytest_subprocess(
        *WITHOUT, "--timeout=1", f"--timeout-method={method}", timeout=60
    )

    assert outcome.ret == 1
    outcome.stdout.fnmatch_lines(["*Timeout*"])


@pytest.mark.slow
def test_each_nth_case_of_a_sampled_test_is_fast(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest
        @pytest.mark.unit
        @pytest.mark.sampled(3)
        @pytest.mark.parametrize("case", range(6))
        def test_cases(case): pass
        """
    )

    suite.runpytest_subprocess(*WITHOUT, "-m", "not slow").assert_outcomes(passed=2, deselected=4)
    suite.runpytest_subprocess(*WITHOUT, "-m", "slow").assert_outcomes(passed=4, deselected=2)
