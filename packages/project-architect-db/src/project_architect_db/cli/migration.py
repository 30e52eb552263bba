"""The commands of migrations, which are those of andamios_orm for the tables of this package."""

from __future__ import annotations

from andamios_orm.cli.migrations import COMMANDS

__all__ = ["COMMANDS"]
