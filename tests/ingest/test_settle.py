"""When is a drop finished? Looks at made-up drops, with a clock that the test turns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ingest.settle import DropObservation, Rule, Settled, Waiting, checked_manifest, is_manifest, is_marker
from ingest.share_facts import Found, Kind, Reason
from ledger.events.item import SourceStat

T = 5.0
STAT = SourceStat(size_bytes=10, mtime_ns=1, ctime_ns=2, inode=3, device=4, mode=0o100644)


def entry(path: str, *, kind: Kind = Kind.FILE, problem: Reason | None = None, **stat: int) -> Found:
    found = path.encode()
    return Found(
        path=b"card" + (b"/" + found if found else b""), kind=kind, stat=structs.replace(STAT, **stat), problem=problem
    )


def looks(*shown: tuple[float, list[Found]]) -> DropObservation:
    observation = DropObservation()
    for now_s, found in shown:
        observation.observe(found, now_s)
    return observation


CLIP, CLIP2, DONE = entry("clip.mp4"), entry("clip2.mp4"), entry("DONE")


@pytest.mark.parametrize(
    ("shown", "verdict"),
    [
        ([(0, [CLIP])], Waiting(15.0)),
        ([(0, [CLIP]), (14.9, [CLIP])], Waiting(15.0)),
        ([(0, [CLIP]), (15, [CLIP])], Settled(Rule.QUIET)),
        ([(0, []), (15, [])], Settled(Rule.QUIET)),  # an empty drop is a drop
        ([(0, [entry("")]), (15, [entry("")])], Settled(Rule.QUIET)),  # a drop of one file
        ([(0, [CLIP, DONE])], Waiting(5.0)),
        ([(0, [CLIP, DONE]), (5, [CLIP, DONE])], Settled(Rule.MARKER)),
        ([(0, [CLIP, entry("sha256sums")]), (5, [CLIP, entry("sha256sums")])], Settled(Rule.MANIFEST)),
        ([(0, [CLIP, entry("clip.mp4.md5")]), (5, [CLIP, entry("clip.mp4.md5")])], Waiting(15.0)),
        ([(0, [CLIP, entry("100/DONE")]), (5, [CLIP, entry("100/DONE")])], Waiting(15.0)),  # not at the top
        ([(0, [entry("DONE", kind=Kind.LINK)]), (5, [entry("DONE", kind=Kind.LINK)])], Waiting(15.0)),
        ([(0, [CLIP]), (4, [CLIP, DONE]), (8.9, [CLIP, DONE])], Waiting(9.0)),  # the marker must be quiet too
        ([(0, [CLIP, DONE]), (4, [CLIP, CLIP2, DONE]), (5, [CLIP, CLIP2, DONE])], Waiting(9.0)),
        ([(0, [CLIP, CLIP2]), (10, [CLIP]), (15, [CLIP])], Waiting(25.0)),  # a file removed is a change
        (
            [(0, [CLIP]), (9, [entry("clip.mp4", size_bytes=11)]), (15, [entry("clip.mp4", size_bytes=11)])],
            Waiting(24.0),
        ),
        (
            [(0, [CLIP]), (60, [CLIP])],
            Settled(Rule.QUIET),
        ),  # the share was away in between: the same stamps all the same
    ],
)
def test_a_drop_settles_by_marker_manifest_or_quiet(
    shown: list[tuple[float, list[Found]]], verdict: Settled | Waiting
) -> None:
    assert looks(*shown).verdict(settle_s=T) == verdict


@pytest.mark.parametrize("member", ["size_bytes", "mtime_ns", "ctime_ns", "inode", "device"])
def test_any_change_of_a_file_begins_the_wait_anew(member: str) -> None:
    changed = replace(CLIP, stat=structs.replace(STAT, **{member: 99}))
    assert looks((0, [CLIP, DONE]), (4, [changed, DONE]), (5, [changed, DONE])).verdict(settle_s=T) == Waiting(9.0)


def test_a_file_that_changes_and_changes_back_has_changed_twice() -> None:
    grown = entry("clip.mp4", size_bytes=11)
    assert looks((0, [CLIP]), (5, [grown]), (10, [CLIP]), (15, [CLIP])).verdict(settle_s=T) == Waiting(25.0)


def test_a_directory_that_cannot_be_listed_does_not_keep_a_drop_waiting_for_ever() -> None:
    broken = [entry("", kind=Kind.DIRECTORY), entry("", kind=Kind.DIRECTORY, problem=Reason.READ_ERROR)]
    assert looks((0, broken), (7, broken), (15, broken)).verdict(settle_s=T) == Settled(Rule.QUIET)


def test_a_permission_given_is_a_change() -> None:
    refused = entry("dir", kind=Kind.DIRECTORY, problem=Reason.NO_PERMISSION)
    assert looks((0, [refused]), (14, [CLIP]), (15, [CLIP])).verdict(settle_s=T) == Waiting(29.0)


def test_a_drop_that_was_never_looked_at_has_no_verdict() -> None:
    with pytest.raises(ValueError, match="nothing was observed"):
        DropObservation().verdict(settle_s=T)


def test_a_late_file_is_quiet_by_itself() -> None:
    observation = looks((0, [CLIP]), (20, [CLIP, CLIP2]), (24.9, [CLIP, CLIP2]))
    assert observation.is_quiet(b"clip.mp4", settle_s=T)
    assert not observation.is_quiet(b"clip2.mp4", settle_s=T)
    observation.observe([CLIP, CLIP2], 25)
    assert observation.is_quiet(b"clip2.mp4", settle_s=T)
    assert not observation.is_quiet(b"never seen", settle_s=T)


@pytest.mark.parametrize(
    ("name", "marker", "manifest", "checked"),
    [
        (b"DONE", True, False, None),
        (b"done", True, False, None),
        (b"Done.TXT", True, False, None),
        (b"DONE.mp4", False, False, None),
        (b"UNDONE", False, False, None),
        (b"SHA256SUMS", False, True, "sha256"),
        (b"sha256sums.txt", False, True, "sha256"),
        (b"MD5SUMS", False, True, "md5"),
        (b"SHA512SUMS", False, True, None),
        (b"manifest-sha256.txt", False, True, None),
        (b"0001_A001.mhl", False, True, None),
        (b".mhl", False, False, None),
        (b"clip.mp4.md5", False, False, None),
        (b"clip.mp4.sha256", False, False, None),
        (b"100/SHA256SUMS", False, False, None),
        (b"100/0001.mhl", False, False, None),
        (b"SHA256SUMS\n", False, False, None),
        (b"\xff", False, False, None),
    ],
)
def test_names_that_end_the_wait(name: bytes, *, marker: bool, manifest: bool, checked: str | None) -> None:
    assert (is_marker(name), is_manifest(name), checked_manifest(name)) == (marker, manifest, checked)


# ------------------------------------------------------------------------------------------------------------ laws

names = st.sampled_from(["a", "b", "c", "DONE", "SHA256SUMS"])
drop_looks = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 2.0, 4.0, 5.0, 11.0, 15.0]), st.dictionaries(names, st.integers(0, 2))),
    min_size=1,
    max_size=6,
)


def observed(steps: list[tuple[float, dict[str, int]]], *, start_s: float = 0.0, shift_ns: int = 0) -> DropObservation:
    observation, now_s = DropObservation(), start_s
    for pause_s, files in steps:
        now_s += pause_s
        observation.observe([entry(name, mtime_ns=stamp + shift_ns) for name, stamp in files.items()], now_s)
    return observation


@given(steps=drop_looks, shift_ns=st.integers(-(2**63), 2**63 - 3))
def test_a_wrong_clock_of_the_camera_changes_nothing(steps: list[tuple[float, dict[str, int]]], shift_ns: int) -> None:
    assert observed(steps).verdict(settle_s=T) == observed(steps, shift_ns=shift_ns).verdict(settle_s=T)


@given(steps=drop_looks, start_s=st.integers(0, 10**6))
def test_only_differences_of_our_own_clock_count(steps: list[tuple[float, dict[str, int]]], start_s: int) -> None:
    early, late = observed(steps).verdict(settle_s=T), observed(steps, start_s=start_s).verdict(settle_s=T)
    match early:
        case Settled():
            assert late == early
        case Waiting(until_s=until_s):
            assert late == Waiting(until_s + start_s)


@given(steps=drop_looks, changed=st.integers(0, 5), name=names)
def test_one_more_change_never_settles_a_drop_earlier(
    steps: list[tuple[float, dict[str, int]]], changed: int, name: str
) -> None:
    """Only files that are no marker: a marker is there to shorten the wait."""
    if name not in steps[-1][1] or changed >= len(steps):
        return
    restless = [
        (pause_s, {**files, name: 7 + index} if index >= changed and name in files else files)
        for index, (pause_s, files) in enumerate(steps)
    ]
    calm, moved = observed(steps).verdict(settle_s=T), observed(restless).verdict(settle_s=T)
    if isinstance(moved, Settled):
        assert isinstance(calm, Settled)
    elif isinstance(calm, Waiting):
        assert moved.until_s >= calm.until_s


@given(steps=drop_looks)
def test_a_settled_drop_had_no_change_in_the_last_t_seconds(steps: list[tuple[float, dict[str, int]]]) -> None:
    if not isinstance(observed(steps).verdict(settle_s=T), Settled):
        return
    ago_s = 0.0
    for (pause_s, files), (_, before) in zip(reversed(steps), reversed([(0.0, {}), *steps[:-1]]), strict=True):
        if any(before.get(name) != stamp for name, stamp in files.items()):
            break
        ago_s += pause_s
    assert ago_s >= T


@given(steps=drop_looks, settle_s=st.sampled_from([0.0, 1.0, 5.0, 60.0]))
def test_waiting_ends_when_it_said_it_would(steps: list[tuple[float, dict[str, int]]], settle_s: float) -> None:
    observation = observed(steps)
    verdict = observation.verdict(settle_s=settle_s)
    if isinstance(verdict, Waiting):
        observation.observe([entry(name, mtime_ns=stamp) for name, stamp in steps[-1][1].items()], verdict.until_s)
        assert isinstance(observation.verdict(settle_s=settle_s), Settled)
