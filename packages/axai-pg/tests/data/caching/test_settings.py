"""What the environment says of a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import ConfigurationError
from axai_pg.data.caching import CacheSettings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def test_an_answer_about_the_graph_is_kept_longer() -> None:
    settings = CacheSettings()

    assert settings.ttl("search") < settings.ttl("default") < settings.ttl("graph")


def test_the_environment_overrides_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "AXAI_CACHE_SIZE=1000\nAXAI_CACHE_TTL=5\nAXAI_CACHE_GRAPH_TTL=\nAXAI_CACHE_URL=redis://x\n"
    )
    monkeypatch.setenv("AXAI_CACHE_TTL", "2.5")

    found = CacheSettings.from_env(file)

    assert found == CacheSettings(size=1000, default_ttl=2.5, url="redis://x")


@pytest.mark.parametrize("value", ["x", "inf", "nan", "1.5", "-1"])
def test_a_variable_that_makes_no_sense_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AXAI_CACHE_SIZE", value)

    with pytest.raises(ConfigurationError, match="is no"):
        CacheSettings.from_env()


@pytest.mark.parametrize(
    "settings",
    [
        {"size": True},
        {"size": 1.5},
        {"default_ttl": 0},
        {"search_ttl": 86_401},
        {"graph_ttl": float("nan")},
        {"graph_ttl": "7"},
        {"graph_ttl": True},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no number"):
        CacheSettings(**settings)


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="none of default, search, graph"):
        CacheSettings().ttl("slow")  # type: ignore[arg-type]  # that is the point
