"""The command ``project-architect-db``, to be called from Python: ``main(["check", "--json"])``."""

from __future__ import annotations

from project_architect_command import main

__all__ = ["main"]
