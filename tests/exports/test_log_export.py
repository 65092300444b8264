"""An exported history: whole, redacted, tampered with; checked by somebody else's program and by its own page."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Set
from pathlib import Path

import pytest
from checker_json import MalformedError
from export_oracle import check_export
from store_of_log import ARRIVAL_KEY, ORIGIN, SHARE, arrive, found, receive

from base.errors import LedgerError, UsageError
from base.fsio import DiskError
from catalog.consultation import Consultation
from exports import log_export as room
from exports.log_export import LogExport, log_export
from exports.log_export_files import HOW_TO_CHECK, positions_text, write_log_export
from hashing.digest import Digest
from hashing.dsse import encode_envelope, pae
from hashing.note import vkey
from hashing.strict_json import Json
from ledger.events.access import consulted_view
from ledger.events.analysis import analysis_completed
from ledger.events.key import key_enrolled, key_revoked
from ledger.events.vocabulary import OpeningClass
from ledger.history import ALWAYS, EVERYTHING, history_of
from ledger.keys.file import create_key, create_recorder_key
from ledger.keys.persons import proven
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.store_reader import StoreReader
from ledger.succession import recorder_rests, succeed

HOSTILE = b'"><script>alert(1)</script>{{7*7}}\x1b[2J\xe2\x80\xae\xff.mp4'
INTERNAL = frozenset({OpeningClass.INTERNAL})


class Case:
    """A store with one drop, and whoever runs the test as its custodian."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout: StoreLayout = found(root / "store")
        with Recorder.open(self.layout) as recorder, LogReader(self.layout) as log:
            (actor,) = log.entry(1).subjects
            self.drop = receive(recorder)
            self.items = arrive(recorder, self.drop, [HOSTILE, b"b.mp4"])
            looked = {self.items[0]: Digest.of(HOSTILE)}
            recorder.record(
                [consulted_view(recorder.origin, command="show", actor=actor, role="custodian", items=looked)]
            )

    def make(self, *names: str, classes: Set[OpeningClass] = EVERYTHING) -> LogExport:
        with StoreReader(self.layout) as log:
            places = sorted({place for name in names for place in history_of(log, name).seqs})
            return log_export(
                self.layout, log, names=names, places=places, period=ALWAYS, classes=classes, made_by="actor_X"
            )

    def export(self, *names: str, classes: Set[OpeningClass] = EVERYTHING, to: str = "out") -> Path:
        """Make, record and write an export."""
        made = self.make(*names, classes=classes)
        with Consultation(self.layout, "log-export") as consultation:
            recorded_at = consultation.exported(
                items=made.items,
                names=made.names,
                entries=len(made.entries),
                openings=made.openings,
                withheld=made.withheld,
                classes=made.classes,
                sha256=made.digest,
                purpose="for the court",
            )
        write_log_export(made, self.layout, self.root / to, recorded_at=recorded_at)
        return self.root / to


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def whole(case: Case) -> Path:
    return case.export(case.drop, to="whole")


@pytest.fixture(scope="module")
def redacted(case: Case) -> Path:
    return case.export(case.drop, classes=INTERNAL, to="redacted")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


# ------------------------------------------------------------------------------------------------ sound exports


def test_somebody_elses_program_finds_a_whole_export_sound(case: Case, whole: Path) -> None:
    checked = check_export(whole)
    assert [each.entry.type for each in checked.values()] == ["drop.received", "master.defined", "master.defined"]
    received, first, _ = checked.values()
    assert received.hidden == 1  # the arrival key, which nobody is told
    assert received.values["share"] == {"base64": base64.b64encode(SHARE).decode()}
    assert (first.hidden, first.values["source_path"]) == (0, {"base64": base64.b64encode(HOSTILE).decode()})
    assert set(case.items) == {name for each in checked.values() for name in each.entry.subjects} - {case.drop}


def test_a_redacted_export_verifies_as_the_whole_one_does(whole: Path, redacted: Path) -> None:
    full, less = check_export(whole), check_export(redacted)
    assert [each.entry.raw for each in less.values()] == [each.entry.raw for each in full.values()]
    assert all(set(each.values) <= {"actor", "links"} for each in less.values())
    assert sum(each.hidden for each in less.values()) > sum(each.hidden for each in full.values())


def test_an_export_without_any_opening_verifies_too(case: Case) -> None:
    checked = check_export(case.export(case.drop, classes=frozenset(), to="bare"))
    assert len(checked) == 3
    assert all(not each.values for each in checked.values())


