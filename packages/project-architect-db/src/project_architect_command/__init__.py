"""The command ``project-architect-db``, beside the package: its help imports none of that."""

from project_architect_command.commands import COMMANDS, PROGRAM, main

__all__ = ["COMMANDS", "PROGRAM", "main"]
