"""A log ends and its successor goes on: what is known, what counts once, and what is refused."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from checker import Checker
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from log_oracles import problems_of
from msgspec.structs import replace
from store_of_log import arrive, copied, receive, whoever_tests

from base.clock import now
from base.errors import BusyError, EvidenceError, NotFoundError, RefusedError, UsageError
from hashing.public_key import PublicKey
from ledger.actors import actors
from ledger.check import check_log
from ledger.check_succession import check_earlier, earlier_origins
from ledger.completeness import subject_chain
from ledger.earlier import BrokenLinkError, log_layouts
from ledger.events.access import consulted_view
from ledger.events.actor import role_granted
from ledger.events.log import config_changed
from ledger.founding import RootKeys, found_store
from ledger.kept import KeptNote, KeptVerdict
from ledger.keys.file import LOG_KEY, FileSigner, KeyFileError
from ledger.keys.pending import Proposal, endorse, pending
from ledger.layout import StoreLayout
from ledger.log_db import SuccessionUnderWayError
from ledger.proofs import prove
from ledger.reader import LogReader
from ledger.record import LogClosedError, Recorder
from ledger.recovery import start
from ledger.seal import seal
from ledger.store_reader import StoreReader
from ledger.succession import EndorsementsNeededError, Succeeded, complete, recorder_rests, succeed
from ledger.succession_endorsed import close, open_successor, opening_to_endorse, propose_closing
from ledger.trust import UntrustedError
from ledger.verdict import LogVerdict

FIRST, SECOND, THIRD = "strongroom/TESTSTORE0000", "strongroom/TESTSTORE0001", "strongroom/TESTSTORE0002"
BY = "actor_0123456789ABC"


def rotated(layout: StoreLayout, origin: str = SECOND, *, ended: str = "closed") -> Succeeded:
    return succeed(layout, origin=origin, ended=ended, reason="yearly change", by=BY, role="custodian")


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def drop(layout: StoreLayout) -> str:
    """A drop of two items in the first log, which is then closed."""
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        arrive(recorder, drop, [b"a.mp4", b"b.mp4"])
        seal(recorder)
    rotated(layout)
    return drop


def types(layout: StoreLayout) -> list[str]:
    with LogReader(layout) as log:
        return [log.entry(seq).type for seq in range(log.recorded())]


def verified(layout: StoreLayout) -> LogVerdict:
    verdict = check_log(layout)
    check_earlier(layout, verdict)
    return verdict


def items_of(layout: StoreLayout, drop: str) -> list[str]:
    with StoreReader(layout) as log:
        return [name for place in log.drop_entries(drop) for name in log.entry(place).subjects if name[:4] == "item"]


# ------------------------------------------------------------------------------------------------------- the switch


def test_a_log_ends_with_the_name_of_its_successor_which_begins_with_the_name_of_the_log(layout: StoreLayout) -> None:
    done = rotated(layout)
    with LogReader(layout.closed_log(FIRST)) as old, LogReader(layout) as new:
        last, first, newest = old.entry(old.recorded() - 1), new.entry(0), old.newest()
    assert last.facts["successor"] == {"origin": SECOND, "log_vkey": done.log_vkey}
    assert (last.type, last.role, last.facts["cause"]) == ("log.closed", "custodian", "key-rotation")
    stated = first.facts["predecessor"]
    assert isinstance(stated, dict)
    assert (stated["origin"], stated["ended"]) == (FIRST, "closed")
    assert (stated["size"], stated["root"]) == (newest.checkpoint.size, str(newest.checkpoint.root))
    assert done.predecessor == newest.checkpoint
    assert done.successor.origin == SECOND
    assert types(layout) == ["log.opened", "custody.carried"]  # the one registered person came along


def test_both_logs_are_whole_for_us_and_for_programs_of_others(layout: StoreLayout, drop: str) -> None:
    assert verified(layout).findings == []
    assert problems_of(layout.root) == []


def test_the_keys_are_new_and_the_old_ones_are_gone(layout: StoreLayout) -> None:
    before = {path.name: path.read_bytes() for path in layout.keys.iterdir()}
    rotated(layout)
    after = {path.name: path.read_bytes() for path in layout.keys.iterdir()}
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert not list(layout.closed.rglob("*.pem"))


def test_a_log_is_closed_as_often_as_one_likes(layout: StoreLayout, drop: str) -> None:
    rotated(layout, THIRD)
    assert [place.home for place in log_layouts(layout)] == [
        layout.root,
        layout.closed_log(SECOND).home,
        layout.closed_log(FIRST).home,
    ]
    assert earlier_origins(layout) == [SECOND, FIRST]
    assert verified(layout).findings == []
    assert problems_of(layout.root) == []


def test_nothing_is_recorded_behind_the_last_entry(layout: StoreLayout) -> None:
    with Recorder.open(layout) as late:
        rotated(layout)
        with pytest.raises(LogClosedError) as refused:
            late.record([config_changed(FIRST, setting="shares", before=None, after=None)])
    assert refused.value.exit_code == 4
    assert verified(layout).findings == []


def test_nothing_is_closed_while_a_recorder_runs(layout: StoreLayout) -> None:
    with recorder_rests(layout), pytest.raises(BusyError), recorder_rests(layout):
        pytest.fail("the place of the recorder was held")


@pytest.mark.parametrize(("origin", "error"), [("two words", UsageError), (FIRST, RefusedError)])
def test_a_name_that_can_not_be_is_refused_before_anything_happens(
    layout: StoreLayout, origin: str, error: type[EvidenceError]
) -> None:
    with pytest.raises(error):
        rotated(layout, origin)
    assert not layout.succession.exists()
    assert "log.closed" not in types(layout)


def test_the_name_of_a_closed_log_is_never_used_again(layout: StoreLayout, drop: str) -> None:
    with pytest.raises(RefusedError):
        rotated(layout, FIRST)


def test_nobody_opens_a_log_that_is_being_replaced(layout: StoreLayout) -> None:
    layout.succession.mkdir()
    with pytest.raises(SuccessionUnderWayError) as busy:
        Recorder.open(layout)
    assert busy.value.exit_code == 7
    start(layout).close()  # nothing had happened: it is taken back
    assert not layout.succession.exists()
    assert complete(layout) is None


def test_a_log_that_was_put_back_goes_on_only_broken_off(layout: StoreLayout) -> None:
    done = rotated(layout, ended="restored")
    assert done.ended == "restored"
    assert "log.closed" not in types(layout.closed_log(FIRST))
    verdict = check_log(layout)
    (earlier,) = check_earlier(layout, verdict)
    assert verdict.findings == []
    assert (earlier.is_closed, earlier.end) == (False, "broken-off")
    assert problems_of(layout.root) == []


# --------------------------------------------------------------------------------------- what was known goes on


def test_people_keep_their_roles_and_get_more(layout: StoreLayout) -> None:
    before = actors(layout)
    rotated(layout)
    assert actors(layout) == before
    me = before[whoever_tests().uid]
    with Recorder.open(layout) as recorder:
        recorder.record([role_granted(me.actor, roles=["archivist"], by=me.actor, role="custodian")])
        seal(recorder)
    assert actors(layout)[me.uid].roles == me.roles | {"archivist"}
    assert types(layout)[-2:] == ["custody.carried", "role.granted"]


def test_an_arrival_of_the_old_log_is_found_and_not_recorded_again(layout: StoreLayout, drop: str) -> None:
    before = items_of(layout, drop)
    with Recorder.open(layout) as recorder:
        again = arrive(recorder, drop, [b"a.mp4"])
        assert recorder.end()[0] == 2
    assert again == before[:1]


def test_what_comes_late_counts_on_where_the_old_log_ended(layout: StoreLayout, drop: str) -> None:
    with Recorder.open(layout) as recorder:
        arrive(recorder, drop, [b"a.mp4"], content=b"another recording")
        arrive(recorder, drop, [b"late.mp4"], content=b"b.mp4")
        arrive(recorder, receive(recorder), [b"copy.mp4"], content=b"a.mp4")
        seal(recorder)
    with LogReader(layout) as log:
        facts = [e.facts for e in map(log.entry, range(log.recorded())) if e.type == "master.defined"]
    assert [(one["position"], one["duplicate"], one["supersedes"]) for one in facts] == [
        (2, "none", "earlier-version"),
        (3, "same-drop", "none"),
        (0, "other-drop", "none"),
    ]
    assert types(layout)[2:4] == ["custody.carried", "master.defined"]
    assert verified(layout).findings == []
    assert problems_of(layout.root) == []


def test_a_look_at_an_old_item_carries_it_over_once(layout: StoreLayout, drop: str) -> None:
    item, _ = items_of(layout, drop)
    with StoreReader(layout) as log:
        digest = log.digest_of(item)
    with Recorder.open(layout) as recorder:
        for _ in range(2):
            recorder.record(
                [consulted_view(SECOND, command="show", actor=BY, role="investigator", items={item: digest})]
            )
        seal(recorder)
    assert types(layout)[2:] == ["custody.carried", "consulted.view", "consulted.view"]
    with StoreReader(layout) as log:
        chain = subject_chain(log, item, before=log.recorded())
    assert (chain.entries, chain.verdict) == (4, "complete")
    assert problems_of(layout.root) == []


def test_an_item_of_a_closed_log_has_its_proof_there(layout: StoreLayout, drop: str) -> None:
    with LogReader(layout.closed_log(FIRST)) as log:
        seq = log.drop_entries(drop)[-1]
    receipt = prove(layout.closed_log(FIRST), seq)
    assert receipt.index == seq
    assert receipt.checkpoint.startswith(FIRST.encode())


def test_all_logs_are_read_as_one_history(layout: StoreLayout, drop: str) -> None:
    with StoreReader(layout) as log, LogReader(layout.closed_log(FIRST)) as old:
        whole = list(log.opened(0, log.recorded()))
        assert [opened.place for opened in whole] == list(range(old.recorded() + 2))
        assert [opened.entry.log for opened in whole] == [FIRST] * old.recorded() + [SECOND] * 2
        assert [log.entry(opened.place) for opened in whole] == [opened.entry for opened in whole]
        assert log.seq_of_event(whole[-1].entry.event) == whole[-1].place
        assert log.names_beginning("drop_") == [drop]
        assert log.count_not_analysed() == 2
        assert [part.end for part in log.parts()] == [old.recorded(), len(whole)]


# ------------------------------------------------------------------------------------------------- what is wrong


def test_a_kept_checkpoint_of_a_closed_log_is_answered_by_that_log(layout: StoreLayout) -> None:
    kept = KeptNote(file="kept", note=layout.checkpoint.read_bytes())
    rotated(layout)
    verdict = check_log(layout)
    check_earlier(layout, verdict, against=[kept])
    assert [answer.verdict for _, answer in verdict.against] == [KeptVerdict.EXTENSION]
    assert verdict.findings == []


def _forget(layout: StoreLayout) -> None:
    shutil.rmtree(layout.closed_log(FIRST).home)


def _other_note(layout: StoreLayout) -> None:
    """Sign the last checkpoint of the closed log again: the same size and root, another note."""
    old = layout.closed_log(FIRST)
    text, _, signature = old.checkpoint.read_bytes().partition(b"\n\n")
    old.checkpoint.chmod(0o644)
    old.checkpoint.write_bytes(text + b"\n\n" + signature + signature)


def _cut_off(layout: StoreLayout) -> None:
    """Take the last entry of the closed log away, and its checkpoints with it, from the database."""
    with closing(sqlite3.connect(layout.closed_log(FIRST).log_db)) as connection:
        connection.execute("DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)")
        connection.execute("DELETE FROM entry WHERE type = 'log.closed'")
        connection.commit()


def _stray(layout: StoreLayout) -> None:
    (layout.closed / ("0" * 64)).mkdir()


def _changed_master(layout: StoreLayout) -> None:
    bundle = layout.closed_log(FIRST).log / "tile" / "entries" / "000.p" / "3"
    data = bytearray(bundle.read_bytes())
    data[-40] ^= 1
    bundle.chmod(0o644)
    bundle.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "code", "named"),
    [
        (_forget, "log-missing", FIRST),
        (_other_note, "log-link-broken", FIRST),
        (_cut_off, "log-rolled-back", FIRST),
        (_stray, "stray-log", "closed/0000"),
        (_changed_master, "entry-differs", FIRST),
    ],
)
def test_damage_to_a_closed_log_is_found_and_the_log_is_named(
    tmp_path: Path, damage: object, code: str, named: str
) -> None:
    layout = copied(tmp_path / "store")
    rotated(layout)
    assert callable(damage)
    damage(layout)
    findings = verified(layout).findings
    assert code in {finding.code for finding in findings}, findings
    assert all(named in finding.object for finding in findings), findings
    if damage is not _stray:  # the checker of tests/support does not ask what else lies there
        assert broken(layout)


def broken(layout: StoreLayout) -> bool:
    """Whether the checker of tests/support finds something, or no log at all where one must be."""
    try:
        found = [problem for problem in Checker(layout.root).check() if problem.code != "vault.missing"]
    except OSError:
        return True
    return bool(found)


def test_who_records_refuses_to_go_on_without_the_log_before(layout: StoreLayout) -> None:
    rotated(layout)
    _cut_off(layout)
    with Recorder.open(layout) as recorder, pytest.raises(BrokenLinkError) as refused:
        recorder.record([config_changed(SECOND, setting="shares", before=None, after=None)])
    assert refused.value.exit_code == 21


def test_an_entry_that_claims_to_carry_something_else_is_found(layout: StoreLayout, drop: str) -> None:
    """It is rightly signed by whoever has the recorder key: only the log before can tell."""
    item, _ = items_of(layout, drop)
    with Recorder.open(layout) as recorder:
        right = recorder.earlier.carried(item)
        assert right is not None
        recorder.record([replace(right, facts={**right.facts, "count": 7})])
        seal(recorder)
    findings = verified(layout).findings
    assert [finding.code for finding in findings] == ["log-link-broken"]
    assert "entry 3" in findings[0].object
    assert "carried.wrong" in {problem.code for problem in Checker(layout.root).check()}


# ------------------------------------------------------------------------------------------------------- root keys


@pytest.fixture
def root_key() -> FileSigner:
    return FileSigner(Ed25519PrivateKey.generate())


@pytest.fixture
def rooted(tmp_path: Path, root_key: FileSigner) -> StoreLayout:
    """A store in which one root key must agree."""
    layout = StoreLayout(tmp_path / "rooted")
    roots = RootKeys(keys=(PublicKey(algorithm="ed25519", spki=root_key.spki),), threshold=1)
    found_store(layout, origin=FIRST, settings="", login=whoever_tests(), roots=roots)
    return layout


def signed(proposal: Proposal, key: FileSigner) -> bytes:
    return endorse(proposal.matter, key, seen=proposal.seen, signed_at=now())


def closed(layout: StoreLayout, key: FileSigner) -> Proposal:
    """Close the log as its root key wants it; return what must be endorsed next."""
    ending = propose_closing(layout, origin=SECOND, reason="yearly change", by=BY, role="custodian")
    return close(layout, ending.event.event, [signed(ending, key)])


def test_with_root_keys_both_ends_of_the_link_are_endorsed(rooted: StoreLayout, root_key: FileSigner) -> None:
    with pytest.raises(EndorsementsNeededError):
        rotated(rooted)
    opening = closed(rooted, root_key)
    with pytest.raises(EndorsementsNeededError):
        start(rooted)
    assert opening_to_endorse(rooted) == opening
    done = open_successor(rooted, opening.event.event, [signed(opening, root_key)])
    assert done is not None
    assert verified(rooted).findings == []
    assert problems_of(rooted.root) == []


def test_a_strange_key_closes_nothing_and_opens_nothing(rooted: StoreLayout, root_key: FileSigner) -> None:
    stranger = FileSigner(Ed25519PrivateKey.generate())
    with pytest.raises(UntrustedError):
        closed(rooted, stranger)
    assert "log.closed" not in types(rooted)
    opening = closed(rooted, root_key)
    with pytest.raises(UntrustedError):
        open_successor(rooted, opening.event.event, [signed(opening, stranger)])
    assert not (rooted.succession / "endorsements.json").exists()


def test_a_newer_proposal_takes_the_place_of_an_older_one(rooted: StoreLayout, root_key: FileSigner) -> None:
    older = propose_closing(rooted, origin=SECOND, reason=None, by=BY, role="custodian")
    newer = propose_closing(rooted, origin=THIRD, reason=None, by=BY, role="custodian")
    with pytest.raises(NotFoundError):
        close(rooted, older.event.event, [signed(older, root_key)])
    assert [one.event.event for one in pending(rooted)] == [newer.event.event]


def test_a_successor_that_nobody_endorsed_is_found(rooted: StoreLayout, root_key: FileSigner) -> None:
    """Whoever has the machine can write it, and sign it with the keys that are there."""
    closed(rooted, root_key)
    (rooted.succession / "endorsements.json").write_text("[]")
    complete(rooted)
    assert [(one.code, "endorsements" in one.object) for one in verified(rooted).findings] == [
        ("log-link-broken", True)
    ]
    assert "entry.endorsements" in {problem.code for problem in Checker(rooted.root).check()}


def test_the_log_key_of_before_is_not_taken_for_damage(
    layout: StoreLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd still hands it in, or from an old backup: nothing is wrong with the log."""
    shutil.copy(layout.keys / LOG_KEY, tmp_path / LOG_KEY)
    rotated(layout)
    with Recorder.open(layout) as recorder:
        receive(recorder)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        with pytest.raises(KeyFileError, match="is not the key of the log") as raised:
            seal(recorder)
        monkeypatch.delenv("CREDENTIALS_DIRECTORY")
        assert raised.value.exit_code == 4
        assert seal(recorder).size == recorder.end()[0]
