"""`key rotate` from the command line: before and after it the store answers the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from checker import Checker
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from program import Ended, Site, make_site, strongroom

from base.fsio import Lock


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A drop, a rotation, and then a late file, another drop with a duplicate, and a second rotation."""
    site = make_site(tmp_path_factory.mktemp("site"), settle_s=0.02)
    site.drop("card", {"harbour.mp4": b"h" * 300, "quay.mp4": b"q" * 50})
    assert site.watch_once("--no-analysis").code == 0
    good(site.run("key", "rotate", "--reason", "yearly change"))
    site.put("card/late.mp4", b"late")
    site.drop("stick", {"copy-of-harbour.mp4": b"h" * 300})
    assert site.watch_once("--no-analysis").code == 0
    return site


def good(ended: Ended) -> Ended:
    assert ended.code == 0, ended.stderr
    return ended


def found(site: Site) -> dict[str, str]:
    """Return the item of each file name."""
    lines = good(site.run("find", "--jsonl")).lines
    return {str(line["source_name"]): str(line["item"]) for line in lines if "item" in line}


def test_items_of_both_logs_are_found_and_shown(site: Site) -> None:
    items = found(site)
    assert items.keys() >= {"harbour.mp4", "quay.mp4", "late.mp4", "copy-of-harbour.mp4"}
    shown = [good(site.run("show", items[name], "--json")).document for name in ("harbour.mp4", "copy-of-harbour.mp4")]
    old, new = ({str(event["log"]) for event in one["events"]} for one in shown)  # type: ignore[attr-defined]
    assert new < old | new
    assert len(new) == 1
    assert shown[0]["sha256"] == shown[1]["sha256"]


def test_the_history_of_an_old_item_goes_through_both_logs(site: Site) -> None:
    told = good(site.run("log", "show", found(site)["quay.mp4"], "--json")).document
    entries, chains = told["entries"], told["chains"]
    assert isinstance(entries, list)
    assert isinstance(chains, list)
    assert entries[0]["type"] == "master.defined"
    assert len({entry["log"] for entry in entries}) in (1, 2)  # 2 as soon as somebody has looked at it since
    assert [chain["verdict"] for chain in chains] == ["complete"]


def test_everybody_gets_a_receipt_under_the_checkpoint_of_the_log_of_the_item(site: Site, tmp_path: Path) -> None:
    origins = set()
    for name in ("harbour.mp4", "copy-of-harbour.mp4"):
        good(site.run("log", "receipt", found(site)[name], "-o", tmp_path / name))
        origins.add((tmp_path / name / "receipt.tlog-proof").read_text().split("\n\n")[1].split("\n")[0])
        assert (tmp_path / name / "HOW-TO-CHECK.txt").exists()
    assert len(origins) == 2


def test_a_drop_of_the_old_log_took_the_late_file(site: Site) -> None:
    drops = good(site.run("drop", "status", "--json")).document["drops"]
    assert isinstance(drops, list)
    assert {(drop["name"], drop["state"], drop["sealed"]) for drop in drops} == {
        ("card", "held", 4),
        ("stick", "held", 2),
    }


def test_the_whole_store_verifies_and_the_catalogue_is_made_again_the_same(site: Site) -> None:
    document = good(site.run("verify", "--json")).document
    earlier, content = document["earlier"], document["content"]
    assert isinstance(earlier, list)
    assert isinstance(content, dict)
    assert [(log["end"], log["ended"], log["damage"]) for log in earlier] == [("closed", "closed", 0)]
    assert (content["missing"], content["not_recorded"]) == (0, 0)
    before = found(site)
    good(site.run("catalog", "rebuild"))
    assert found(site) == before
    good(site.run("catalog", "check"))


def test_an_exhibit_of_the_old_log_is_verified_by_itself(site: Site) -> None:
    document = good(site.run("verify", found(site)["harbour.mp4"], "--json")).document
    exhibits = document["exhibits"]
    assert isinstance(exhibits, list)
    (exhibit,) = exhibits
    assert (exhibit["object"], exhibit["complete"], exhibit["gap_at"]) == ("matched", True, None)


def test_an_auditor_with_a_checkpoint_of_the_closed_log_gets_an_answer(site: Site, tmp_path: Path) -> None:
    (closed,) = (site.store / "closed").iterdir()
    kept = tmp_path / "kept.checkpoint"
    kept.write_bytes((closed / "log" / "checkpoint").read_bytes())
    answers = good(site.run("verify", "--against", kept, "--json")).document["against"]
    assert isinstance(answers, list)
    assert [answer["verdict"] for answer in answers] == ["same"]


