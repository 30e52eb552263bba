"""Deploys, reverts and verifies changes without Sqitch, and leaves what Sqitch would leave.

Each change is one transaction, together with its rows in the registry: a script that
fails, or does not verify, leaves the database as it was after the change before it.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from sqlalchemy import URL, make_url

from andamios_orm.exceptions import (
    DatabaseUnavailable,
    MigrationFailed,
    MigrationLocked,
    MigrationRefused,
)
from axai_pg.migrations.plan import FOLDER, Change, Plan, read_plan
from axai_pg.migrations.registry import Committer, Event, Registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from axai_pg.migrations.script import Script

__all__ = ["Problem", "Runner", "Status", "deploy", "log", "revert", "status", "verify"]

Target = str | URL | psycopg.Connection[Any]
"""A URL of a database, or a connection that is in no transaction."""

_LOCK: Final = 75_474_063  # the number that Sqitch locks
_PAUSE: Final = 0.05
_HOLDER: Final = """
SELECT activity.usename, activity.application_name, activity.pid
FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
WHERE locktype = 'advisory' AND classid = 0 AND objid = %s AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """A change that is not in the database as its script wants it, and why."""

    change: str
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database is: names of changes.

    ``changed`` are deployed, by a script that has been another one since.
    """

    project: str
    deployed: tuple[str, ...]
    pending: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def current(self) -> str | None:
        """The last change that is deployed."""
        return self.deployed[-1] if self.deployed else None


def deploy(
    target: Target,
    to: str | None = None,
    *,
    verify: bool = True,
    schema: str = "public",
    folder: Path = FOLDER,
) -> tuple[str, ...]:
    """Return the names of the changes that it has deployed, up to ``to`` or to the last.

    Raises:
        MigrationFailed: a script was refused; the changes before it are deployed.
        MigrationLocked: somebody else deploys.
        MigrationRefused: the database is not in a state of this plan, or is past ``to``; a
            script would end the transaction that it runs in; or a change conflicts with one
            that is deployed. Nothing was deployed.
    """
    with _opened(target) as connection:
        return Runner(connection, folder, schema=schema).deploy(to, verify=verify)


def revert(
    target: Target, to: str | None = None, *, schema: str = "public", folder: Path = FOLDER
) -> tuple[str, ...]:
    """Return the names of the changes that it has reverted: those after ``to``, or all.

    Raises:
        MigrationFailed: a script was refused; the changes after it are reverted.
        MigrationLocked: somebody else deploys.
        MigrationRefused: the database is not in a state of this plan, or ``to`` is not deployed,
            or a script would end the transaction that it runs in.
    """
    with _opened(target) as connection:
        return Runner(connection, folder, schema=schema).revert(to)


def verify(target: Target, *, schema: str = "public", folder: Path = FOLDER) -> tuple[Problem, ...]:
    """Return what is wrong with the changes that are deployed.

    Raises:
        MigrationRefused: the database is not in a state of this plan, or a script would end
            the transaction that it runs in.
    """
    with _opened(target) as connection:
        return Runner(connection, folder, schema=schema).verify()


def status(target: Target, *, folder: Path = FOLDER) -> Status:
    """Return which changes are deployed, and which are not yet."""
    with _opened(target) as connection:
        return Runner(connection, folder).status()


def log(target: Target, *, limit: int | None = None, folder: Path = FOLDER) -> list[Event]:
    """Return what has been deployed and reverted, and what has failed, newest first."""
    with _opened(target) as connection:
        return Registry(connection).events(read_plan(folder).project, limit)


class Runner:
    """Runs the plan in ``folder`` on one connection; tables go to ``schema``."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        folder: Path = FOLDER,
        *,
        schema: str = "public",
        wait: float = 60.0,
    ) -> None:
        """Read the plan; ``wait`` is how many seconds to wait for another deployment."""
        self.plan: Plan = read_plan(folder)
        self._connection = connection
        self._schema = schema
        self._wait = wait
        login = connection.info.user
        self._committer = Committer(login, f"{login}@localhost")
        self._registry = Registry(connection)

    def deploy(self, to: str | None = None, *, verify: bool = True) -> tuple[str, ...]:
        """Return the names of the changes that it has deployed."""
        last = len(self.plan.changes) - 1 if to is None else self.plan.position(to)
        with self._locked():
            with self._connection.transaction():
                self._registry.make(self.plan.project, self._committer)
            there = self._position()
            if last < there - 1:
                raise MigrationRefused(
                    f"the database is past {to}: revert to it, do not deploy to it"
                )
            waiting = self.plan.changes[there : last + 1]
            _read(waiting, "deploy", "verify", "revert")
            for change in waiting:
                self._refuse_conflicts(change)
            for change in waiting:
                self._deploy(change, verify=verify)
        return tuple(change.name for change in waiting)

    def revert(
        self, to: str | None = None, *, expected: Sequence[str] | None = None
    ) -> tuple[str, ...]:
        """Return the names of the changes that it has reverted, in that order.

        Raises:
            MigrationRefused: they would not be the ``expected`` ones, or as for ``revert()``.
        """
        first = 0 if to is None else self.plan.position(to) + 1
        with self._locked():
            there = self._position()
            if there < first:
                raise MigrationRefused(f"{to} is not deployed, so nothing is reverted to it")
            going = self.plan.changes[first:there][::-1]
            names = tuple(change.name for change in going)
            if expected is not None and names != tuple(expected):
                raise MigrationRefused(
                    f"others have deployed or reverted meanwhile: it would revert "
                    f"{', '.join(names) or 'nothing'} now; look again"
                )
            _read(going, "revert")
            for change in going:
                self._revert(change)
        return names

    def verify(self) -> tuple[Problem, ...]:
        """Return what is wrong with the changes that are deployed."""
        problems = []
        deployed = self.plan.changes[: self._position()]
        _read(deployed, "verify")
        for change in deployed:
            try:
                with self._connection.transaction(force_rollback=True):
                    self._verify(change)
            except MigrationFailed as failure:
                problems.append(Problem(change.name, failure.reason))
        return tuple(problems)

    def status(self) -> Status:
        """Return which changes are deployed, and which are not yet."""
        there = self._position()
        hashes = {key: digest for key, _, digest in self._registry.deployed(self.plan.project)}
        deployed = self.plan.changes[:there]
        return Status(
            self.plan.project,
            tuple(change.name for change in deployed),
            tuple(change.name for change in self.plan.changes[there:]),
            tuple(each.name for each in deployed if hashes[each.id] != each.script_hash),
        )

    # ---- one change ------------------------------------------------------------

    def _deploy(self, change: Change, *, verify: bool) -> None:
        script = _required(change, "deploy")
        try:
            if script.framed:
                self._make(change, script, verify=verify)
            else:
                self._make_alone(change, script, verify=verify)
        except MigrationFailed:
            if not self._connection.closed:
                with self._connection.transaction():
                    self._registry.log_fail(change, self._committer)
            raise

    def _make(self, change: Change, script: Script, *, verify: bool) -> None:
        with self._connection.transaction():
            self._registry.lock()
            if script.framed:
                self._run(change, script, "deploy")
            if verify:
                with self._connection.transaction(force_rollback=True):
                    self._verify(change)
            self._registry.log_deploy(self.plan, change, self._committer)

    def _make_alone(self, change: Change, script: Script, *, verify: bool) -> None:
        """Make what cannot be made in a transaction; take it back if it does not verify."""
        self._run(change, script, "deploy")
        try:
            self._make(change, script, verify=verify)
        except MigrationFailed:
            self._run(change, _required(change, "revert"), "revert")
            raise

    def _revert(self, change: Change) -> None:
        script = _required(change, "revert")
        if not script.framed:
            self._run(change, script, "revert")
        with self._connection.transaction():
            self._registry.lock()
            if script.framed:
                self._run(change, script, "revert")
            self._registry.log_revert(change, self._committer)

    def _verify(self, change: Change) -> None:
        script = change.script("verify")
        if script is not None:
            self._run(change, script, "verify")

    def _run(self, change: Change, script: Script, direction: str) -> None:
        """Run a script in its schema; then be who and where we were."""
        before = self._set(search_path=sql.Identifier(self._schema).as_string(self._connection))
        try:
            self._send(change, script, direction)
        finally:
            # A transaction that has failed is rolled back, and this with it.
            status = self._connection.info.transaction_status
            if status in {TransactionStatus.IDLE, TransactionStatus.INTRANS}:
                self._set(**before)

    def _send(self, change: Change, script: Script, direction: str) -> None:
        try:
            self._connection.execute(script.body.encode())
        except psycopg.Error as error:
            reason = str(error).splitlines()[0]
            raise MigrationFailed(
                change.name, direction, path=script.path, reason=reason
            ) from error

    def _set(self, **settings: str) -> dict[str, str]:
        """Set what is given; return who and where we were before."""
        names = ("search_path", "role")
        before = {name: self._value(name) for name in names}
        local = self._connection.info.transaction_status != TransactionStatus.IDLE
        for name, value in settings.items():
            self._connection.execute("SELECT set_config(%s, %s, %s)", [name, value, local])
        return before

    def _value(self, name: str) -> str:
        [(value,)] = self._cursor().execute("SELECT current_setting(%s)", [name]).fetchall()
        return str(value)

    # ---- the whole database ------------------------------------------------------

    def _position(self) -> int:
        """Return how many changes of the plan are deployed.

        Raises:
            MigrationRefused: those that are deployed are not the first ones of the plan.
        """
        found = self._registry.deployed(self.plan.project)
        planned = [change.id for change in self.plan.changes]
        for place, (key, name, _) in enumerate(found):
            if planned[place : place + 1] != [key]:
                raise MigrationRefused(
                    f"the database has the change {name} ({key}), which this plan has not at "
                    f"this place: it was deployed from another plan"
                )
        return len(found)

    def _refuse_conflicts(self, change: Change) -> None:
        """Refuse a change whose conflict is deployed, or would be before it."""
        for conflict in change.conflicts:
            project, _, name = conflict.rpartition(":")
            if project in {"", self.plan.project}:
                there = self.plan.has_before(change, name)
            else:
                there = any(
                    name in {key, found} for key, found, _ in self._registry.deployed(project)
                )
            if there:
                raise MigrationRefused(
                    f"{change.name} conflicts with {conflict}, which is deployed before it: "
                    f"revert {conflict}, or leave !{conflict} out of the plan"
                )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only one who deploys, as Sqitch sees to it."""
        deadline = time.monotonic() + self._wait
        while not self._lock("pg_try_advisory_lock"):
            if time.monotonic() > deadline:
                raise MigrationLocked(self._wait, self._holder())
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            if not self._connection.closed:
                self._lock("pg_advisory_unlock")

    def _lock(self, function: str) -> bool:
        statement = sql.SQL("SELECT {}(%s)").format(sql.Identifier(function))
        [(done,)] = self._cursor().execute(statement, [_LOCK]).fetchall()
        return bool(done)

    def _holder(self) -> str:
        found = self._cursor().execute(_HOLDER, [_LOCK]).fetchone()
        return "another process" if found is None else "{} ({}, process {})".format(*found)

    def _cursor(self) -> psycopg.Cursor[tuple[Any, ...]]:
        """Return a cursor that reads rows by position, whatever the connection's do."""
        return self._connection.cursor(row_factory=tuple_row)


def _read(changes: Iterable[Change], *kinds: str) -> None:
    """Refuse a script that ends its transaction before any other one is run."""
    for change in changes:
        for kind in kinds:
            change.script(kind)


def _required(change: Change, kind: str) -> Script:
    script = change.script(kind)
    if script is None:
        raise MigrationRefused(f"{change.name} has no script to {kind} it")
    return script


@contextmanager
def _opened(target: Target) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection on which each statement commits."""
    if isinstance(target, psycopg.Connection):
        if target.info.transaction_status != TransactionStatus.IDLE:
            raise MigrationRefused("the connection is in a transaction: commit it, or roll it back")
        before, target.autocommit = target.autocommit, True
        try:
            yield target
        finally:
            with suppress(psycopg.OperationalError):  # the connection has broken
                target.autocommit = before
        return
    url = make_url(target).set(drivername="postgresql")
    try:
        connection = psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{url!r} does not answer: {error}", orig=error) from error
    with connection:
        yield connection
