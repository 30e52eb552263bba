"""Every module that users import from is there, and exports what it defines."""

from __future__ import annotations

import importlib

import pytest

pytestmark = pytest.mark.unit

MODULES = (
    *(f"core.{name}" for name in ("engine", "session", "connection", "transaction")),
    *(
        f"models.{name}"
        for name in ("base", "project", "conversation", "document", "repository", "mixins")
    ),
    *(
        f"schemas.{name}"
        for name in ("project", "conversation", "document", "repository", "common")
    ),
    *(
        f"repositories.{name}"
        for name in ("base", "project", "conversation", "document", "repository")
    ),
    *(f"queries.{name}" for name in ("builder", "filters", "aggregations")),
    *(f"migration.{name}" for name in ("manager", "versions")),
    *(f"testing.{name}" for name in ("fixtures", "database", "factories", "parallel")),
    *(f"cli.{name}" for name in ("main", "database", "migration")),
    *(f"exceptions.{name}" for name in ("database", "validation")),
)


@pytest.mark.parametrize("name", MODULES)
def test_a_promised_module_is_there(name: str) -> None:
    module = importlib.import_module(f"project_architect_db.{name}")

    names = list(getattr(module, "__all__", ()))
    assert all(hasattr(module, each) for each in names)