def test_status_and_checkpoint_speak_of_the_open_log(site: Site) -> None:
    logs = good(site.run("status", "--json")).document["logs"]
    checkpoint = good(site.run("checkpoint", "show", "--json")).document
    assert isinstance(logs, list)
    assert [log["state"] for log in logs] == ["closed", "open"]
    assert logs[-1]["origin"] == checkpoint["origin"]


def test_nothing_is_closed_beside_a_recorder(site: Site) -> None:
    lock = Lock(site.store / "private" / "recorder.lock")
    lock.acquire(holder="the recorder of this store")
    try:
        refused = site.run("key", "rotate")
    finally:
        lock.release()
    assert refused.code == 7
    assert "the recorder of this store" in refused.stderr


def test_a_name_that_can_not_be_is_refused_and_nothing_is_closed(site: Site) -> None:
    refused = site.run("key", "rotate", "--origin", "two words")
    assert refused.code == 2
    assert Checker(site.store).check() == []


def test_the_second_rotation_goes_as_the_first(site: Site) -> None:
    good(site.run("key", "rotate"))
    assert found(site).keys() >= {"harbour.mp4", "late.mp4"}
    earlier = good(site.run("verify", "--json")).document["earlier"]
    assert isinstance(earlier, list)
    assert len(earlier) == 2
    assert Checker(site.store).check() == []
    assert Checker(site.store).account_for(site.sources(), nothing_else=True) == []


# -------------------------------------------------------------------------------------------------------- root keys


def make_key(folder: Path, name: str) -> Path:
    """Make a root key as openssl would; return the file of its public part."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.joinpath(f"{name}.pem").write_bytes(pem)
    folder.joinpath(f"{name}.pem").chmod(0o600)
    public = folder / f"{name}.pub"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def proposed(store: Path, target: Path) -> str:
    ended = strongroom("key", "rotate", "--propose", target, "--json", "--store", store)
    return str(good(ended).document["event"])


def endorsed(proposal: Path, names: Sequence[str]) -> list[str | Path]:
    """Let the root keys of these names endorse a proposal; return the options that hand that in."""
    options: list[str | Path] = []
    for name in names:
        signed = proposal.with_suffix(f".{name}")
        good(strongroom("key", "endorse", proposal, "--key", proposal.parent / f"{name}.pem", "-o", signed, "--yes"))
        options += ["--endorsement", signed]
    return options


def test_a_log_with_root_keys_is_closed_and_opened_by_their_holders(tmp_path: Path) -> None:
    store, first, second = tmp_path / "store", tmp_path / "first.json", tmp_path / "second.json"
    options = [word for name in ("a", "b", "c") for word in ("--root-key", make_key(tmp_path, name))]
    good(strongroom("init", store, *options, "--root-threshold", "2"))
    (tmp_path / "share").mkdir()

    def rotate(*arguments: str | Path) -> Ended:
        return strongroom("key", "rotate", *arguments, "--store", store)

    assert rotate().code == 4, "a custodian alone may not"
    event = proposed(store, first)
    signed = endorsed(first, ["a", "b"])
    assert rotate("--event", event, *signed[:2]).code == 4, "one of two is too few"
    assert rotate("--event", event, *signed[:2], *signed[:2]).code == 4, "the same one twice is one"
    assert not (store / "private" / "succession").exists(), "until then nothing has happened"
    good(rotate("--event", event, *signed))
    waiting = strongroom("watch", "--once", "--share", tmp_path / "share", "--store", store)
    assert (waiting.code, "waits for 2 root keys" in waiting.stderr) == (4, True)
    assert strongroom("find", "--store", store).code == 7
    opening = proposed(store, second)
    assert proposed(store, tmp_path / "third.json") == opening, "it is fixed once"
    assert rotate("--event", event, *endorsed(second, ["a", "c"])).code == 4, "that was the end, not the beginning"
    good(
        rotate("--event", opening, "--endorsement", second.with_suffix(".a"), "--endorsement", second.with_suffix(".c"))
    )
    document = good(strongroom("verify", "--json", "--store", store)).document
    assert document["earlier"][0]["end"] == "closed"  # type: ignore[index]
    assert document["log"]["root_threshold"] == 2  # type: ignore[index]
    assert Checker(store).check() == []
    assert rotate().code == 4, "the root keys went on to the successor"
