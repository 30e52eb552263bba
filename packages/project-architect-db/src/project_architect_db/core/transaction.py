"""Units of work, by the names that andamios_orm gives them."""

from __future__ import annotations

from andamios_orm.core.transaction import Attempt, Transaction

__all__ = ["Attempt", "Transaction"]
