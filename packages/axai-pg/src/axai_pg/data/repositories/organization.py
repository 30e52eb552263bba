"""Organisations: of a session, the one that it is in."""

from __future__ import annotations

from axai_pg.data.models import Organization
from axai_pg.data.repositories.base import BaseRepository

__all__ = ["OrganizationRepository"]


class OrganizationRepository(BaseRepository[Organization]):
    """Organisations: the one of the session; in the scope of an operator, all of them."""

    model = Organization
