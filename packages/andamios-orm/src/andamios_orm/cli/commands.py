"""The command ``andamios-orm``, to be called from Python: ``main(["check", "--json"])``."""

from andamios_command import main

__all__ = ["main"]
