"""What a database knows about its changes: the tables of Sqitch, written as Sqitch does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg.rows import tuple_row

if TYPE_CHECKING:
    import datetime as dt

    import psycopg

    from axai_pg.migrations.plan import Change, Plan

__all__ = ["Committer", "Event", "Registry"]

_VERSION: Final = 1.1
_TABLES: Final[LiteralString] = """
CREATE SCHEMA IF NOT EXISTS sqitch;
COMMENT ON SCHEMA sqitch IS 'Sqitch database deployment metadata v1.1.';
CREATE TABLE sqitch.releases (
    version real PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    installer_name text NOT NULL,
    installer_email text NOT NULL
);
CREATE TABLE sqitch.projects (
    project text PRIMARY KEY,
    uri text UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    creator_name text NOT NULL,
    creator_email text NOT NULL
);
CREATE TABLE sqitch.changes (
    change_id text PRIMARY KEY,
    script_hash text,
    change text NOT NULL,
    project text NOT NULL REFERENCES sqitch.projects (project) ON UPDATE CASCADE,
    note text NOT NULL DEFAULT '',
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamptz NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL,
    UNIQUE (project, script_hash)
);
CREATE TABLE sqitch.tags (
    tag_id text PRIMARY KEY,
    tag text NOT NULL,
    project text NOT NULL REFERENCES sqitch.projects (project) ON UPDATE CASCADE,
    change_id text NOT NULL REFERENCES sqitch.changes (change_id) ON UPDATE CASCADE,
    note text NOT NULL DEFAULT '',
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamptz NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL,
    UNIQUE (project, tag)
);
CREATE TABLE sqitch.dependencies (
    change_id text NOT NULL
        REFERENCES sqitch.changes (change_id) ON UPDATE CASCADE ON DELETE CASCADE,
    type text NOT NULL,
    dependency text NOT NULL,
    dependency_id text REFERENCES sqitch.changes (change_id) ON UPDATE CASCADE
        CONSTRAINT dependencies_check CHECK (
            (type = 'require' AND dependency_id IS NOT NULL)
            OR (type = 'conflict' AND dependency_id IS NULL)
        ),
    PRIMARY KEY (change_id, dependency)
);
CREATE TABLE sqitch.events (
    event text NOT NULL
        CONSTRAINT events_event_check CHECK (event IN ('deploy', 'revert', 'fail', 'merge')),
    change_id text NOT NULL,
    change text NOT NULL,
    project text NOT NULL REFERENCES sqitch.projects (project) ON UPDATE CASCADE,
    note text NOT NULL DEFAULT '',
    requires text[] NOT NULL DEFAULT '{}',
    conflicts text[] NOT NULL DEFAULT '{}',
    tags text[] NOT NULL DEFAULT '{}',
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamptz NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL,
    PRIMARY KEY (change_id, committed_at)
);
"""
_RELEASE: Final[LiteralString] = """
INSERT INTO sqitch.releases (version, installer_name, installer_email)
VALUES (%(version)s, %(name)s, %(email)s)
"""
_PROJECT: Final[LiteralString] = """
INSERT INTO sqitch.projects (project, creator_name, creator_email)
VALUES (%(project)s, %(name)s, %(email)s) ON CONFLICT (project) DO NOTHING
"""
_CHANGE: Final[LiteralString] = """
INSERT INTO sqitch.changes (
    change_id, script_hash, change, project, note, committer_name, committer_email, planned_at,
    planner_name, planner_email
) VALUES (
    %(id)s, %(hash)s, %(change)s, %(project)s, %(note)s, %(name)s, %(email)s, %(date)s,
    %(planner)s, %(planner_email)s
)
"""
_DEPENDENCY: Final[LiteralString] = """
INSERT INTO sqitch.dependencies (change_id, type, dependency, dependency_id)
VALUES (%(id)s, %(type)s, %(dependency)s, (
    SELECT change_id FROM sqitch.changes
    WHERE project = %(project)s AND change = %(dependency)s AND %(type)s = 'require'
))
"""
_TAG: Final[LiteralString] = """
INSERT INTO sqitch.tags (
    tag_id, tag, project, change_id, note, committer_name, committer_email, planned_at,
    planner_name, planner_email
) VALUES (
    %(id)s, %(tag)s, %(project)s, %(change_id)s, %(note)s, %(name)s, %(email)s, %(date)s,
    %(planner)s, %(planner_email)s
)
"""
_EVENT: Final[LiteralString] = """
INSERT INTO sqitch.events (
    event, change_id, change, project, note, requires, conflicts, tags, committer_name,
    committer_email, planned_at, planner_name, planner_email
) VALUES (
    %(event)s, %(id)s, %(change)s, %(project)s, %(note)s, %(requires)s, %(conflicts)s, %(tags)s,
    %(name)s, %(email)s, %(date)s, %(planner)s, %(planner_email)s
)
"""
_DEPLOYED: Final[LiteralString] = """
SELECT change_id, change, script_hash FROM sqitch.changes
WHERE project = %(project)s ORDER BY committed_at, change
"""
_EVENTS: Final[LiteralString] = """
SELECT event, change, committed_at, committer_name, committer_email, note
FROM sqitch.events WHERE project = %(project)s
ORDER BY committed_at DESC, change LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Committer:
    """Who deploys or reverts, as the registry keeps it."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Event:
    """What was once done: ``kind`` is deploy, revert or fail."""

    kind: str
    change: str
    time: dt.datetime
    committer: Committer
    note: str


class Registry:
    """The tables of Sqitch in one database."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def exists(self) -> bool:
        """Return whether the tables have been made."""
        found = self._run(
            "SELECT FROM pg_tables WHERE schemaname = 'sqitch' AND tablename = 'changes'"
        )
        return found.fetchone() is not None

    def make(self, project: str, committer: Committer) -> None:
        """Make the tables, if they are missing, and register the project."""
        named = {"name": committer.name, "email": committer.email}
        if not self.exists():
            self._run(_TABLES)
            self._run(_RELEASE, {"version": _VERSION, **named})
        self._run(_PROJECT, {"project": project, **named})

    def lock(self) -> None:
        """Let no other deployment write until the transaction ends."""
        self._run("LOCK TABLE sqitch.changes IN EXCLUSIVE MODE")

    def deployed(self, project: str) -> list[tuple[str, str, str | None]]:
        """Return the id, the name and the hash of the script of each change, oldest first."""
        if not self.exists():
            return []
        return list(self._run(_DEPLOYED, {"project": project}))

    def events(self, project: str, limit: int | None) -> list[Event]:
        """Return what was done, newest first."""
        if not self.exists():
            return []
        found = self._run(_EVENTS, {"project": project, "limit": limit})
        return [
            Event(kind, change, time, Committer(name, email), note)
            for kind, change, time, name, email, note in found
        ]

    def log_deploy(self, plan: Plan, change: Change, committer: Committer) -> None:
        """Write that ``change`` is deployed."""
        values = _values(change, committer)
        self._run(_CHANGE, {**values, "hash": change.script_hash})
        for kind, names in (("require", change.requires), ("conflict", change.conflicts)):
            for name in names:
                self._run(_DEPENDENCY, {**values, "type": kind, "dependency": name})
        tags = list(plan.tags_of(change))
        for tag in tags:
            self._run(
                _TAG,
                {
                    **values,
                    "id": tag.id,
                    "tag": tag.name,
                    "change_id": change.id,
                    "note": tag.note,
                    "date": tag.date,
                    "planner": tag.planner,
                    "planner_email": tag.email,
                },
            )
        self._log("deploy", change, committer, [tag.name for tag in tags])

    def log_revert(self, change: Change, committer: Committer) -> None:
        """Write that ``change`` is no longer deployed."""
        values = {"id": change.id}
        tags = self._run(
            "DELETE FROM sqitch.tags WHERE change_id = %(id)s RETURNING tag", values
        ).fetchall()
        self._run("DELETE FROM sqitch.dependencies WHERE change_id = %(id)s", values)
        self._run("DELETE FROM sqitch.changes WHERE change_id = %(id)s", values)
        self._log("revert", change, committer, [tag for (tag,) in tags])

    def log_fail(self, change: Change, committer: Committer) -> None:
        """Write that the deployment of ``change`` has failed."""
        self._log("fail", change, committer, [])

    def _log(self, event: str, change: Change, committer: Committer, tags: list[str]) -> None:
        values = _values(change, committer)
        needs = {"requires": list(change.requires), "conflicts": list(change.conflicts)}
        self._run(_EVENT, {**values, **needs, "event": event, "tags": tags})

    def _run(self, statement: LiteralString, values: dict[str, Any] | None = None) -> Any:
        return self._connection.cursor(row_factory=tuple_row).execute(statement, values)


def _values(change: Change, committer: Committer) -> dict[str, Any]:
    return {
        "id": change.id,
        "change": change.name,
        "project": change.project,
        "note": change.note,
        "name": committer.name,
        "email": committer.email,
        "date": change.date,
        "planner": change.planner,
        "planner_email": change.email,
    }
