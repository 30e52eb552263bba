"""The two dialects behind ``duckdb://``: one async, one blocking, on the same databases.

SQL, types and reflection are ``duckdb-sqlalchemy``'s; everything that does I/O
is ours.
"""

from __future__ import annotations

import sys
import threading
import weakref
from importlib import import_module
from typing import TYPE_CHECKING, Any

import duckdb
import duckdb_sqlalchemy
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.base import PGExecutionContext
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.schema import Index
from sqlalchemy.sql.compiler import InsertmanyvaluesSentinelOpts
from sqlalchemy.types import NullType

from andamios_orm.dialect.adapter import AsyncConnection, BlockingConnection
from andamios_orm.dialect.binds import CheckedCompiler
from andamios_orm.dialect.ddl import DDLCompiler, IdentifierPreparer
from andamios_orm.dialect.greenlets import await_, in_greenlet
from andamios_orm.dialect.inserts import ROWS_PER_BATCH, ColumnInsert
from andamios_orm.dialect.options import parse_options
from andamios_orm.dialect.pool import AsyncFairPool, BlockingPool
from andamios_orm.dialect.reflection import Reflection
from andamios_orm.dialect.registry import registry
from andamios_orm.dialect.translation import nested_unsupported
from andamios_orm.dialect.types import COLSPECS, AnyValue
from andamios_orm.dialect.worker import Worker
from andamios_orm.exceptions import ConfigurationError, DatabaseFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Connection, Engine, ExceptionContext
    from sqlalchemy.pool import Pool

    from andamios_orm.dialect.database import DuckDBDatabase

__all__ = ["AsyncDuckDBDialect", "DuckDBDialect"]


class _Unset:
    """The default of an option for which None means something."""


_UNSET = _Unset()