def test_what_is_left_out_is_nowhere_in_the_folder(redacted: Path) -> None:
    """Neither as text, nor as raw bytes, nor in base64, nor inside an opening."""
    content = b"".join(path.read_bytes() for path in redacted.rglob("*") if path.is_file())
    secrets = [SHARE, HOSTILE, b"b.mp4", b"card of the van", b"for the court", ARRIVAL_KEY]
    for secret in secrets:
        assert secret not in content
        assert base64.b64encode(secret) not in content
    opened = b"".join(
        base64.urlsafe_b64decode(line + b"=" * (-len(line) % 4))
        for path in redacted.rglob("openings.txt")
        for line in path.read_bytes().splitlines()
    )
    for secret in secrets:
        assert base64.b64encode(secret) not in opened
    assert b"covert-share" not in content


def test_the_arrival_key_is_in_no_export(whole: Path) -> None:
    opened = b"".join(
        base64.urlsafe_b64decode(line + b"=" * (-len(line) % 4))
        for path in whole.rglob("openings.txt")
        for line in path.read_bytes().splitlines()
    )
    assert base64.b64encode(SHARE) in opened  # what is in it is found this way
    assert base64.b64encode(ARRIVAL_KEY) not in opened


def test_positions_and_serials_go_out_to_nobody(tmp_path: Path) -> None:
    """They are withheld inside the house too: in an export they would be withheld from the page and lie in a file."""
    case = Case(tmp_path)
    metadata: list[Json] = [
        {"source": "exif", "key": "Model", "value": "Y5", "sensitive": False},
        {"source": "exif", "key": "GPS", "value": "52.1 N", "sensitive": True},
    ]
    with Recorder.open(case.layout) as recorder:
        analysis = analysis_completed(
            case.items[0], sha256=Digest.of(HOSTILE), drop=case.drop, tier=1, outcome="complete", keyframes=0,
            tools=[], limits=[], sandbox=[], media_type="video/mp4", parameters={}, result=Digest.of(b"result"),
            device_time=None, metadata=metadata,
        )  # fmt: skip
        recorder.record([analysis])
    folder = case.export(case.drop)
    *_, analysed = check_export(folder).values()
    told = [value for name, value in analysed.values.items() if name.startswith("metadata/")]
    assert (told, analysed.hidden) == ([metadata[0]], 1)
    assert b"52.1 N" not in b"".join(path.read_bytes() for path in folder.rglob("history.*"))


def test_the_lines_for_programs_hold_the_very_entries(whole: Path) -> None:
    checked = check_export(whole)
    lines = [json.loads(line) for line in (whole / "history.jsonl").read_text("ascii").splitlines()]
    assert [(line["log"], line["seq"]) for line in lines] == list(checked)
    for line in lines:
        assert line["schema"] == "strongroom/log-export/1"
        assert line["envelope"].encode("ascii") == checked[line["log"], line["seq"]].entry.raw
        assert line["entry"] == checked[line["log"], line["seq"]].entry.digest.hex()
        assert len(line["openings"]) == len(checked[line["log"], line["seq"]].values)


def test_the_record_stands_in_the_log_with_its_items_before_anything_is_written(case: Case, whole: Path) -> None:
    (own,) = (whole / "export" / "entries").iterdir()
    with LogReader(case.layout) as log:
        entry = log.entry(int(own.name))
        (opened,) = log.opened_at([int(own.name)])
    assert entry.type == "log.exported"
    assert set(entry.subjects) == set(case.items)
    assert entry.raw == (own / "entry.json").read_bytes()
    facts = {name: entry.facts[name] for name in ("entries", "withheld", "rule", "classes")}
    assert facts == {
        "entries": 3, "withheld": 1, "rule": "investigator", "classes": ["internal", "personal", "sensitive", "text"],
    }  # fmt: skip
    assert (opened.values["purpose"], opened.values["names"]) == ("for the court", [case.drop])


def test_an_export_stays_sound_while_the_log_grows(case: Case, redacted: Path) -> None:
    with Recorder.open(case.layout) as recorder:
        arrive(recorder, case.drop, [b"later/%d" % n for n in range(300)])
    assert check_export(redacted)


# ------------------------------------------------------------------------------------------------ tampering


def change_opening(folder: Path) -> None:
    path = next(folder.glob("log-1/entries/*/openings.txt"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0][:-2] + ("AA" if lines[0][-2:] != "AA" else "BB"), *lines[1:]]) + "\n")


def change_entry(folder: Path) -> None:
    path = next(folder.glob("log-1/entries/*/entry.json"))
    path.write_bytes(path.read_bytes().replace(b"A", b"B", 1))


