"""The recorder from outside: what lies in a share, what it says, what receipts stand beside the drops."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checker import Checker
from program import Ended, Site, make_site, run_seeded

HOSTILE_NAMES = [
    b"line\nbreak.mp4",
    b"\x1b[31mred\x1b[0m",
    "caf\u00e9".encode(),
    "cafe\u0301".encode(),  # the same to the eye, another file
    b"not-utf8-\xff\xfe",
    b"-rf",
    b"--help",
    b"n" * 255,
    "\u202egpj.exe".encode(),
    b'quote"back\\slash',
    b" leading and trailing ",
    b"%41",
    b"...",
    b"con",
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def proved(site: Site) -> Checker:
    """Return an independent look at the store, after asserting that nothing is wrong with it."""
    checker = Checker(site.store)
    assert checker.check() == []
    assert site.run("verify").code == 0
    return checker


def test_a_drop_becomes_evidence_and_the_technician_is_told(site: Site) -> None:
    site.drop("card", {"a.mp4": b"a" * 1000, "sub/b.mp4": b"b" * 2000})
    ended = site.watch_once()
    assert ended.code == 0, ended.stderr
    assert [line["state"] for line in ended.events("drop.state")] == ["received", "copying", "held"]
    assert len(ended.events("item.sealed")) == 3
    assert site.receipts("card") == [
        "2-HELD  DO-NOT-WIPE.entry.json",
        "2-HELD  DO-NOT-WIPE.html",
        "2-HELD  DO-NOT-WIPE.tlog-proof",
        "2-HELD  DO-NOT-WIPE.txt",
    ]
    assert proved(site).account_for(site.sources(), nothing_else=True) == []


def test_what_is_told_as_sealed_is_sealed(site: Site) -> None:
    site.drop("card", {f"f{n}": b"%d" % n for n in range(40)})
    ended = site.watch_once()
    told = ended.events("item.sealed")
    assert len(told) == 41
    entries = proved(site).entries
    for line in told:
        entry = entries[int(str(line["seq"]))]
        assert (entry.type, dict(entry.subjects)) == ("master.defined", {line["item"]: line["sha256"]})


def test_a_second_run_takes_nothing_again_and_leaves_the_receipts_alone(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    site.watch_once()
    before = {path.name: path.stat().st_mtime_ns for path in site.share.iterdir()}
    ended = site.watch_once()
    assert (ended.code, ended.events("item.sealed")) == (0, [])
    assert {path.name: path.stat().st_mtime_ns for path in site.share.iterdir()} == before


def test_every_name_is_taken_byte_for_byte_and_shown_harmless(site: Site) -> None:
    for name in HOSTILE_NAMES:
        site.put(b"card/" + name, b"x" + name)
    site.put("card/DONE", b"")
    ended = site.watch_once()
    assert ended.code == 0, ended.stderr
    assert proved(site).account_for(site.sources(), nothing_else=True) == []
    shown = site.run("find")
    assert shown.code == 0
    assert all(character.isprintable() or character == "\n" for character in shown.stdout)


def test_a_hostile_name_of_a_drop_itself_is_taken_and_has_a_receipt(site: Site) -> None:
    for name in HOSTILE_NAMES:
        site.put(name, b"single " + name)
    ended = site.watch_once()
    assert ended.code == 0, ended.stderr
    assert len(ended.events("item.sealed")) == len(HOSTILE_NAMES)
    receipts = [path.name for path in site.share.iterdir() if path.name.endswith("2-HELD  DO-NOT-WIPE.html")]
    assert len(receipts) == len(HOSTILE_NAMES)
    assert proved(site).account_for(site.sources(), nothing_else=True) == []


def test_a_file_that_looks_like_a_receipt_is_footage(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    site.put("card  2-HELD  DO-NOT-WIPE.html", b"not ours")
    ended = site.watch_once()
    assert ended.code == 0
    assert b"not ours" in [
        (site.store / "vault").joinpath(*_place(line)).read_bytes() for line in ended.events("item.sealed")
    ]
    assert (site.share / "card  2-HELD  DO-NOT-WIPE (2).html").exists()
    assert (site.share / "card  2-HELD  DO-NOT-WIPE.html").read_bytes() == b"not ours"


def _place(line: dict[str, object]) -> tuple[str, str, str, str]:
    digest = str(line["sha256"])
    return ("sha256", digest[:2], digest[2:4], digest)


def test_a_receipt_that_somebody_changed_is_footage(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    site.watch_once()
    forged = site.share / "card  2-HELD  DO-NOT-WIPE.html"
    forged.write_bytes(b"3-SAFE-TO-WIPE, says somebody")
    ended = site.watch_once()
    assert [line["size_bytes"] for line in ended.events("item.sealed")] == [len(b"3-SAFE-TO-WIPE, says somebody")]
    assert forged.read_bytes() == b"3-SAFE-TO-WIPE, says somebody"


def test_the_same_bytes_twice_are_two_arrivals_of_one_object(site: Site) -> None:
    site.drop("one", {"a": b"same", "b": b"same"})
    site.drop("two", {"c": b"same"})
    ended = site.watch_once()
    same = [line for line in ended.events("item.sealed") if line["size_bytes"] == 4]
    assert (len(same), len({line["item"] for line in same}), len({line["sha256"] for line in same})) == (3, 3, 1)
    proved(site)


def test_two_shares_may_have_drops_of_the_same_name(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    site.drop("card", {"a": b"one"})
    (other / "card").mkdir()
    (other / "card" / "a").write_bytes(b"two")
    (other / "card" / "DONE").write_bytes(b"")
    ended = site.watch_once("--share", str(site.share), "--share", str(other))
    assert ended.code == 0, ended.stderr
    assert len({line["drop"] for line in ended.events("item.sealed")}) == 2
    assert len(ended.events("item.sealed")) == 4


def test_what_is_not_a_file_is_refused_visibly_and_the_rest_is_taken(site: Site) -> None:
    site.put("card/good", b"good")
    os.symlink("/etc/hostname", site.share / "card" / "link")
    os.mkfifo(site.share / "card" / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(site.share / "card" / "socket"))
        site.put("card/DONE", b"")
        ended = site.watch_once()
    assert ended.code == 5
    assert [line["reason"] for line in ended.events("item.refused")] == ["not-a-file"] * 3
    assert ended.events("drop.state")[-1]["state"] == "problem"
    assert site.receipts("card")[1] == "X-PROBLEM  KEEP-THE-CARD.html"
    assert site.run("status").code == 5
    proved(site)
    again = site.watch_once()
    assert (again.code, again.events("item.refused")) == (5, [])


def test_a_link_in_place_of_the_drop_itself_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_bytes(b"secret")
    os.symlink(tmp_path / "elsewhere", site.share / "card")
    ended = site.watch_once()
    assert (ended.code, [line["reason"] for line in ended.events("item.refused")]) == (5, ["not-a-file"])
    assert not ended.events("item.sealed")


def test_a_link_that_somebody_took_away_is_no_problem_any_more(site: Site) -> None:
    site.put("card/good", b"good")
    os.symlink("/etc/hostname", site.share / "card" / "link")
    site.put("card/DONE", b"")
    assert site.watch_once().code == 5
    (site.share / "card" / "link").unlink()
    ended = site.watch_once()
    assert (ended.code, ended.events("drop.state")[-1]["state"]) == (0, "held")
    proved(site)


def test_a_drop_that_is_whole_again_is_stated_anew_and_its_receipt_proves_that(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    link = site.share / "card" / "link"
    changes: list[tuple[Callable[[], None], str]] = [
        (lambda: None, "held"),
        (lambda: link.symlink_to("a"), "problem"),
        (link.unlink, "held"),
    ]
    for change, state in changes:
        change()
        assert site.watch_once().events("drop.state")[-1]["state"] == state
    stated = [entry for entry in proved(site).entries.values() if entry.type == "drop.completed"]
    assert [dict(entry.facts)["completion"] for entry in stated] == ["complete", "refusals", "complete"]
    beside = (site.share / "card  2-HELD  DO-NOT-WIPE.entry.json").read_bytes()
    assert beside == stated[-1].raw


def test_two_recorders_on_one_share_write_no_receipts_of_receipts(site: Site, tmp_path: Path) -> None:
    site.drop("card", {"a": b"a"})
    other = make_site(tmp_path / "other")
    counts = []
    for _ in range(3):
        for store in (site.store, other.store):
            assert Site(store=store, share=site.share).watch_once("--share", str(site.share)).code == 0
        counts.append(len(list(site.share.iterdir())))
    assert counts[0] == counts[1] == counts[2], "receipts must not multiply"
    assert len([path for path in site.share.iterdir() if path.name.endswith(".html")]) == 2


def test_an_empty_folder_is_a_problem_because_somebody_believes_it_full(site: Site) -> None:
    (site.share / "card").mkdir()
    ended = site.watch_once()
    assert (ended.code, ended.events("drop.state")[-1]["state"]) == (5, "problem")
    assert "holds no file" in site.run("drop", "receipt", "card").stdout


def test_the_receipt_of_a_drop_is_printed_for_people_and_for_programs(site: Site) -> None:
    site.drop("card", {"a": b"12345"})
    (site.share / "card" / "link").symlink_to("a")
    site.watch_once()
    printed, told = site.run("drop", "receipt", "card"), site.run("drop", "receipt", "card", "--json")
    beside = (site.share / "card  X-PROBLEM  KEEP-THE-CARD.txt").read_bytes().decode()
    assert printed.stdout.splitlines() == told.document["text"].splitlines() == beside.splitlines()  # type: ignore[attr-defined]
    counted = {name: told.document[name] for name in ("schema", "state", "files", "sealed", "bytes", "missing")}
    assert counted == {
        "schema": "strongroom/drop-receipt/1",
        "state": "problem",
        "files": 3,
        "sealed": 2,
        "bytes": 5,
        "missing": [{"path": "link", "reason": "not-a-file"}],
    }
    assert (site.run("drop", "receipt", "none", "--json").code, told.code) == (3, 0)
    checkpoint = told.document["checkpoint"]
    assert isinstance(checkpoint, dict)
    assert " ".join(checkpoint["words"]) in printed.stdout


def test_an_empty_file_is_evidence_too(site: Site) -> None:
    site.drop("card", {"empty.mp4": b""})
    ended = site.watch_once()
    assert (ended.code, [line["size_bytes"] for line in ended.events("item.sealed")]) == (0, [0, 0])


def test_a_clock_that_is_centuries_ahead_stops_nobody(site: Site) -> None:
    site.drop("card", {"a": b"a", "b": b"b"})
    far_ns = 13_569_465_600 * 10**9  # the year 2400: ext4 and XFS keep it, 63 bits of nanoseconds do not
    for name in ("a", "b"):
        os.utime(site.share / "card" / name, ns=(far_ns, far_ns))
    ended = site.watch_once()
    assert ended.code == 0, ended.stderr
    assert proved(site).account_for(site.sources(), nothing_else=True) == []
    assert site.watch_once().events("item.sealed") == []


def test_what_comes_late_is_taken_and_the_card_is_not_safe_meanwhile(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    site.watch_once()
    site.put("card/late", b"late")
    ended = site.watch_once()
    assert [line["state"] for line in ended.events("drop.state")] == ["received", "copying", "held"]
    assert ended.events("drop.state")[-1]["sealed"] == 3
    assert len([name for name in site.receipts("card") if name.endswith(".html")]) == 1
    assert proved(site).account_for(site.sources(), nothing_else=True) == []


def test_a_changed_file_is_a_new_version_and_an_old_content_again_is_a_third(site: Site) -> None:
    for content in (b"A", b"B", b"A"):
        site.put("card/clip", content)
        site.put("card/DONE", b"")
        assert site.watch_once().code == 0
    versions = [entry for entry in proved(site).entries.values() if entry.type == "master.defined"]
    clips = [dict(entry.facts)["supersedes"] for entry in versions if dict(entry.facts)["size_bytes"] == 1]
    assert clips == ["none", "earlier-version", "earlier-version"]


def test_a_drop_that_left_and_came_back_is_a_new_drop(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    site.put("other", b"keeps the share from being empty")
    first = site.watch_once()
    for path in (site.share / "card").iterdir():
        path.unlink()
    (site.share / "card").rmdir()
    site.watch_once()
    site.drop("card", {"a": b"a"})
    second = site.watch_once()
    drops = {
        line["drop"] for ended in (first, second) for line in ended.events("item.sealed") if line["size_bytes"] == 1
    }
    assert len(drops) == 2
    proved(site)


def test_a_matching_manifest_is_said_and_a_differing_one_is_a_problem(site: Site) -> None:
    right = subprocess.run(["sha256sum", "-b", "/dev/null"], capture_output=True, check=True).stdout.split()[0]
    site.put("good/empty", b"")
    site.put("good/SHA256SUMS", right + b"  empty\n")
    site.put("bad/other", b"not empty")
    site.put("bad/SHA256SUMS", right + b"  other\n")
    ended = site.watch_once()
    assert ended.code == 5
    states = {line["name"]: line["state"] for line in ended.events("drop.state")}
    assert states == {"good": "held", "bad": "problem"}
    assert len(ended.events("item.sealed")) == 4, "a mismatch is a problem, and everything is sealed all the same"


def test_a_share_that_turns_empty_is_unreachable_and_nothing_is_concluded(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    site.watch_once()
    moved = site.share.rename(site.share.with_name("unmounted"))
    site.share.mkdir()
    ended = site.watch_once()
    assert ended.code == 8
    assert site.run("status").code == 8
    site.share.rmdir()
    moved.rename(site.share)
    again = site.watch_once()
    assert (again.code, again.events("item.sealed"), again.events("drop.state")) == (0, [], [])


def test_a_share_that_is_missing_is_said_with_a_next_step(site: Site) -> None:
    site.share.rmdir()
    ended = site.watch_once()
    assert ended.code == 8
    assert "Next:" in ended.stderr


def test_a_lost_intake_database_costs_a_second_reading_and_nothing_else(site: Site) -> None:
    site.drop("card", {"a": b"a", "b": b"b"})
    site.watch_once()
    (site.store / "private" / "intake.db").unlink()
    status = site.run("status")
    assert (status.code, "intake.db is missing" in status.stdout) == (8, True)
    ended = site.watch_once()
    assert ended.code == 0, ended.stderr
    assert ended.lines[-1]["items_sealed"] == 0, "every arrival was found, and none recorded twice"
    assert ended.lines[-1]["drops"] == 1, "our own receipts were recognised by what they hold"
    assert proved(site).account_for(site.sources(), nothing_else=True) == []


def test_a_damaged_intake_database_is_set_aside(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    site.watch_once()
    (site.store / "private" / "intake.db").write_bytes(b"this is no database" * 100)
    assert site.watch_once().code == 0
    assert (site.store / "private" / "intake.db.damaged").exists()


def test_a_second_recorder_is_refused_and_told_who_holds_the_store(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    with _running(site) as running:
        ended = site.watch_once()
        assert ended.code == 7
        assert str(running.pid) in ended.stderr or str(running.pid) in ended.stdout
    assert running.returncode == 143


def _running(site: Site) -> subprocess.Popen[bytes]:
    """Start the service and wait until it has sealed something; on leaving it is told to stop."""
    command = [sys.executable, "-P", "-m", "cli", "watch", "--jsonl", "--store", os.fspath(site.store)]
    process = _Stopped(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    _wait_for(process, b'"item.sealed"')
    return process


def _wait_for(process: subprocess.Popen[bytes], word: bytes) -> None:
    """Read what the service says until ``word`` was said."""
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    pytest.fail(f"the service ended without saying {word!r}")


class _Stopped(subprocess.Popen[bytes]):
    def __exit__(self, *_: object) -> None:
        self.terminate()
        self.wait(timeout=10)
        if self.stdout is not None:
            self.stdout.close()


def test_the_service_takes_a_drop_that_comes_while_it_runs(site: Site) -> None:
    site.drop("first", {"a": b"a"})
    with _running(site) as running:
        site.drop("second", {"b": b"bb"})
        assert running.stdout is not None
        for line in running.stdout:
            if b'"size_bytes": 2' in line:
                break
        else:
            pytest.fail("the service ended without taking the second drop")
    assert running.returncode == 143
    proved(site)


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        (lambda store: (store / "private/keys/recorder.pem").unlink(), 3, "recorder.pem is missing"),
        (lambda store: (store / "private/keys/recorder.pem").chmod(0o644), 4, "can be read by others"),
        (lambda store: (store / "private").chmod(0o755), 4, "open to others"),
        (lambda store: (store / "private/log.db").unlink(), 21, "log.db is missing"),
        (lambda store: (store / "strongroom.toml").write_text("settle = 3\n"), 2, "unknown setting: settle"),
        (lambda store: store.rename(store.with_name("moved")), 3, "no store"),
    ],
    ids=["key-missing", "key-readable", "private-open", "log-missing", "unknown-setting", "no-store"],
)
def test_a_store_that_is_not_as_it_should_be_is_refused_with_a_next_step(
    site: Site, damage: object, code: int, said: str
) -> None:
    site.drop("card", {"a": b"a"})
    damage(site.store)  # type: ignore[operator]  # a lambda of the table above
    ended = Ended(*_plain_watch(site))
    assert ended.code == code
    assert said in ended.stderr
    assert "Next:" in ended.stderr


def _plain_watch(site: Site) -> tuple[int, str, str]:
    command = [sys.executable, "-P", "-m", "cli", "watch", "--once", "--store", os.fspath(site.store)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_a_moved_store_records_only_after_the_move_is_accepted(site: Site, tmp_path: Path) -> None:
    moved = Site(store=site.store.rename(tmp_path / "moved"), share=site.share)
    site.drop("card", {"a": b"a"})
    assert moved.watch_once().code == 4
    assert moved.watch_once("--accept-move").code == 0
    assert moved.watch_once().code == 0
    proved(moved)


def test_a_drop_of_many_batches_and_turns_is_sealed_whole_before_it_is_held(site: Site) -> None:
    """What is dealt with leaves the list of the drop while its later batches are still being made."""
    site.drop("card", {f"f{n:02}": b"%d" % n for n in range(40)})
    ended = run_seeded("short-turns", site, env={})
    assert [line["state"] for line in ended.events("drop.state")] == ["received", "copying", "held"]
    assert len(ended.events("item.sealed")) == 41
    assert proved(site).account_for(site.sources(), nothing_else=True) == []
