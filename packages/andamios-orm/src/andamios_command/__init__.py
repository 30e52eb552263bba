"""The command ``andamios-orm``, beside the package: its help imports none of that.

A library that brings tables of its own makes a command of the same kind: see
``andamios_command.program``.
"""

from andamios_command.commands import COMMANDS, PROGRAM, main

__all__ = ["COMMANDS", "PROGRAM", "main"]
