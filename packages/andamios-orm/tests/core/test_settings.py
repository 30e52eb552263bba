from pathlib import Path

import pytest

from andamios_orm import Settings
from andamios_orm.core.settings import url_of
from andamios_orm.exceptions import AndamiosError, ConfigurationError

pytestmark = pytest.mark.unit

NOWHERE = Path("no-such-pyproject.toml")


def written(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_later_source_overrides_an_earlier_one(tmp_path: Path) -> None:
    pyproject = written(
        tmp_path, '[tool.andamios]\nurl = "duckdb:///a"\npool_size = 1\nmax_overflow = 1\n'
    )
    environment = {"ANDAMIOS_POOL_SIZE": "2", "ANDAMIOS_MAX_OVERFLOW": "2"}

    settings = Settings.load(environment=environment, pyproject=pyproject, max_overflow=3)

    assert (settings.url, settings.pool_size, settings.max_overflow) == ("duckdb:///a", 2, 3)


def test_the_url_given_wins() -> None:
    settings = Settings.load(
        "duckdb:///given", environment={"ANDAMIOS_URL": "duckdb:///found"}, pyproject=NOWHERE
    )

    assert settings.url == "duckdb:///given"


def test_nothing_given_is_a_memory_database() -> None:
    assert Settings.load(environment={}, pyproject=NOWHERE) == Settings()


def test_the_environment_and_the_pyproject_here_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "[tool.andamios]\nslow_query = 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANDAMIOS_URL", "duckdb:///from-the-environment")

    settings = Settings.load()

    assert (settings.url, settings.slow_query) == ("duckdb:///from-the-environment", 2.0)


def test_what_the_command_reads_there_is_no_option_of_the_database(tmp_path: Path) -> None:
    pyproject = written(
        tmp_path,
        "[tool.andamios]\nurl = 'duckdb:///a'\nmodels = 'app:Base'\nfolder = 'm'\n"
        "[tool.andamios.environments.live]\nurl = 'duckdb:///b'\n",
    )

    assert Settings.load(environment={}, pyproject=pyproject) == Settings(url="duckdb:///a")


def test_a_pyproject_without_the_section_says_nothing(tmp_path: Path) -> None:
    pyproject = written(tmp_path, "[tool.other]\nurl = 'x'\n")

    assert Settings.load(environment={}, pyproject=pyproject) == Settings()


@pytest.mark.parametrize("content", [b"[tool", b"\xff"], ids=["no TOML", "no UTF-8"])
def test_a_pyproject_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"pyproject\.toml cannot be read"):
        Settings.load(environment={}, pyproject=path)


def test_the_prefix_of_the_environment_can_be_another() -> None:
    environment = {"PAD_URL": "duckdb:///pad", "ANDAMIOS_URL": "duckdb:///other"}

    settings = Settings.load(environment=environment, pyproject=NOWHERE, prefix="PAD_")

    assert settings.url == "duckdb:///pad"


def test_variables_that_are_no_settings_are_left_alone() -> None:
    environment = {"ANDAMIOS_TEST_SIZE": "soak", "ANDAMIOS_OPTIONS": "x"}

    assert Settings.load(environment=environment, pyproject=NOWHERE) == Settings()


@pytest.mark.parametrize(("text", "flag"), [("Yes", True), ("off", False), ("1", True)])
def test_flags_are_read_from_words(text: str, *, flag: bool) -> None:
    settings = Settings.load(environment={"ANDAMIOS_ECHO": text}, pyproject=NOWHERE)

    assert settings.echo is flag


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("echo", "perhaps", "neither true nor false"),
        ("pool_size", "many", "not a number"),
        ("pool_timeout", "soon", "not a number"),
        ("pool_size", -1, "below 0"),
        ("query_cache_size", -1, "below 0"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name: str, value: object, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}=.*{complaint}"):
        Settings().with_values({name: value})


def test_a_url_that_cannot_be_read_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"duckdb:///file\.duckdb") as caught:
        Settings(url="canary")

    assert "canary" not in str(caught.value)
    assert isinstance(caught.value, AndamiosError)
    assert isinstance(caught.value, ValueError)


def test_none_means_the_default() -> None:
    settings = Settings(pool_size=3, echo=True).with_values({"pool_size": None, "echo": None})

    assert settings == Settings()


def test_names_that_are_not_settings_become_options() -> None:
    settings = Settings(options={"threads": 1}).with_values(
        {"options": {"memory_limit": "1GB"}, "write_timeout": 2}
    )

    assert settings.options == {"threads": 1, "memory_limit": "1GB", "write_timeout": 2}


def test_the_url_is_there_in_its_parts() -> None:
    assert Settings(url="duckdb:///file.duckdb").parsed_url.database == "file.duckdb"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:canary@host/name",
        "postgresql+psycopg://user@host/name?password=canary",
        "duckdb:///file.duckdb?s3_access_key_id=canary",
        "duckdb:///file.duckdb?motherduck_TOKEN=canary",
    ],
)
def test_secrets_are_never_shown(url: str) -> None:
    settings = Settings(url=url, options={"client_secret": "canary"}, pool_size=3)

    assert "canary" not in repr(settings) + str(settings) + settings.safe_url
    assert "***" in settings.safe_url
    assert "pool_size=3, options=['client_secret']" in repr(settings)


def test_a_url_without_secrets_is_shown_as_it_is() -> None:
    assert repr(Settings(url="duckdb:///f?threads=2")) == "Settings(url='duckdb:///f?threads=2')"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().url = "x"  # type: ignore[misc]  # what is being tested


@pytest.mark.parametrize("name", ["shop.duckdb", "/a b/#1.duckdb", "~/x.duckdb", ":memory:"])
def test_the_path_of_a_file_becomes_a_url(name: str) -> None:
    assert Settings(url=url_of(name)).parsed_url.database == name
    assert Settings(url=url_of(Path(name))).parsed_url.database == name


def test_a_url_stays_as_it_is() -> None:
    assert url_of("postgresql+psycopg://ana:secret@host/shop") == (
        "postgresql+psycopg://ana:secret@host/shop"
    )
