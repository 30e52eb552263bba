"""Says what to install, before anything here imports FastAPI."""

from __future__ import annotations

import importlib.util

from andamios_orm.exceptions import MissingExtra

if importlib.util.find_spec("fastapi") is None:
    raise MissingExtra("FastAPI is not installed: pip install 'andamios-orm[fastapi]'")
