"""Multi-tenant document management on PostgreSQL.

This release reserves the name and exports its version only. Documents with
versions, summaries, topics and a graph, kept apart per organisation by
row-level security, are planned on top of andamios-orm.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
