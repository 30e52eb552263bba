"""What to do about errors, for the command ``explain``."""

from __future__ import annotations

from typing import Final

from andamios_orm import exceptions as core
from axai_pg import exceptions

__all__ = ["ERRORS", "REMEDIES"]

_OF_THE_CORE: Final = {
    "MigrationLocked": "Wait for the other deployment; if it hangs, holder says who it is.",
    "MissingTable": "Deploy it: axai-pg migrate; axai-pg status says what else is missing.",
}
"""What the core would say of its own migrations."""

REMEDIES: Final = {
    "AccessDenied": "Open a scope of the organisation whose row it is, or act as an operator.",
    "ArchiveRefused": "Take the archive from where it was made again; export-org makes another.",
    "CacheUnavailable": "Start Redis, and remove the answers again; until then they grow old.",
    "CycleRefused": "Choose a parent that is not the row itself, or below it.",
    "IsolationError": "The message says what is refused, and which scope would do.",
    "LastAdministrator": "Make another user an administrator first.",
    "NotInitialized": "Call DatabaseManager.initialize(...) once, where the program starts.",
    "NotPermitted": "Let the owner, an administrator, or who may share the document permit it.",
    "OrganizationChanged": "Leave the scope first, or work in a task or thread of its own.",
    "OrganizationNotEmpty": "Name the key of a new one: axai-pg import-org SOURCE --org-id ID.",
    "OrganizationRequired": "Pass org_id to the scope; an operator uses system_scope(reason).",
    "OrganizationUnknown": "Make the organisation first, in a scope with its own key.",
    "PermissionRequired": "Give the user a role with that permission; pass user_id to the scope.",
    "PrivilegedLogin": "Log in as an ordinary role: the message has the SQL that makes it one.",
    "PrivilegedLoginUsed": "Run the SQL of the message before this is a service for others.",
    "StatusRefused": "Take one of the statuses in allowed.",
    **_OF_THE_CORE,
}
"""By the name of the error's class."""

ERRORS: Final = {
    name: getattr(core if name in _OF_THE_CORE else exceptions, name) for name in REMEDIES
}
"""The classes, by name."""
