"""What the command finds out about a project."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from andamios_orm.cli.project import Project
from andamios_orm.exceptions import ConfigurationError

pytestmark = pytest.mark.unit


def loaded(**flags: str) -> Project:
    return Project.load(flags, variables={})


@pytest.mark.parametrize("form", ["{}", "{} , {}"])
def test_models_are_imported_from_the_current_folder(project: str, form: str) -> None:
    metadata = loaded(models=form.format(project, project)).metadata()

    assert all(set(each.tables) == {"author", "book"} for each in metadata)


def test_a_base_of_models_will_do_and_is_the_default_name(project: str) -> None:
    Path("based.py").write_text(
        "from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase): pass\n"
    )

    (found,) = loaded(models="based").metadata()

    assert isinstance(found, sa.MetaData)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, "no models are named: pass --models app.models:Base"),
        ({"models": "nowhere:Base"}, "'nowhere:Base' cannot be imported: No module named"),
        ({"models": "json:dumps"}, "'json:dumps' names no models"),
    ],
)
def test_models_that_are_none_are_named(project: str, flags: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        loaded(**flags).metadata()


def test_a_database_has_to_be_named(project: str) -> None:
    with pytest.raises(ConfigurationError, match="no database is named: pass --url"):
        loaded().database()


def test_an_unknown_environment_is_refused_with_those_there_are(project: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no .*environments.live.; there are: none"):
        Project.load({}, environment="live", variables={})


def test_a_pyproject_that_cannot_be_read_is_named(project: str) -> None:
    Path("pyproject.toml").write_text("[tool")

    with pytest.raises(ConfigurationError, match=r"pyproject.toml cannot be read"):
        loaded()


def test_variables_are_those_of_the_process(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDAMIOS_FOLDER", "elsewhere")

    assert Project.load({}).folder.value == "elsewhere"
