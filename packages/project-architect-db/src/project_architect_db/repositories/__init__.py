"""Repositories: every question about projects and what belongs to them."""

from __future__ import annotations

from project_architect_db.repositories.base import BaseRepository
from project_architect_db.repositories.project import ProjectRepository

__all__ = ["BaseRepository", "ProjectRepository"]
