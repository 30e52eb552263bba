"""Keeps organisations apart: who acts, in which organisation, in every transaction."""

from __future__ import annotations

from axai_pg.data.isolation.login import Login
from axai_pg.data.isolation.scope import Scope
from axai_pg.data.isolation.sessions import IsolatedSession, Isolation, watch

__all__ = ["IsolatedSession", "Isolation", "Login", "Scope", "watch"]
