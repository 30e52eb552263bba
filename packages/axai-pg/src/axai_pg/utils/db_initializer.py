"""Sets a database up, for tests and for production, and takes it down again."""

from __future__ import annotations

import runpy
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors, sql

from andamios_orm.exceptions import ConfigurationError, MigrationFailed
from axai_pg import migrations
from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig, Settings
from axai_pg.data.isolation.login import SYSTEM
from axai_pg.utils import sample_data
from axai_pg.utils.roles import ensure_roles, prepare_database
from axai_pg.utils.server import (
    MAINTENANCE,
    connect,
    create_database,
    database_exists,
    drop_database,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from axai_pg.data.config import PostgresPoolConfig
    from axai_pg.data.isolation import IsolatedSession

__all__ = ["DatabaseInitializer", "DatabaseInitializerConfig"]

_REASON: Final = "DatabaseInitializer"
_NOTE: Final = """
SELECT axai_note_operation('system_scope', jsonb_build_object('reason', %s::text))
"""


@dataclass(frozen=True, slots=True)
class DatabaseInitializerConfig:
    """What to set up, and how long to wait for the server (``wait_timeout``, in seconds).

    Without a ``schema_file`` the tables come from ``axai_pg.migrations``; without a
    ``sample_data_script`` the sample data are those of the package. With
    ``auto_drop_on_exit`` a database that was made here goes when the block ends.
    """

    connection_config: PostgresConnectionConfig
    pool_config: PostgresPoolConfig | None = None
    schema_file: str | Path | None = None
    sample_data_script: str | Path | None = None
    auto_create_db: bool = True
    auto_drop_on_exit: bool = False
    wait_timeout: float = 30
    retry_attempts: int = 5

    def __post_init__(self) -> None:
        """Refuse what could not be done."""
        if self.retry_attempts < 1:
            raise ConfigurationError(f"retry_attempts={self.retry_attempts} is below 1")
        if self.wait_timeout < 0:
            raise ConfigurationError(f"wait_timeout={self.wait_timeout} is below 0")

    @classmethod
    def from_env(cls, env_file: str | Path | None = None) -> DatabaseInitializerConfig:
        """Return what ``POSTGRES_…`` and ``AXAI_AUTO_DROP_DB`` say.

        Raises:
            ConfigurationError: a value makes no sense; the file cannot be read.
        """
        return cls(
            PostgresConnectionConfig.from_env(env_file),
            auto_drop_on_exit=Settings.from_env(env_file).auto_drop_db,
        )


class DatabaseInitializer:
    """Makes a database, its tables and the roles of the cluster; each step may be repeated.

    Use it as a context manager: in the end its connections are closed.
    """

    def __init__(self, config: DatabaseInitializerConfig) -> None:
        """Do nothing yet."""
        self.config = config
        self.has_made_it = False
        """Whether the database that is there was made here."""
        self._manager: DatabaseManager | None = None
        self._connection: psycopg.Connection[Any] | None = None
        self._cancelled = threading.Event()

    def __enter__(self) -> Self:
        """Return the initializer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections; drop the database if it was made here and is to go."""
        self._dispose()
        if self.config.auto_drop_on_exit and self.has_made_it:
            self.drop_database()

    # ---- all of it ---------------------------------------------------------------

    def setup_database(self, *, load_sample_data: bool = False, apply_schema: bool = True) -> None:
        """Make the database if it is missing, its tables, and the sample data if asked for.

        Raises:
            ConfigurationError: the database is missing, or the login may not do it.
            DatabaseUnavailable: the server has not answered in time.
            MigrationFailed: the tables could not be made.
        """
        with self._connected(MAINTENANCE) as connection:
            there = database_exists(connection, self._name)
        if not there and not self.config.auto_create_db:
            raise ConfigurationError(
                f"there is no database {self._name}: make it, or leave auto_create_db on"
            )
        if not there:
            self.create_database()
        if apply_schema:
            self.apply_schema()
        if load_sample_data:
            self.load_sample_data()

    def teardown_database(self, *, force: bool = False) -> bool:
        """Close all connections and return whether there was a database to drop.

        Raises:
            ConfigurationError: it was not made here, and ``force`` was not said.
        """
        return self.drop_database(force=force)

    def reset_database(self, *, load_sample_data: bool = False, force: bool = False) -> None:
        """Drop the database and set it up anew.

        Raises:
            ConfigurationError: it was not made here, and ``force`` was not said.
        """
        self.drop_database(force=force)
        self.create_database()
        self.setup_database(load_sample_data=load_sample_data)

    # ---- step by step ------------------------------------------------------------

    def create_database(self) -> bool:
        """Return whether it has made the database: False if it was there.

        Raises:
            ConfigurationError: the login may not make databases.
            DatabaseUnavailable: the server has not answered in time.
        """
        with self._connected(MAINTENANCE) as connection:
            made = not database_exists(connection, self._name) and create_database(
                connection, self._name
            )
        self.has_made_it = self.has_made_it or made
        return made

    def drop_database(self, *, force: bool = False) -> bool:
        """Return whether there was a database to drop; whoever is connected is thrown out.

        Raises:
            ConfigurationError: it was not made here, and ``force`` was not said; or it is
                the server's own.
        """
        self._dispose()
        with self._connected(MAINTENANCE) as connection:
            if not database_exists(connection, self._name):
                return False
            if not self.has_made_it and not force:
                raise ConfigurationError(
                    f"the database {self._name} was not made here: pass force=True to drop it "
                    f"with all that is in it"
                )
            drop_database(connection, self._name)
        self.has_made_it = False
        return True

    def apply_schema(self, schema_file: str | Path | None = None) -> tuple[str, ...]:
        """Return the changes that were deployed, after making the roles that they need.

        A ``schema_file`` is SQL that is run instead of them, in an empty database.

        Raises:
            ConfigurationError: the login may not make the roles; the file cannot be read.
            MigrationFailed: a script was refused; nothing of it is left.
        """
        file = schema_file or self.config.schema_file
        schema = self.config.connection_config.schema
        with self._connected() as connection:
            try:
                ensure_roles(connection)
                prepare_database(connection, schema)
            except errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"{connection.info.user} may not make the roles of axai: let a superuser set "
                    f"the database up once ({error})"
                ) from error
            if file is None:
                return migrations.deploy(connection, schema=schema)
            _run(connection, Path(file))
        return ()

    def load_sample_data(self, script_path: str | Path | None = None) -> None:
        """Load what a script has: SQL, or Python with a function ``load(session)``.

        It acts as an operator, in one transaction; the audit log has which script it was.

        Raises:
            ConfigurationError: the script cannot be read, or has no ``load``.
            MigrationFailed: SQL of it was refused.
        """
        script = script_path or self.config.sample_data_script
        if script is not None and Path(script).suffix != ".py":
            with self._connected() as connection:
                _run(connection, Path(script), reason=f"{_REASON}: {Path(script).name}")
            return
        load = sample_data.load if script is None else _loader(Path(script))
        with self.session_scope() as session:
            load(session)

    # ---- what else one needs -----------------------------------------------------

    def cancel(self) -> None:
        """Let the step that another thread is in fail, where it waits or its statement runs.

        Sample data are a transaction of the manager, and go on.
        """
        self._cancelled.set()
        if self._connection is not None:
            self._connection.cancel_safe()

    def get_connection_config(self) -> PostgresConnectionConfig:
        """Return where the database is."""
        return self.config.connection_config

    def get_database_manager(self) -> DatabaseManager:
        """Return a manager of the database, which is closed with the initializer."""
        if self._manager is None:
            self._manager = DatabaseManager(self.config.connection_config, self.config.pool_config)
        return self._manager

    @contextmanager
    def session_scope(self) -> Iterator[IsolatedSession]:
        """Yield a session of an operator: of all organisations."""
        with self.get_database_manager().system_scope(_REASON) as session:
            yield session

    @property
    def _name(self) -> str:
        return self.config.connection_config.database

    @contextmanager
    def _connected(self, database: str | None = None) -> Iterator[psycopg.Connection[Any]]:
        with connect(
            self.config.connection_config,
            database,
            timeout=self.config.wait_timeout,
            attempts=self.config.retry_attempts,
            pause=self._cancelled.wait,
        ) as connection:
            self._connection = connection
            yield connection

    def _dispose(self) -> None:
        if self._manager is not None:
            self._manager.dispose()
            self._manager = None


def _run(connection: psycopg.Connection[Any], script: Path, *, reason: str | None = None) -> None:
    """Run a file of SQL, which is one transaction if it does not make several of itself.

    With a ``reason`` it is an operator who does it, and the reason stays in the audit log even if
    nothing else does. The connection is not used again: the role stays with it.
    """
    try:
        text = script.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{script} cannot be read: {error}") from error
    try:
        if reason is not None:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(SYSTEM)))
            connection.execute(_NOTE, [reason])
        connection.execute(text)
    except psycopg.Error as error:
        reason = str(error).splitlines()[0]
        raise MigrationFailed(script.name, "deploy", path=script, reason=reason) from error


def _loader(script: Path) -> Any:
    try:
        load = runpy.run_path(str(script)).get("load")
    except OSError as error:
        raise ConfigurationError(f"{script} cannot be read: {error}") from error
    if not callable(load):
        raise ConfigurationError(f"{script} has no function load(session)")
    return load
