"""The schema as changes of Sqitch, and what runs them on a machine without Sqitch.

``sqitch.plan``, ``deploy``, ``revert`` and ``verify`` are beside this module, so ``sqitch`` in
this folder and ``deploy()`` here run the same files, and may take turns on one database.
"""

from __future__ import annotations

from axai_pg.migrations.plan import Change, Plan, read_plan
from axai_pg.migrations.registry import Committer, Event
from axai_pg.migrations.runner import Problem, Runner, Status, deploy, log, revert, status, verify

__all__ = [
    "Change",
    "Committer",
    "Event",
    "Plan",
    "Problem",
    "Runner",
    "Status",
    "deploy",
    "log",
    "read_plan",
    "revert",
    "status",
    "verify",
]