def swap_entries(folder: Path) -> None:
    first, second = sorted(folder.glob("log-1/entries/*"))[1:]
    for name in ("entry.json", "receipt.tlog-proof", "openings.txt"):
        one, other = (first / name).read_bytes(), (second / name).read_bytes()
        (first / name).write_bytes(other)
        (second / name).write_bytes(one)


def take_an_entry_away(folder: Path) -> None:
    shutil.rmtree(next(folder.glob("log-1/entries/*")))


def change_the_page(folder: Path) -> None:
    path = folder / "history.html"
    path.write_bytes(path.read_bytes().replace(b"Custody", b"History", 1))


def make_up_the_list(folder: Path) -> None:
    """Whoever changes the page can make the list fit it; the log was told another one."""
    before = Digest.of((folder / "history.html").read_bytes()).hex
    change_the_page(folder)
    after = Digest.of((folder / "history.html").read_bytes()).hex
    path = folder / "SHA256SUMS"
    path.write_text(path.read_text().replace(before, after))


def change_a_proof(folder: Path) -> None:
    path = next(folder.glob("log-1/entries/*/receipt.tlog-proof"))
    lines = path.read_text("utf-8").split("\n")
    lines[2] = base64.b64encode(bytes(32)).decode()
    path.write_text("\n".join(lines), "utf-8")


def put_another_log_into_the_policy(folder: Path) -> None:
    key = create_key(folder / "other.pem")
    (folder / "log-1" / "policy").write_text(f"log {vkey(ORIGIN, key.public)}\nquorum none\n")


def forge_an_entry(folder: Path) -> None:
    """Signed by a stranger's key, and listed: but the log never had it."""
    path = sorted(folder.glob("log-1/entries/*/entry.json"))[1]
    envelope = json.loads(path.read_bytes())
    key = create_key(folder / "other.pem")
    payload = base64.b64decode(envelope["payload"]).replace(b'"position":0', b'"position":7')
    signature = key.sign(pae(envelope["payloadType"], payload))
    path.write_bytes(encode_envelope(envelope["payloadType"], payload, [(key.keyid, signature)]))


def take_its_own_entry_from_another_export(folder: Path) -> None:
    (own,) = folder.glob("export/entries/*")
    shutil.rmtree(own)


TAMPERED: dict[str, Callable[[Path], None]] = {
    "an opening": change_opening,
    "an entry": change_entry,
    "two entries swapped": swap_entries,
    "an entry taken away": take_an_entry_away,
    "the page": change_the_page,
    "the page and the list": make_up_the_list,
    "a proof": change_a_proof,
    "the policy": put_another_log_into_the_policy,
    "an entry forged": forge_an_entry,
    "its own entry taken away": take_its_own_entry_from_another_export,
}


@pytest.mark.parametrize("name", TAMPERED)
def test_whatever_is_changed_is_noticed_by_somebody_elses_program(folder: Path, name: str) -> None:
    TAMPERED[name](folder)
    with pytest.raises((AssertionError, FileNotFoundError, KeyError, MalformedError)):
        check_export(folder)


@pytest.mark.needs("openssl", "sha256sum", "base64", "awk")
@pytest.mark.parametrize("name", [None, *TAMPERED])
def test_the_commands_of_its_page_find_it_too(folder: Path, name: str | None) -> None:
    """As a stranger would run them, who has neither the program nor its store."""
    if name is not None:
        TAMPERED[name](folder)
    status, told = by_hand(folder)
    assert (status == 0) is (name is None), told
    assert ("FAILED" in told) is (name is not None)
    assert told.endswith("ALL OK\n") is (name is None)


@pytest.mark.needs("openssl", "sha256sum", "base64", "awk")
def test_entries_signed_by_a_key_that_came_later_verify_and_not_before_it(tmp_path: Path) -> None:
    case = Case(tmp_path)
    made = create_recorder_key(case.layout)
    with Recorder.open(case.layout) as recorder:
        key = proven(made, log=recorder.origin, purpose="recorder")
        recorder.record(
            [key_enrolled(recorder.origin, key, purpose="recorder", holder=None, reason=None, by=None, role=None)]
        )
    with Recorder.open(case.layout) as recorder:
        assert recorder.signer.keyid == made.keyid
        arrive(recorder, case.drop, [b"later.mp4"])
        with LogReader(case.layout) as log:
            (old,) = log.trust.recorder_keys
        revoked = key_revoked(
            recorder.origin, old, purpose="recorder", good_size=None, holder=None, reason="old", by=None, role=None
        )
        recorder.record([revoked])
        arrive(recorder, case.drop, [b"last.mp4"])
    folder = case.export(case.drop)
    checked = check_export(folder)
    assert len({each.entry.keyid for each in checked.values()}) == 2
    assert len(list(folder.glob("log-1/entry-*.json"))) == 3
    status, told = by_hand(folder)
    assert status == 0, told
    # Without the entry that names it, nobody can know the key.
    with LogReader(case.layout) as log:
        since = log.keys.keys[made.keyid].since
    for suffix in (".json", ".tlog-proof"):
        (folder / "log-1" / f"entry-{since}{suffix}").unlink()
    with pytest.raises(KeyError):
        check_export(folder)
    assert by_hand(folder)[0] != 0


