"""What the user of a scope may do inside the organisation, by the roles and grants in it."""

from __future__ import annotations

from axai_pg.data.security.guarding import (
    SecureRepository,
    SecurityQueryMiddleware,
    require_permission,
)
from axai_pg.data.security.permissions import SecurityManager

__all__ = [
    "SecureRepository",
    "SecurityManager",
    "SecurityQueryMiddleware",
    "require_permission",
]
