"""What is held on a person: taken out for them, and removed."""

from __future__ import annotations

from axai_pg.data.privacy.erasing import ErasureReport, erase_person
from axai_pg.data.privacy.exporting import PersonExport, PersonRecord, export_person
from axai_pg.data.privacy.registry import ColumnPrivacy, Erasure, TablePrivacy

__all__ = [
    "ColumnPrivacy",
    "Erasure",
    "ErasureReport",
    "PersonExport",
    "PersonRecord",
    "TablePrivacy",
    "erase_person",
    "export_person",
]
