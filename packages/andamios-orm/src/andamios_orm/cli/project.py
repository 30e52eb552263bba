"""What the command knows of the project: its database, its models, its folder of revisions."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData

from andamios_command.commands import PROGRAM
from andamios_orm.core import Database, Settings
from andamios_orm.core.settings import pyproject_section
from andamios_orm.exceptions import ConfigurationError
from andamios_orm.migration import MigrationManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from andamios_command.program import Program
    from andamios_orm.core.observe import StatementRecord

__all__ = ["Project", "Value", "imported"]


@dataclass(frozen=True, slots=True)
class Value:
    """A setting and where it comes from."""

    value: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class Project:
    """The settings of a project, each with its origin: flag, environment, pyproject, default."""

    url: Value
    models: Value
    folder: Value
    environment: str | None = None
    watch: Callable[[StatementRecord], None] | None = None
    program: Program = PROGRAM

    @classmethod
    def load(
        cls,
        flags: Mapping[str, str | None],
        *,
        program: Program = PROGRAM,
        environment: str | None = None,
        variables: Mapping[str, str] | None = None,
        pyproject: Path | None = None,
    ) -> Project:
        """Return the settings: a flag wins over a variable, that over pyproject.

        With ``environment``, ``[tool.andamios.environments.NAME]`` wins over ``[tool.andamios]``;
        another program has a section of its own, and may leave nothing to say about models.

        Raises:
            ConfigurationError: pyproject cannot be read, or has no such environment.
        """
        known = os.environ if variables is None else variables
        path = pyproject or Path("pyproject.toml")
        sections = _sections(path, program, environment)
        found: dict[str, Value] = {}
        for name, default in program.defaults.items():
            variable = program.variables.get(name)
            if variable is None:
                found[name] = Value(default, program.name)
            elif flags.get(name) is not None:
                found[name] = Value(flags[name], f"--{name}")
            elif environment is None and known.get(variable):
                found[name] = Value(known[variable], variable)
            else:
                place = next((where for where, each in sections if name in each), None)
                value = next((each[name] for _, each in sections if name in each), default)
                found[name] = Value(value, place or "default")
        return cls(found["url"], found["models"], found["folder"], environment, program=program)

    def settings(self) -> Settings:
        """Return the settings of the database.

        Raises:
            ConfigurationError: nothing names it.
        """
        if self.url.value is None:
            raise ConfigurationError(
                f"no database is named: pass --url duckdb:///file.duckdb, {self._other('url')}"
            )
        return Settings(url=self.url.value)

    def database(self, **options: Any) -> Database:
        """Return the database, which is not opened yet; ``watch`` is told its statements."""
        database = Database(settings=replace(self.settings(), options=options))
        if self.watch is not None:
            database.observer.subscribe(self.watch)
        return database

    def existing(self, **options: Any) -> Database:
        """Return the database, which is not to be made by looking after it.

        Raises:
            ConfigurationError: it is a DuckDB file that is not there.
        """
        path = self.path
        if path is not None and not path.is_file():
            remedy = f": {self.program.name} init makes it" if self.program.prepare else ""
            raise ConfigurationError(f"there is no database {path}{remedy}")
        return self.database(**options)

    def looked_at(self) -> Database:
        """Return the database; in place of a file that can be made, an empty one in memory."""
        path = self.path
        if path is None or path.exists() or not path.parent.is_dir():
            return self.database()
        return replace(self, url=replace(self.url, value="duckdb:///:memory:")).database()

    @property
    def path(self) -> Path | None:
        """The file of a DuckDB database; None for any other database."""
        url = self.settings().parsed_url
        name = url.database or ":memory:"
        return None if url.get_backend_name() != "duckdb" or ":memory:" in name else Path(name)

    def metadata(self) -> list[MetaData]:
        """Return the metadata of the models, which are imported.

        Raises:
            ConfigurationError: nothing names them, or there are none of that name.
        """
        if self.models.value is None:
            raise ConfigurationError(
                f"no models are named: pass --models app.models:Base, {self._other('models')}"
            )
        return [_metadata_of(found, place) for place, found in _at(self.models.value)]

    def names(self) -> dict[str, Any]:
        """Return the models by their names, or the tables where there are only tables."""
        names: dict[str, Any] = {}
        for place, found in _at(self.models.value) if self.models.value else ():
            if hasattr(found, "registry"):
                names |= {each.class_.__name__: each.class_ for each in found.registry.mappers}
            else:
                names |= _metadata_of(found, place).tables
        return names

    def manager(self, database: Database, **options: Any) -> MigrationManager:
        """Return the migrations of the project on its database."""
        if self.program.manager is not None:
            made: MigrationManager = imported(self.program.manager)(database, **options)
            return made
        folder = str(self.folder.value)
        return MigrationManager(database, self.metadata(), folder, **options)

    def _other(self, name: str) -> str:
        """Return what one may do in place of passing ``--url`` or ``--models``."""
        example = {"models": "app.models:Base"}.get(name, "...")
        section = self.program.section
        return (
            f"set {self.program.variables[name]}, or write "
            f'{name} = "{example}" under [tool.{section}] in pyproject.toml'
        )


def imported(place: str) -> Any:
    """Return what is at ``module:name``.

    >>> imported("json:dumps")([])
    '[]'
    """
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _sections(
    path: Path, program: Program, environment: str | None
) -> list[tuple[str, dict[str, Any]]]:
    """Return the parts of pyproject that count, the one that wins first."""
    table = f"tool.{program.section}"
    section = pyproject_section(path, program.section)
    sections = [(f"{path.name} [{table}]", section)]
    if environment is None:
        return sections
    named = section.get("environments", {})
    if environment not in named:
        known = ", ".join(sorted(named)) or "none"
        raise ConfigurationError(
            f"{path.name} has no [{table}.environments.{environment}]; there are: {known}"
        )
    where = f"{path.name} [{table}.environments.{environment}]"
    return [(where, named[environment]), *sections]


def _at(places: str) -> Iterator[tuple[str, Any]]:
    """Yield what is at each ``package.module:name``, with its place."""
    if "" not in sys.path and "." not in sys.path:
        sys.path.insert(0, "")  # a project that is not installed lies in the current folder
    for place in map(str.strip, places.split(",")):
        module_name, _, name = place.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise ConfigurationError(f"the models {place!r} cannot be imported: {error}") from error
        yield place, getattr(module, name or "Base", None)


def _metadata_of(found: Any, place: str) -> MetaData:
    metadata = found if isinstance(found, MetaData) else getattr(found, "metadata", None)
    if not isinstance(metadata, MetaData):
        raise ConfigurationError(
            f"{place!r} names no models: it is a module and a base or metadata, app.models:Base"
        )
    return metadata
