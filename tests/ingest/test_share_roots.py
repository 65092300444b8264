"""Shares lie apart from each other and from the store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from base.errors import UsageError
from ingest.share_roots import refuse_overlapping

STORE = Path("/srv/strongroom")


@pytest.mark.parametrize("shares", [[], [b"/srv/drops"], [b"/srv/drops", b"/srv/drops2"], [b"/srv/strongroom-share"]])
def test_shares_that_lie_apart_are_watched(shares: list[bytes]) -> None:
    refuse_overlapping(STORE, shares)


@pytest.mark.parametrize("share", [b"/srv", b"/", b"/srv/strongroom", b"/srv/strongroom/", b"/srv/x/../strongroom/a"])
def test_a_share_that_holds_the_store_or_lies_in_it_is_refused(share: bytes) -> None:
    """Its keys would be sealed as footage."""
    with pytest.raises(UsageError, match="keys would be taken for footage"):
        refuse_overlapping(STORE, [b"/home/drops", share])


@pytest.mark.parametrize("other", [b"/mnt/a", b"/mnt/a/", b"/mnt/a/deep/b", b"/mnt"])
def test_a_share_in_another_is_refused(other: bytes) -> None:
    with pytest.raises(UsageError, match="taken twice"):
        refuse_overlapping(STORE, [b"/mnt/a", other])


def test_a_store_behind_a_link_is_found_too(tmp_path: Path) -> None:
    real = tmp_path / "share" / "store"
    real.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(real)
    with pytest.raises(UsageError, match="keys would be taken for footage"):
        refuse_overlapping(link, [os.fsencode(os.path.realpath(tmp_path / "share"))])
