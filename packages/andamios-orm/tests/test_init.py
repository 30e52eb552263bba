import re

import pytest

import andamios_orm

pytestmark = pytest.mark.unit


def test_the_version_is_one_that_can_be_released() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", andamios_orm.__version__)
