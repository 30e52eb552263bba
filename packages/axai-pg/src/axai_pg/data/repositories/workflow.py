"""Which status of a document follows which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from axai_pg.data.models import DocumentStatus
from axai_pg.exceptions import StatusRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FOLLOWING", "require_following"]

FOLLOWING: Final[Mapping[DocumentStatus, tuple[DocumentStatus, ...]]] = {
    DocumentStatus.DRAFT: (DocumentStatus.PUBLISHED, DocumentStatus.ARCHIVED),
    DocumentStatus.PUBLISHED: (DocumentStatus.ARCHIVED, DocumentStatus.DRAFT),
    DocumentStatus.ARCHIVED: (DocumentStatus.DRAFT,),
}
"""The statuses that a document may have after each; what is archived is not published at once."""


def require_following(status: DocumentStatus, wanted: DocumentStatus) -> None:
    """Return if a document with ``status`` may have the ``wanted`` one, or has it.

    Raises:
        StatusRefused: it may not; the error names those it may have.
    """
    if wanted != status and wanted not in FOLLOWING[status]:
        raise StatusRefused(status, wanted, FOLLOWING[status])
