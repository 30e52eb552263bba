"""The command ``andamios-orm``, beside the package: its help imports none of that."""

from andamios_command.commands import COMMANDS, main

__all__ = ["COMMANDS", "main"]
