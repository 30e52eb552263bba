"""The files beside the package say what the code reads, and nothing else."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from axai_command import PROGRAM
from axai_pg.data.caching import CacheSettings
from axai_pg.data.config import PostgresConnectionConfig, Settings

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).resolve().parent.parent
EXAMPLE = FOLDER / ".env.example"
COMPOSE = ["docker-compose.yml", "docker-compose.standalone-test.yml"]


class Recorded(dict[str, str]):
    """An environment without anything, that knows what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """Return nothing, and remember the name."""
        self.asked.add(name)
        return default


@pytest.fixture
def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing in the environment that a file is overridden by."""
    for name in [name for name in os.environ if name.startswith(("POSTGRES_", "AXAI_"))]:
        monkeypatch.delenv(name)


def test_the_example_has_every_setting_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Recorded()
    for module in ("config.settings", "config.connection", "caching.settings"):
        monkeypatch.setattr(f"axai_pg.data.{module}.read_environment", lambda _file: environment)
    PostgresConnectionConfig.from_env()
    Settings.from_env()
    CacheSettings.from_env()

    names = set(re.findall(r"^#? ?([A-Z]+_[A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert names == environment.asked | set(PROGRAM.variables.values())


@pytest.mark.usefixtures("without_environment")
def test_the_values_of_the_example_are_the_defaults() -> None:
    assert PostgresConnectionConfig.from_env(EXAMPLE) == PostgresConnectionConfig()
    assert Settings.from_env(EXAMPLE) == Settings()
    assert CacheSettings.from_env(EXAMPLE) == CacheSettings()


@pytest.mark.usefixtures("without_environment")
def test_the_settings_for_tests_are_those_of_the_container() -> None:
    config = PostgresConnectionConfig.from_env(FOLDER / ".env.test")
    server = yaml.safe_load((FOLDER / COMPOSE[0]).read_text())["services"]["axai-pg-test"]

    assert Settings.from_env(FOLDER / ".env.test").auto_drop_db
    assert config.password == server["environment"]["POSTGRES_PASSWORD"]
    assert server["ports"] == [f"127.0.0.1:{config.port}:5432"]


@pytest.mark.parametrize("name", COMPOSE)
def test_the_commands_of_containers_are_commands(name: str) -> None:
    services = yaml.safe_load((FOLDER / name).read_text())["services"]
    lines = [
        shlex.split(line.strip("& "))[1:]
        for service in services.values()
        for text in service.get("command", [])
        for line in re.split(r"&&|\n", text)
        if line.strip().startswith("axai-pg")
    ]

    assert lines
    for command, *options in lines:
        with click.Context(click.Group()) as context:
            PROGRAM.command(command).parse_args(context, options)


def test_the_containers_have_the_names_that_were_promised() -> None:
    found = {
        service.get("container_name")
        for name in COMPOSE
        for service in yaml.safe_load((FOLDER / name).read_text())["services"].values()
    }

    assert {"axai-pg-test", "axai-pg-test-runner", "axai-pg-dev"} <= found
