"""Time stamps over checkpoints: asked for, kept whole or not at all, and checked again later."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from log_oracles import problems_of
from store_of_log import arrive, copied, receive
from time_stamper import POLICY, TimeStamper, openssl_accepts

from base.config import AuthoritySetting, Settings
from base.errors import NotFoundError, UsageError
from hashing.checkpoint import open_checkpoint
from hashing.note import parse_note
from hashing.time_stamp import Authority, AuthorityError, NotGrantedError, TimeStampError, time_stamp_query
from ledger.check_time_stamps import TokenAnswer, TokenVerdict, check_tokens, kept_tokens
from ledger.layout import StoreLayout
from ledger.memories import LogRoots, lodged_notes
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal
from ledger.time_stamps import (
    authority_named,
    keep_answer,
    keep_query,
    keep_reply,
    query_newest,
)

pytestmark = pytest.mark.needs("openssl")


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture(scope="module")
def stamper(tmp_path_factory: pytest.TempPathFactory) -> TimeStamper:
    return TimeStamper(tmp_path_factory.mktemp("authority") / "one")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> TimeStamper:
    return TimeStamper(tmp_path_factory.mktemp("authority") / "two")


def authority(stamper: TimeStamper) -> Authority:
    return Authority(name=stamper.folder.name, certificates=stamper.ca.read_bytes())


def stamped_by(layout: StoreLayout, stamper: TimeStamper) -> int:
    """Have the newest checkpoint stamped, and return its size."""
    query = query_newest(layout)
    return keep_reply(layout, authority(stamper), query, stamper.reply(query.data), where=None).checkpoint.size


def grow(layout: StoreLayout) -> None:
    with Recorder.open(layout) as recorder:
        arrive(recorder, receive(recorder, arrival_key=os.urandom(32)), [b"1.mp4", b"2.mp4"])
        seal(recorder)


def checked(layout: StoreLayout, *stampers: TimeStamper) -> list[TokenAnswer]:
    with LogReader(layout) as log:
        known = {stamper.folder.name: authority(stamper) for stamper in stampers}
        newest, key = log.sealed(), log.trust.log_key
    return check_tokens(layout, known, key, size=newest.size, root_at=LogRoots(layout.log, newest).at)


def lodgings(layout: StoreLayout) -> list[tuple[object, ...]]:
    with LogReader(layout) as log:
        return [
            (opened.entry.facts["kind"], opened.entry.facts["size"], opened.values["where"])
            for opened in log.opened(0, log.recorded())
            if opened.entry.type == "checkpoint.lodged"
        ]


def files(layout: StoreLayout) -> dict[str, bytes]:
    found = (path for path in layout.lodged.rglob("*") if path.is_file())
    return {path.relative_to(layout.lodged).as_posix(): path.read_bytes() for path in found}


def test_a_stamped_checkpoint_is_kept_with_the_exact_bytes_and_recorded(
    layout: StoreLayout, stamper: TimeStamper, tmp_path: Path
) -> None:
    size = stamped_by(layout, stamper)
    (token,) = kept_tokens(layout)
    assert (token.size, token.authority) == (size, "one")
    assert openssl_accepts(tmp_path, token.reply, stamped=token.stamped, ca=stamper.ca, query=token.query)
    with LogReader(layout) as log:
        assert open_checkpoint(token.stamped, log.trust.log_key).size == size
        assert log.sealed().size > size  # the entry that says so is sealed too
    assert len(parse_note(token.stamped).signatures) == 1  # the log alone
    assert token.certificates == stamper.ca.read_bytes()
    assert lodgings(layout) == [("time-stamp", size, "one")]
    assert [note.note for note in lodged_notes(layout)] == [token.stamped]  # a start compares with it
    assert problems_of(layout.root) == []


def test_a_token_is_good_as_long_as_the_log_continues_what_was_stamped(
    layout: StoreLayout, stamper: TimeStamper, other: TimeStamper
) -> None:
    first = stamped_by(layout, stamper)
    grow(layout)
    second = stamped_by(layout, other)
    answers = checked(layout, stamper, other)
    assert [(answer.token.size, answer.token.authority) for answer in answers] == [(first, "one"), (second, "two")]
    assert {answer.verdict for answer in answers} == {TokenVerdict.OK}
    for answer in answers:
        assert answer.time is not None
        assert abs(answer.time - datetime.now(UTC)) < timedelta(minutes=5)


def test_several_authorities_stamp_one_checkpoint(
    layout: StoreLayout, stamper: TimeStamper, other: TimeStamper
) -> None:
    query = query_newest(layout)
    again = type(query)(checkpoint=query.checkpoint, stamped=query.stamped, data=time_stamp_query(query.stamped))
    keep_reply(layout, authority(stamper), query, stamper.reply(query.data), where=None)
    keep_reply(layout, authority(other), again, other.reply(again.data), where="over the stick")
    assert [token.authority for token in kept_tokens(layout)] == ["one", "two"]
    assert {token.stamped for token in kept_tokens(layout)} == {query.stamped}
    assert [where for _, _, where in lodgings(layout)] == ["one", "over the stick"]


def test_of_two_tokens_over_one_checkpoint_the_first_stays(layout: StoreLayout, stamper: TimeStamper) -> None:
    """It is the earlier one; and a query that took its place before the reply would make a good token look bad."""
    query = query_newest(layout)
    again = type(query)(checkpoint=query.checkpoint, stamped=query.stamped, data=time_stamp_query(query.stamped))
    keep_reply(layout, authority(stamper), query, stamper.reply(query.data), where=None)
    before = kept_tokens(layout)
    keep_reply(layout, authority(stamper), again, stamper.reply(again.data), where="over the stick")
    assert kept_tokens(layout) == before
    assert [where for _, _, where in lodgings(layout)] == ["one", "over the stick"]


Reply = Callable[[TimeStamper, bytes], bytes]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lambda stamper, query: stamper.reply(query, digests="sha512"), NotGrantedError),
        (lambda stamper, query: stamper.reply(time_stamp_query(b"other bytes")), TimeStampError),
        (lambda stamper, query: stamper.reply(query)[:-1], TimeStampError),
        (lambda stamper, query: bytes(10_000_000), TimeStampError),
        (lambda stamper, query: b"", TimeStampError),
    ],
    ids=["not granted", "of other bytes", "cut off", "10 MB", "empty"],
)
def test_of_a_bad_reply_nothing_is_kept(
    layout: StoreLayout, stamper: TimeStamper, reply: Reply, error: type[Exception]
) -> None:
    query = query_newest(layout)
    with pytest.raises(error):
        keep_reply(layout, authority(stamper), query, reply(stamper, query.data), where=None)
    assert files(layout) == {}
    assert lodgings(layout) == []


def test_another_authority_of_that_name_is_not_believed(
    layout: StoreLayout, stamper: TimeStamper, other: TimeStamper
) -> None:
    query = query_newest(layout)
    with pytest.raises(TimeStampError):
        keep_reply(layout, authority(stamper), query, other.reply(query.data), where=None)
    assert files(layout) == {}


# ------------------------------------------------------------------------------------------------------ on a stick


def test_a_query_goes_out_and_its_reply_comes_back_later(layout: StoreLayout, stamper: TimeStamper) -> None:
    query = query_newest(layout)
    keep_query(layout, authority(stamper), query)
    grow(layout)
    stamped = keep_answer(layout, authority(stamper), stamper.reply(query.data), where="by courier")
    assert stamped.checkpoint == query.checkpoint
    assert lodgings(layout) == [("time-stamp", query.checkpoint.size, "by courier")]
    assert [answer.verdict for answer in checked(layout, stamper)] == [TokenVerdict.OK]
    assert not any(name.startswith("asked/") for name in files(layout))


def test_the_reply_finds_its_query_among_several(layout: StoreLayout, stamper: TimeStamper) -> None:
    queries = []
    for _ in range(3):
        queries.append(query_newest(layout))
        keep_query(layout, authority(stamper), queries[-1])
        grow(layout)
    assert len({query.checkpoint.size for query in queries}) == 3
    stamped = keep_answer(layout, authority(stamper), stamper.reply(queries[1].data), where=None)
    assert stamped.checkpoint == queries[1].checkpoint
    assert len([name for name in files(layout) if name.startswith("asked/")]) == 2


def test_a_reply_to_another_query_leaves_ours_waiting(layout: StoreLayout, stamper: TimeStamper) -> None:
    query = query_newest(layout)
    keep_query(layout, authority(stamper), query)
    with pytest.raises(TimeStampError):
        keep_answer(layout, authority(stamper), stamper.reply(time_stamp_query(query.stamped)), where=None)
    assert [name for name in files(layout) if not name.startswith("asked/")] == []
    keep_answer(layout, authority(stamper), stamper.reply(query.data), where=None)


def test_a_reply_for_which_nothing_waits_is_said(layout: StoreLayout, stamper: TimeStamper, other: TimeStamper) -> None:
    query = query_newest(layout)
    keep_query(layout, authority(other), query)
    with pytest.raises(NotFoundError, match="no query to one"):
        keep_answer(layout, authority(stamper), stamper.reply(query.data), where=None)


# --------------------------------------------------------------------------------------------------- checked again


def damaged(layout: StoreLayout, suffix: str, change: Callable[[bytes], bytes]) -> None:
    (path,) = (path for path in layout.lodged.rglob(f"*{suffix}"))
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(change(data))


@pytest.mark.parametrize(
    ("suffix", "change"),
    [
        (".tsr", lambda data: data[:-1]),
        (".tsr", lambda data: b""),
        (".stamped", lambda data: data + b"\n"),
        (".stamped", lambda data: b""),
        (".tsq", lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:]),
    ],
)
def test_a_kept_token_that_was_changed_is_bad(
    layout: StoreLayout, stamper: TimeStamper, suffix: str, change: Callable[[bytes], bytes]
) -> None:
    stamped_by(layout, stamper)
    damaged(layout, suffix, change)
    (answer,) = checked(layout, stamper)
    assert answer.verdict is TokenVerdict.BAD
    assert answer.found


def test_without_the_certificates_of_its_authority_a_token_is_neither_good_nor_bad(
    layout: StoreLayout, stamper: TimeStamper, other: TimeStamper
) -> None:
    stamped_by(layout, stamper)
    (answer,) = checked(layout, other)
    assert answer.verdict is TokenVerdict.UNCHECKED
    assert "one" in answer.found


def test_with_other_certificates_than_before_a_token_is_neither_good_nor_bad(
    layout: StoreLayout, stamper: TimeStamper, other: TimeStamper
) -> None:
    stamped_by(layout, stamper)
    with LogReader(layout) as log:
        newest, key = log.sealed(), log.trust.log_key
    roots = LogRoots(layout.log, newest)
    for certificates, verdict in (
        (other.ca.read_bytes(), TokenVerdict.UNCHECKED),
        (other.ca.read_bytes() + stamper.ca.read_bytes(), TokenVerdict.OK),
        (b"no certificate", TokenVerdict.UNCHECKED),
    ):
        known = {"one": Authority(name="one", certificates=certificates)}
        (answer,) = check_tokens(layout, known, key, size=newest.size, root_at=roots.at)
        assert answer.verdict is verdict


def test_a_token_over_a_checkpoint_that_this_log_does_not_continue_is_bad(
    layout: StoreLayout, stamper: TimeStamper, tmp_path: Path
) -> None:
    """Two logs of one key: the token proves that the other one existed."""
    twin = StoreLayout(tmp_path / "twin")
    shutil.copytree(layout.root, twin.root)
    grow(layout)
    grow(twin)
    stamped_by(layout, stamper)
    shutil.rmtree(twin.lodged)
    shutil.copytree(layout.lodged, twin.lodged)
    grow(twin)
    assert [answer.verdict for answer in checked(layout, stamper)] == [TokenVerdict.OK]
    (answer,) = checked(twin, stamper)
    assert answer.verdict is TokenVerdict.BAD
    assert "fork" in answer.found


def test_what_else_lies_in_the_folder_is_no_token(layout: StoreLayout, stamper: TimeStamper) -> None:
    size = stamped_by(layout, stamper)
    (layout.lodged / str(size) / "a.b.c.tsr").write_bytes(b"x")
    (layout.lodged / "notes").mkdir()
    (layout.lodged / "notes" / "a.b.tsr").write_bytes(b"x")
    assert len(kept_tokens(layout)) == 1


# -------------------------------------------------------------------------------------------------------- settings


def test_an_authority_is_found_by_its_name(stamper: TimeStamper, tmp_path: Path) -> None:
    link = tmp_path / "link.pem"
    link.symlink_to(stamper.ca)  # as in /etc/ssl/certs
    settings = Settings(authorities=(AuthoritySetting(name="one", certificate=os.fsencode(link), policy=POLICY),))
    found, setting = authority_named(settings, "one")
    assert found == Authority(name="one", certificates=stamper.ca.read_bytes(), policy=POLICY)
    assert setting.url is None
    with pytest.raises(UsageError, match="known are: one"):
        authority_named(settings, "two")


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_certificates_that_can_not_be_read_are_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    settings = Settings(authorities=(AuthoritySetting(name="one", certificate=os.fsencode(path)),))
    with pytest.raises(AuthorityError):
        authority_named(settings, "one")
