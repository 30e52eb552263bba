"""Sample data: a portfolio of any size that one could believe, the same each time."""

from project_architect_db.seeding.clearing import unseed
from project_architect_db.seeding.sowing import SeedReport, planned_rows, seed

__all__ = ["SeedReport", "planned_rows", "seed", "unseed"]
