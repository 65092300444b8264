"""The settings file and the sandbox know the same requirements."""

from __future__ import annotations

from typing import get_args

from base.config import SANDBOX_CHOICES
from media.wire import Requirement


def test_every_setting_of_the_sandbox_is_one_that_the_sandbox_knows() -> None:
    assert set(SANDBOX_CHOICES) == set(get_args(Requirement))
