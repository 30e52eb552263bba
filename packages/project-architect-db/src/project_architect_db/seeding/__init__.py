"""Sample data: a portfolio of any size that one could believe, the same each time."""

from project_architect_db.seeding.clearing import unseed
from project_architect_db.seeding.sowing import SeedReport, seed

__all__ = ["SeedReport", "seed", "unseed"]
