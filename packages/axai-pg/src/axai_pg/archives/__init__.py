"""All that an organisation has, as an archive: written, and read into the same or another database.

An archive is a folder, a ``.zip`` or a ``.tar.gz`` with ``manifest.json`` and an NDJSON file for
each table. What was done, the audit log, stays where it was done.
"""

from __future__ import annotations

from axai_pg.archives.manifest import Manifest, Part
from axai_pg.archives.reading import import_organization, verify_archive
from axai_pg.archives.writing import export_organization

__all__ = ["Manifest", "Part", "export_organization", "import_organization", "verify_archive"]
