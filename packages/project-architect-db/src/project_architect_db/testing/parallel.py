"""Which worker of a parallel run this is, by the names that andamios_orm gives it."""

from __future__ import annotations

from andamios_orm.testing.parallel import MAIN, worker_folder, worker_id

__all__ = ["MAIN", "worker_folder", "worker_id"]
