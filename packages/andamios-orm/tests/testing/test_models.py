from __future__ import annotations

import pytest
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from andamios_orm.exceptions import ConfigurationError
from andamios_orm.testing import models
from andamios_orm.testing.models import metadata_named

pytestmark = pytest.mark.unit


class Base(DeclarativeBase):
    """A base of no models."""


def test_nothing_is_no_table() -> None:
    assert metadata_named("").tables == {}


@pytest.mark.parametrize(
    "place", ["andamios_orm.testing.models:Base", "andamios_orm.testing.models"]
)
def test_a_base_has_the_tables(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(models, "Base", Base, raising=False)

    assert metadata_named(place) is Base.metadata


def test_a_metadata_is_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    own = MetaData()
    monkeypatch.setattr(models, "tables", own, raising=False)

    assert metadata_named("andamios_orm.testing.models:tables") is own


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere.models:Base", "No module named 'nowhere'"),
        ("andamios_orm:Base", "no attribute 'Base'"),
        ("andamios_orm:run", "neither a base of models nor a MetaData"),
    ],
)
def test_a_place_without_models_is_refused(place: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        metadata_named(place)
