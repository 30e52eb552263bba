"""The commands that explain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from andamios_orm import exceptions
from andamios_orm.cli.remedies import REMEDIES

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.sampled(10)]

Call: TypeAlias = "Callable[..., Any]"


@pytest.mark.parametrize("name", exceptions.__all__)
def test_each_error_is_explained(call: Call, project: str, name: str) -> None:
    done = call("explain", name.lower())

    assert done.code == 0
    assert done.out.startswith(f"{name}\n\n")
    assert f"\nWhat to do: {REMEDIES[name]}\n" in done.out
    assert f"docs/reference/errors.md#{name.lower()}\n" in done.out


def test_each_error_has_a_remedy() -> None:
    assert list(REMEDIES) == exceptions.__all__


def test_an_unknown_error_gets_a_suggestion(call: Call, project: str) -> None:
    assert "did you mean WriteConflict" in " ".join(
        call("explain", "writeconflikt").err.replace("│", " ").split()
    )
    assert "did you mean" not in call("explain", "xyzzy").err


def test_each_setting_says_where_it_comes_from(
    call: Call, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("pyproject.toml").write_text(
        '[tool.andamios]\nurl = "duckdb:///one.duckdb"\nfolder = "db"\n'
        '[tool.andamios.environments.live]\nurl = "postgresql://me:secret@host/live"\n'
    )
    monkeypatch.setenv("ANDAMIOS_URL", "duckdb:///two.duckdb")

    plain = call("config", "show", "--origin", "--models", "app:Base").out
    live = call("config", "--env", "live", "--json").out

    assert plain == (
        "url     duckdb:///two.duckdb  (ANDAMIOS_URL)\n"
        "models  app:Base  (--models)\n"
        "folder  db  (pyproject.toml [tool.andamios])\n"
    )
    rows = {row["name"]: row for row in json.loads(live)["settings"]}
    assert rows["url"]["value"] == "postgresql://me:***@host/live"
    assert rows["url"]["origin"] == "pyproject.toml [tool.andamios.environments.live]"
    assert (rows["models"]["value"], rows["models"]["origin"]) == (None, "default")
    assert rows["folder"]["origin"] == "pyproject.toml [tool.andamios]"


def test_without_a_database_there_is_no_url(call: Call, project: str) -> None:
    assert call("config").out == "url     -\nmodels  -\nfolder  migrations\n"
