"""The command ``axai-pg``, beside the package: its help imports none of that."""

from axai_command.commands import COMMANDS, PROGRAM, main

__all__ = ["COMMANDS", "PROGRAM", "main"]
