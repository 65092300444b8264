"""The document of a report: what is stored and hashed, so that its shape must hold whatever a file says of itself."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.digest import Digest
from media.report import DeviceTime, Failure, Frames, Json, Keyframe, MediaFinding, Metadatum, Report, storable

KEYFRAME = Keyframe(
    index=0,
    pts=3600,
    time_base="1/90000",
    time_s="0.04",
    frame=1,
    reason="first",
    width=320,
    height=180,
    rotation=0,
    luma_difference=None,
    original=False,
    media_type="image/jpeg",
    picture=b"\xff\xd8 a picture",
)
REPORT = Report(
    media_type="video/mp4",
    kind="video",
    outcome="complete",
    tiers=(1,),
    container="mp4",
    codec="avc1",
    width=320,
    height=180,
    rotation=0,
    time_base="1/90000",
    start_pts=None,
    duration_s="4",
    frames=Frames(declared=100, counted=100, key=4, decoded=4, missed=0),
    packets=None,
    key_packets=None,
    keyframes=(KEYFRAME,),
    cuts=("2.5",),
    findings=(MediaFinding(code="damaged", start_s="1", end_s=None, detail="a hole"),),
    metadata=(Metadatum(source="mediainfo", key="general.format", value="MPEG-4", sensitive=False),),
    device_time=DeviceTime(
        start="2031-03-14T12:00:00.000000Z", end=None, source="mediainfo", key="general.encoded_date", zone="utc"
    ),
    tools=(),
    parameters={"method": 1},
    limits=(),
    strength=("seccomp",),
)


def assert_plain(value: Json) -> None:
    match value:
        case dict():
            for key, member in value.items():
                assert isinstance(key, str)
                assert_plain(member)
        case list():
            for member in value:
                assert_plain(member)
        case str():
            value.encode()
            assert "\0" not in value
        case _:
            assert value is None or type(value) in (bool, int)


def test_a_document_holds_only_what_canonical_json_can_carry() -> None:
    assert_plain(REPORT.document())
    assert_plain(Failure(outcome="crash", metadata=REPORT.metadata).document())


def test_a_document_names_each_picture_by_its_digest_and_does_not_hold_it() -> None:
    keyframes = REPORT.document()["keyframes"]
    assert isinstance(keyframes, list) and isinstance(keyframes[0], dict)
    assert keyframes[0]["sha256"] == str(Digest.of(KEYFRAME.picture))
    assert "picture" not in keyframes[0]


def test_a_report_crosses_the_pipe_unchanged() -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(REPORT), type=Report) == REPORT


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("media_type", "video/mp4\n"),
        ("media_type", "video"),
        ("kind", "film"),
        ("outcome", "good"),
        ("codec", "a\0b"),
        ("codec", "x" * 201),
        ("width", -1),
        ("width", 2**53),
        ("width", "320"),
        ("rotation", 45),
        ("time_base", "0/1"),
        ("time_base", "1/0"),
        ("duration_s", "1e3"),
        ("duration_s", "NaN"),
        ("cuts", ["1,5"]),
        ("limits", ["Not A Code"]),
        ("tiers", [3]),
        ("device_time", {"start": "2031-03-14 12:00", "end": None, "source": "exif", "key": "x", "zone": "utc"}),
        ("parameters", {"method": 1.5}),
        ("metadata", [{"source": "exif", "key": "k", "value": "v" * 4097, "sensitive": True}]),
        ("keyframes", [{"index": 0}]),
    ],
)
def test_what_is_not_of_the_stated_shape_is_refused(member: str, value: object) -> None:
    built = msgspec.to_builtins(REPORT, builtin_types=(bytes,))
    built[member] = value
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(built), type=Report)


@given(st.text(st.characters(codec=None, categories=["L", "Cc", "Cs", "So"])))
def test_storable_text_can_be_stored_and_keeps_its_length(text: str) -> None:
    kept = storable(text)
    kept.encode()
    assert "\0" not in kept and len(kept) == len(text)
    assert storable(kept) == kept


def test_unstorable_text_cannot_be_built_in() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        replace(REPORT, codec="\ud800")
