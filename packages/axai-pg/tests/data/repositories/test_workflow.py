"""Which status follows which."""

from __future__ import annotations

import pytest

from axai_pg.data.models import DocumentStatus
from axai_pg.data.repositories.workflow import FOLLOWING, require_following
from axai_pg.exceptions import StatusRefused


@pytest.mark.unit
@pytest.mark.parametrize("status", list(DocumentStatus))
def test_only_what_follows_a_status_is_taken(status: DocumentStatus) -> None:
    for wanted in DocumentStatus:
        if wanted == status or wanted in FOLLOWING[status]:
            require_following(status, wanted)
            continue
        with pytest.raises(StatusRefused) as refused:
            require_following(status, wanted)
        assert refused.value.allowed == FOLLOWING[status]
