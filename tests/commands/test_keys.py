"""`strongroom key`, as a custodian and the holders of root keys run it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from checker import Checker
from program import Ended, strongroom
from store_of_log import store_run_by

PASSPHRASE = "correct horse battery staple"


def key(path: Path, *options: str) -> Path:
    """Make a private key and its public part beside it with openssl, and return the private one."""
    subprocess.run(["openssl", "genpkey", *options, "-out", path], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-out", path.with_suffix(".pub")], check=True)
    return path


ED25519 = ("-algorithm", "ed25519")
P256 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")


class House:
    """A store of its own, and the commands on it."""

    def __init__(self, folder: Path, *init: str | Path, env: dict[str, str] | None = None) -> None:
        self.folder, self.store, self.env = folder, folder / "store", env or {}
        made = strongroom("init", self.store, *init)
        assert made.code == 0, made.stderr
        self.origin = (self.store / "log" / "checkpoint").read_text().splitlines()[0]

    def run(self, *arguments: str | Path, code: int = 0) -> Ended:
        ended = strongroom(*arguments, "--store", self.store, env=self.env)
        assert ended.code == code, (ended.stdout, ended.stderr)
        return ended

    def listed(self) -> list[dict[str, object]]:
        rows = self.run("key", "list", "--json").document["keys"]
        assert isinstance(rows, list)
        return rows

    def is_good(self) -> None:
        self.run("verify")
        assert Checker(self.store).check() == []


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.needs("openssl")
def test_the_recorder_key_is_changed_and_the_old_one_signs_nothing_more(house: House) -> None:
    old = str(house.listed()[0]["keyid"])
    enrolled = house.run("key", "enrol", "--purpose", "recorder", "--new", "--reason", "yearly", "--json").document
    keys = {str(row["keyid"]): row for row in house.listed()}
    assert [row["valid"] for row in keys.values()] == [True, True]
    house.run("key", "revoke", old[:8], "--reason", "yearly")
    keys = {str(row["keyid"]): row for row in house.listed()}
    assert (keys[old]["valid"], keys[old]["in_use"]) == (False, False)
    assert keys[str(enrolled["keyid"])]["in_use"]
    house.run("key", "revoke", str(enrolled["keyid"]), "--reason", "mistake", code=4)  # the last one
    house.is_good()


def test_a_store_whose_only_key_was_revoked_says_so_and_records_nothing(house: House) -> None:
    old = str(house.listed()[0]["keyid"])
    new = str(house.run("key", "enrol", "--purpose", "recorder", "--new", "--json").document["keyid"])
    house.run("key", "revoke", old, "--reason", "stolen", "--good-size", "2")
    (house.store / "private" / "keys" / f"recorder-{new[:16]}.pem").unlink()
    before = (house.store / "log" / "checkpoint").read_bytes()
    ended = house.run("key", "list", code=4)
    assert "was revoked by entry" in ended.stderr
    assert (house.store / "log" / "checkpoint").read_bytes() == before
    verdict = house.run("verify", "--json", code=6).document
    assert "trusted only up to position 1" in str(verdict["not_checked"])
    # Whose entries they are is open, not what they say: the catalogue is compared with them all the same.
    assert verdict["catalogue"] == "ok"


@pytest.fixture
def rooted(tmp_path: Path) -> House:
    keys = [key(tmp_path / "a.pem", *ED25519), key(tmp_path / "b.pem", *P256), key(tmp_path / "c.pem", *RSA)]
    options = [word for path in keys for word in ("--root-key", path.with_suffix(".pub"))]
    return House(tmp_path, *options, "--root-threshold", "2")


def proposed(house: House) -> str:
    event = house.run(
        "key", "enrol", "--purpose", "recorder", "--new", "--propose", house.folder / "change.json", "--json"
    ).document["event"]
    return str(event)


def endorse(folder: Path, name: str, *, proposal: str = "change.json") -> Path:
    signed = folder / f"{name}.{proposal}.signed"
    private = folder / f"{name}.pem"
    ended = strongroom("key", "endorse", folder / proposal, "--key", private, "-o", signed, "--yes")
    assert ended.code == 0, ended.stderr
    return signed


@pytest.mark.needs("openssl")
def test_with_root_keys_a_change_is_proposed_endorsed_elsewhere_and_recorded(rooted: House) -> None:
    rooted.run("key", "enrol", "--purpose", "recorder", "--new", code=4)
    assert [path.name for path in (rooted.store / "private" / "keys").glob("recorder-*")] == []
    event = proposed(rooted)
    assert rooted.run("status", "--json", code=5).document["proposals"] == [
        {"event": event, "type": "key.enrolled", "proposed_at": waiting_since(rooted)}
    ]
    a, b = endorse(rooted.folder, "a"), endorse(rooted.folder, "c")
    rooted.run("key", "enrol", "--event", event, "--endorsement", a, code=4)
    rooted.run("key", "enrol", "--event", event, "--endorsement", a, "--endorsement", a, code=4)  # one twice is one
    done = rooted.run("key", "enrol", "--event", event, "--endorsement", a, "--endorsement", b, "--json").document
    assert done["endorsed_by"] == 2
    rooted.run("status")
    assert len(rooted.listed()) == 5
    rooted.run("key", "enrol", "--event", event, "--endorsement", a, "--endorsement", b)  # again: it is recorded once
    assert len(rooted.listed()) == 5
    rooted.is_good()


def waiting_since(house: House) -> str:
    (path,) = (house.store / "private" / "pending").glob("*/proposal.json")
    return str(json.loads(path.read_bytes())["proposed_at"])


@pytest.mark.needs("openssl")
def test_a_proposed_change_can_be_withdrawn(rooted: House) -> None:
    event = proposed(rooted)
    signed = [endorse(rooted.folder, name) for name in ("a", "b")]
    rooted.run("key", "withdraw", event)
    rooted.run("status")
    rooted.run("key", "withdraw", event, code=3)
    rooted.run("key", "enrol", "--event", event, "--endorsement", signed[0], "--endorsement", signed[1], code=3)
    rooted.is_good()


@pytest.mark.needs("openssl")
def test_endorsements_of_one_change_do_not_let_another_one_pass(rooted: House) -> None:
    first = proposed(rooted)
    signed = [endorse(rooted.folder, name) for name in ("a", "b")]
    (rooted.folder / "change.json").rename(rooted.folder / "first.json")
    second = proposed(rooted)
    words = [word for path in signed for word in ("--endorsement", path)]
    rooted.run("key", "enrol", "--event", second, *words, code=21)
    rooted.run("key", "enrol", "--event", first, *words)
    rooted.is_good()


@pytest.mark.needs("openssl")
def test_whoever_endorses_sees_also_what_will_be_hidden(rooted: House) -> None:
    proposed(rooted)
    seen = strongroom(
        *("key", "endorse", rooted.folder / "change.json", "--key", rooted.folder / "a.pem"),
        *("-o", rooted.folder / "signed", "--yes"),
    ).stdout
    assert rooted.origin in seen
    assert "actor (hidden)" in seen
    no = strongroom(
        *("key", "endorse", rooted.folder / "change.json", "--key", rooted.folder / "a.pem"),
        *("-o", rooted.folder / "unsigned"),
    )
    assert no.code != 0
    assert not (rooted.folder / "unsigned").exists()


@pytest.mark.needs("openssl")
def test_a_proposal_that_was_changed_on_the_way_is_refused(rooted: House) -> None:
    proposed(rooted)
    path = rooted.folder / "change.json"
    path.write_bytes(path.read_bytes().replace(b'"recorder"', b'"root"'))
    signed = endorse(rooted.folder, "a")
    document = json.loads(path.read_bytes())
    words = ("--endorsement", signed, "--endorsement", endorse(rooted.folder, "b"))
    rooted.run("key", "enrol", "--event", document["event"], *words, code=21)


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("kind", [ED25519, P256, RSA], ids=["ed25519", "p256", "rsa"])
def test_a_person_with_an_enrolled_key_vouches_for_a_role(house: House, kind: tuple[str, ...]) -> None:
    officer = key(house.folder / "officer.pem", *kind)
    proof = house.folder / "officer.proof"
    made = strongroom("key", "prove", officer, "--log", house.origin, "--purpose", "personal", "-o", proof, "--json")
    keyid = str(made.document["keyid"])
    house.run("role", "grant", "daemon", "auditor", "--endorse-with", officer, code=4)  # not enrolled yet
    me = str(os.getuid())
    words = ("--purpose", "personal", "--holder", me)
    house.run("key", "enrol", officer.with_suffix(".pub"), "--proof", proof, *words)
    house.run("role", "grant", "daemon", "auditor", "--endorse-with", officer)
    public = b"".join(path.read_bytes() for path in (house.store / "log").rglob("*") if path.is_file())
    assert keyid.encode() not in public  # a card's key names its officer
    assert f"by the key {keyid}, signed 20" in house.run("log", "show").stdout
    house.is_good()
    house.run("key", "revoke", keyid[:12], "--reason", "card lost")
    house.run("role", "grant", "daemon", "investigator", "--endorse-with", officer, code=4)
    house.is_good()


@pytest.mark.needs("openssl")
def test_a_proof_that_openssl_made_is_accepted(house: House) -> None:
    officer = key(house.folder / "officer.pem", *ED25519)
    der = subprocess.run(
        ["openssl", "pkey", "-in", officer, "-pubout", "-outform", "DER"], capture_output=True, check=True
    ).stdout
    keyid = subprocess.run(["sha256sum"], input=der, capture_output=True, check=True).stdout.split()[0].decode()
    message, proof = house.folder / "message", house.folder / "proof"
    message.write_text(f"strongroom-key/1\n{house.origin}\n{keyid}\npersonal\n")
    sign = ("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", officer, "-in", message, "-out", proof)
    subprocess.run(sign, check=True)
    public = officer.with_suffix(".pub")
    house.run("key", "enrol", public, "--proof", proof, "--purpose", "personal", "--holder", str(os.getuid()))
    proof.write_bytes(bytes(64))
    other = key(house.folder / "other.pem", *ED25519).with_suffix(".pub")
    house.run("key", "enrol", other, "--proof", proof, "--purpose", "personal", "--holder", str(os.getuid()), code=21)
    house.is_good()


@pytest.mark.needs("openssl")
def test_a_backup_gives_the_keys_back_with_openssl_alone(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE + "\n")
    house = House(tmp_path, "--passphrase-file", passphrase, env={"STRONGROOM_PASSPHRASE_FILE": str(passphrase)})
    house.run("key", "enrol", "--purpose", "recorder", "--new")
    backup = tmp_path / "backup.pem"
    names = house.run("key", "backup", "-o", backup, "--passphrase-file", passphrase, "--json").document["keys"]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert isinstance(names, list)
    assert len(names) == 3
    before = backup.read_bytes()
    house.run("key", "backup", "-o", backup, "--passphrase-file", passphrase, code=4)
    assert backup.read_bytes() == before
    keys = house.store / "private" / "keys"
    shutil.move(keys, tmp_path / "gone")
    keys.mkdir(mode=0o700)
    house.run("key", "list", code=3)
    for name in names:
        restore = (
            f"sed -n '/^# key {name} /,/END/p' {backup} | openssl pkey -passin file:{passphrase} -out {keys / name} "
            f"&& chmod 600 {keys / name}"
        )
        subprocess.run(["sh", "-c", restore], check=True)
    house.run("role", "grant", "daemon", "auditor")
    house.is_good()


def test_a_store_whose_keys_systemd_hands_in_needs_none_of_its_own(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    house = House(tmp_path, env={"CREDENTIALS_DIRECTORY": str(credentials)})
    shutil.move(house.store / "private" / "keys", credentials)
    (house.store / "private" / "keys").mkdir(mode=0o700)
    (house.store / "private" / "keys" / "by-systemd").touch()
    share = tmp_path / "share"
    (share / "card").mkdir(parents=True)
    (share / "card" / "clip.mp4").write_bytes(b"footage")
    (share / "card" / "DONE").touch()
    settings = house.store / "strongroom.toml"
    settings.write_text(settings.read_text() + f'\n[[share]]\npath = "{share}"\n')
    taken = house.run("watch", "--once", "--jsonl")
    assert taken.events("item.sealed")
    house.run("role", "grant", "daemon", "auditor")
    house.is_good()
    assert strongroom("role", "grant", "daemon", "auditor", "--store", house.store).code == 3  # without them


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("enrol", "--purpose", "recorder"), 2),  # which key?
        (("enrol", "--new"), 2),
        (("enrol", "nowhere.pem", "--purpose", "root"), 3),
        (("enrol", "--event", "event_" + "0" * 32), 3),
        (("enrol", "--event", "x", "--new"), 2),
        (("revoke", "0000"), 2),
        (("revoke", "0000", "--reason", "x"), 3),
        (("revoke",), 2),
    ],
)
def test_a_change_that_does_not_say_what_it_means_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    House(tmp_path).run("key", *arguments, code=code)


def test_only_a_custodian_changes_keys_and_every_refusal_is_recorded(tmp_path: Path) -> None:
    layout = store_run_by(tmp_path / "store", ["auditor"])
    for arguments in (
        ("enrol", "--purpose", "recorder", "--new"),
        ("revoke", "0000", "--reason", "x"),
        ("backup", "-o", tmp_path / "backup", "--passphrase-file", written(tmp_path / "passphrase")),
    ):
        before = entries(layout.root)
        ended = strongroom("key", *arguments, "--store", layout.root)
        assert ended.code == 4, ended.stderr
        assert entries(layout.root) == before + 1
    assert not (tmp_path / "backup").exists()
    listed = strongroom("key", "list", "--json", "--store", layout.root)
    assert listed.code == 0


def written(path: Path) -> Path:
    path.write_text(PASSPHRASE)
    return path


def entries(store: Path) -> int:
    return int((store / "log" / "checkpoint").read_text().splitlines()[1])


@pytest.mark.parametrize("options", [("--root-threshold", "1"), ("--root-threshold", "-1")])
def test_a_rule_that_can_not_be_met_makes_no_store(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = strongroom("init", tmp_path / "store", *options)
    assert ended.code == 2
    assert not (tmp_path / "store" / "strongroom.toml").exists()
