"""The command ``axai-pg``, to be called from Python: ``main(["status", "--json"])``."""

from __future__ import annotations

from axai_command import main

__all__ = ["main"]