class _Holder:
    """An engine's reference to its database; it outlives the engine until released."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.database: DuckDBDatabase | None = None


def _release(holder: _Holder) -> None:
    with holder.lock:
        database, holder.database = holder.database, None
    if database is not None:
        registry.release(database)


def _keep_connection(context: ExceptionContext) -> None:
    """Keep a connection on which a time limit ran out; to SQLAlchemy a TimeoutError ends it."""
    if isinstance(context.original_exception, DatabaseFault):
        context.is_disconnect = False


def _bad_url(url: URL) -> ConfigurationError:
    return ConfigurationError(
        f"{url.render_as_string(hide_password=True)} names a server, but DuckDB is a file: use "
        f"duckdb:///relative.duckdb, duckdb:////absolute.duckdb or duckdb:///:memory:"
    )


class DuckDBExecutionContext(PGExecutionContext):
    """One execution, which passes its options on to the cursor."""

    def create_default_cursor(self) -> Any:
        return self._configured(self._dbapi_connection.cursor())

    def create_server_side_cursor(self) -> Any:
        cursor = self._configured(self._dbapi_connection.cursor(server_side=True))
        batch = self.execution_options.get("yield_per") or self.execution_options.get(
            "max_row_buffer"
        )
        if batch:
            cursor.batch = int(batch)
        return cursor

    def _configured(self, cursor: Any) -> Any:
        options = self.execution_options
        if options:
            if "statement_timeout" in options:
                cursor.timeout = options["statement_timeout"]
            cursor.wants_arrow = bool(options.get("arrow"))
            cursor.at_commit = options.get("at_commit")
            cursor.tables = options.get("tables")
            cursor.meanwhile = options.get("meanwhile")
            size = options.get("arraysize")
            if size:
                cursor.arraysize = size
        cursor.hide_parameters = self.engine.hide_parameters
        return cursor

    @property
    def arrow(self) -> Any:
        """The result as a ``pyarrow.Table``, if it was asked for with ``arrow=True``."""
        return self.cursor.arrow

    def _setup_result_proxy(self) -> Any:
        rows = getattr(self, "_insertmanyvalues_rows", None)
        if rows is not None:
            cursor: Any = self.cursor
            self._rowcount = cursor.rowcount = len(rows)
        return super()._setup_result_proxy()  # type: ignore[no-untyped-call]  # SQLAlchemy's


class _Dialect(Reflection):
    """What both dialects share."""

    driver = "andamios"
    supports_comments = True
    execution_ctx_cls: Any = DuckDBExecutionContext
    preparer: Any = IdentifierPreparer
    ddl_compiler = DDLCompiler
    statement_compiler = CheckedCompiler
    colspecs = {**duckdb_sqlalchemy.Dialect.colspecs, **COLSPECS}  # noqa: RUF012 - SQLAlchemy's own form
    construct_arguments = [(Index, {"index": True, "where": None})]  # noqa: RUF012 - SQLAlchemy's own name and form
    insertmanyvalues_page_size = ROWS_PER_BATCH
    insertmanyvalues_implicit_sentinel = InsertmanyvaluesSentinelOpts.ANY_AUTOINCREMENT
    has_terminate = True
    runs_at_commit = True
    supports_server_side_cursors = True

    # Not keyword-only: create_engine() looks for its arguments among the positional names.
    def __init__(  # noqa: PLR0913, PLR0917 - one for each option
        self,
        threads: int | None = None,
        read_only: bool | None = None,  # noqa: FBT001
        hardened: bool | None = None,  # noqa: FBT001
        allow: Any = None,
        extensions: Any = None,
        foreign_keys: str | None = None,
        statement_timeout: Any = _UNSET,
        write_timeout: Any = _UNSET,
        running_statements: int | None = None,
        exact_decimal_division: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> None:
        super().__init__(exact_decimal_division=exact_decimal_division, **kwargs)
        given = {
            "threads": threads,
            "read_only": read_only,
            "hardened": hardened,
            "allow": allow,
            "extensions": extensions,
            "foreign_keys": foreign_keys,
            "running_statements": running_statements,
        }
        self._arguments = {name: value for name, value in given.items() if value is not None}
        if statement_timeout is not _UNSET:
            self._arguments["statement_timeout"] = statement_timeout
        if write_timeout is not _UNSET:
            self._arguments["write_timeout"] = write_timeout
        self.options = parse_options(self._arguments)
        self.holder = _Holder()
        self._place = ":memory:"

    def type_descriptor(self, typeobj: Any) -> Any:
        """Return this dialect's form of a type; an unknown one reads what the driver tells."""
        found = super().type_descriptor(typeobj)
        return AnyValue() if isinstance(found, NullType) else found

    # ---- engines -------------------------------------------------------------

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """Drop the engine's reference to its database when it is disposed of or forgotten."""
        dialect: Any = engine.dialect
        event.listen(engine, "engine_disposed", lambda _: dialect.release_database())
        event.listen(engine, "handle_error", _keep_connection)
        weakref.finalize(engine, _release, dialect.holder).atexit = False

    def create_connect_args(self, url: URL) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the options in ``url``; the database itself is remembered here."""
        if url.host or url.username or url.password or url.port:
            raise _bad_url(url)
        self._place = url.database or ":memory:"
        self.options = parse_options(dict(url.query), self._arguments)
        return (), {"url_options": dict(url.query)}

    def open_database(
        self, url_options: dict[str, Any], arguments: dict[str, Any]
    ) -> DuckDBDatabase:
        """Return this engine's database, opened; blocks the first time."""
        holder = self.holder
        with holder.lock:
            if holder.database is None:
                self.options = parse_options(url_options, self._arguments, arguments)
                holder.database = registry.acquire(self._place, self.options)
            return holder.database

    def release_database(self) -> None:
        """Give up the engine's reference; off the loop if there is one."""
        if in_greenlet():
            worker = Worker("andamios-closing")
            try:
                await_(worker.submit(_release, self.holder))
            finally:
                worker.stop()
        else:
            _release(self.holder)

    def gate_holder(self) -> Any:
        """Return the task or thread inside the write gate, if any."""
        database = self.holder.database
        holder = database.gate.holder if database is not None else None
        return holder.owner.key if holder is not None else None

    def initialize(self, connection: Connection) -> None:
        """Learn nothing that is not known already: DuckDB's version is the driver's."""
        if "alembic" in sys.modules:
            import_module("andamios_orm.dialect.alembic_impl")
        DefaultDialect.initialize(self, connection)

    # ---- connections ---------------------------------------------------------

    def do_begin(self, dbapi_connection: Any) -> None:
        """Do nothing: BEGIN travels with the first statement."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back, unless ``skip_autocommit_rollback`` was asked for and nothing has begun."""
        if not (self.skip_autocommit_rollback and dbapi_connection.autocommit):
            dbapi_connection.rollback()

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit."""
        dbapi_connection.commit()

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close a connection without waiting for it; nothing is awaited here."""
        dbapi_connection.terminate()

    def do_savepoint(self, connection: Connection, name: str) -> None:
        """Refuse: DuckDB has none."""
        raise nested_unsupported()

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Run one statement."""
        cursor.execute(statement, parameters)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        """Run one statement that has no parameters."""
        cursor.execute(statement, None)

    def do_executemany(
        self, cursor: Any, statement: str, parameters: Any, context: Any = None
    ) -> None:
        """Run one statement once for each set of parameters, in one hop."""
        cursor.executemany(statement, parameters)

    def is_disconnect(self, e: Exception, connection: Any, cursor: Any) -> bool:
        """Whether the connection is of no use any more."""
        return isinstance(e, duckdb.ConnectionException)

    def _deliver_insertmanyvalues_batches(
        self,
        connection: Any,
        cursor: Any,
        statement: str,
        parameters: Any,
        generic_setinputsizes: Any,
        context: Any,
    ) -> Iterator[Any]:
        by_column = ColumnInsert.of(self, context, statement, parameters)
        if by_column is None:
            yield from super()._deliver_insertmanyvalues_batches(  # type: ignore[no-untyped-call]  # SQLAlchemy's
                connection, cursor, statement, parameters, generic_setinputsizes, context
            )
            return
        size = context.execution_options.get(
            "insertmanyvalues_page_size", self.insertmanyvalues_page_size
        )
        returned: list[Any] | None = [] if context.compiled.effective_returning else None
        if returned is not None:
            context._insertmanyvalues_rows = returned  # noqa: SLF001 - where SQLAlchemy looks for them
        for batch in by_column.batches(parameters, size):
            yield batch
            if returned is not None:
                returned.extend(cursor.fetchall())

    # PGDialect_psycopg2 asks the server; DuckDB's transactions are always snapshots.

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """Return the fair pool of this kind of engine."""
        return AsyncFairPool if cls.is_async else BlockingPool


class DuckDBDialect(_Dialect):
    """``create_engine("duckdb:///file")``: statements run on the calling thread."""

    supports_statement_cache = True

    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        """Return a connection to the engine's database."""
        url_options = cparams.pop("url_options", {})
        database = self.open_database(url_options, cparams)
        return BlockingConnection(database, self.options)

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[AsyncDuckDBDialect]:
        """Return the async twin, so that one URL serves both kinds of engine."""
        return AsyncDuckDBDialect


class AsyncDuckDBDialect(_Dialect):
    """``create_async_engine("duckdb:///file")``: statements run on a thread per connection."""

    is_async = True
    supports_statement_cache = True

    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        """Return a connection; the first one of an engine opens the database, off the loop."""
        url_options = cparams.pop("url_options", {})
        database = self.holder.database
        if database is not None:
            return AsyncConnection(database, self.options, database.crew.hire())
        worker = Worker("andamios-duckdb")
        try:
            database = await_(worker.submit(self.open_database, url_options, cparams))
        except BaseException:
            worker.stop()
            raise
        return AsyncConnection(database, self.options, worker)

    def get_driver_connection(self, connection: Any) -> Any:
        """Return the facade that runs functions on the connection's thread."""
        return connection._connection  # noqa: SLF001 - SQLAlchemy's name
