"""Data layer and service of a web-based project architect.

This release reserves the name and exports its version only. Projects,
conversations, documents and repositories, their analytics and search, a
command line and a web service are planned on top of andamios-orm.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