@pytest.mark.needs("openssl", "sha256sum", "base64", "awk")
def test_the_history_of_a_thing_goes_out_from_all_logs_of_the_store(tmp_path: Path) -> None:
    case = Case(tmp_path)
    with recorder_rests(case.layout):
        succeed(case.layout, origin="strongroom/SECOND0000000", by="actor_X", role="custodian")
    with Recorder.open(case.layout) as recorder:
        arrive(recorder, case.drop, [b"later.mp4"])
    folder = case.export(case.drop)
    checked = check_export(folder)
    assert {log for log, _ in checked} == {ORIGIN, "strongroom/SECOND0000000"}
    assert [path.name for path in sorted(folder.glob("log-*"))] == ["log-1", "log-2"]
    status, told = by_hand(folder)
    assert status == 0, told
    page = (folder / "history.html").read_text("utf-8")
    assert page.count("<h3>Log ") == 2
    change_a_proof(folder)
    assert by_hand(folder)[0] != 0


def by_hand(folder: Path) -> tuple[int, str]:
    lines = (folder / HOW_TO_CHECK).read_text("ascii").splitlines()
    commands = "".join(f"{line[4:]}\n" for line in lines if line.startswith("    "))
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["sh"], input=commands, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


# ------------------------------------------------------------------------------------------------ the page


def test_the_page_runs_nothing_and_escapes_everything(whole: Path) -> None:
    page = (whole / "history.html").read_text("utf-8")
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert "<script" not in page and "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}\\u001b[2J\\u202e\\xff.mp4" in page
    assert all(character.isprintable() or character == "\n" for character in page)


def test_the_page_names_what_is_withheld_and_says_whether_the_chain_is_whole(case: Case, redacted: Path) -> None:
    page = (redacted / "history.html").read_text("utf-8")
    assert page.count("<i>withheld</i>") == 4 + 2 * 2  # of the drop: with its arrival key; of each master
    assert f"{case.drop}</span>:" in page
    assert "none is missing" in page


# ------------------------------------------------------------------------------------------------ what is refused


def test_too_many_entries_or_none_are_refused(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_ENTRIES", 2)
    with pytest.raises(UsageError, match="would be exported; 1 to 2 are possible"):
        case.make(case.drop)
    with pytest.raises(UsageError, match="0 entries"):
        case.make()


def test_an_entry_that_is_not_rightly_signed_is_not_given_away(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise LedgerError("not signed")

    monkeypatch.setattr("ledger.trust.KeyRegister.verify_signature", refuses)
    with pytest.raises(LedgerError, match="not signed"):
        case.make(case.drop)


def test_the_files_can_be_given_away_and_nothing_else_lies_there(whole: Path) -> None:
    files = [path for path in whole.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}
    listed = {line.split("  ", 1)[1] for line in (whole / "SHA256SUMS").read_text().splitlines()}
    others = {path.relative_to(whole).as_posix() for path in files} - listed
    expected = {"SHA256SUMS", HOW_TO_CHECK}
    for log in ("log-1", "export"):
        expected |= {f"{log}/policy", f"{log}/entry-0.json", f"{log}/entry-0.tlog-proof"}
    assert {name for name in others if "/entries/" not in name} == expected
    assert {Path(name).name for name in others if "/entries/" in name} == {"entry.json", "receipt.tlog-proof"}


@pytest.mark.parametrize(("seqs", "text"), [([7], "7"), ([7, 8], "7 to 8"), ([7, 8, 9], "7 to 9")])
def test_positions_for_a_sentence(seqs: list[int], text: str) -> None:
    assert positions_text(seqs) == text


def test_an_export_that_the_disk_refuses_has_no_page_of_how_to_check(case: Case, tmp_path: Path) -> None:
    made = case.make(case.items[1])
    (tmp_path / "file").touch()
    with pytest.raises(DiskError):
        write_log_export(made, case.layout, tmp_path / "file" / "out", recorded_at=[0])
    assert not (tmp_path / "file" / "out").exists()
