"""A whole log, kept checkpoints and a folder of masters, checked by a stranger."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from key_log import KeyLog, by, endorsed, endorsement, enrolment, person, revocation, signer
from small_log import LOG_KEY, ORIGIN, STRANGER, base64_text, signed_checkpoint, tree_root, vkey_of
from standalone import answer, ask
from store_of_log import arrive, copied, receive

from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal


@dataclass(frozen=True, slots=True)
class Twins:
    """A log, and copies of it that went on differently from the same beginning."""

    one: StoreLayout
    other: StoreLayout
    beginning: Path  # the checkpoint at which they parted


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    root = tmp_path_factory.mktemp("twins")
    stores = [copied(root / name) for name in ("one", "other")]
    (root / "beginning").write_bytes(stores[0].checkpoint.read_bytes())
    for n, layout in enumerate(stores):
        with Recorder.open(layout) as recorder:
            drop = receive(recorder)
            for path in (b"a", b"b", b"c"):
                digest = hashlib.sha256(path + b"%d" % n).hexdigest()
                arrive(recorder, drop, [path], content=path + b"%d" % n)
                home = layout.vault / "sha256" / digest[:2] / digest[2:4]
                home.mkdir(parents=True)
                (home / digest).write_bytes(path + b"%d" % n)
            seal(recorder)
    return Twins(stores[0], stores[1], root / "beginning")


def test_a_sound_log_is_sound(twins: Twins, tmp_path: Path) -> None:
    told = ask("log", twins.one.log, "--against", twins.beginning, "--masters", twins.one.vault, cwd=tmp_path)
    assert told.status == 0, told.told
    assert "NOTE      6 signatures at " in told.told
    assert "masters: 3 matched, 0 changed, 0 missing, 0 not recorded" in told.told


def test_a_fork_a_rollback_and_a_false_note_are_told_apart(twins: Twins, tmp_path: Path) -> None:
    (tmp_path / "false").write_bytes(twins.one.checkpoint.read_bytes()[:-9] + b"AAAAAAA=\n")
    shutil.copytree(twins.one.log, tmp_path / "log")
    (tmp_path / "log" / "checkpoint").write_bytes(twins.beginning.read_bytes())
    for log, kept, words in (
        (twins.one.log, twins.other.checkpoint, "a split view"),
        (tmp_path / "log", twins.one.checkpoint, "rolled back"),
        (twins.one.log, tmp_path / "false", "is not valid"),
    ):
        told = answer("log", log, "--against", kept)
        assert told.status == 21
        assert any(words in text and str(kept) in name for code, name, text in told.found if code == 21), told.told


def test_an_older_checkpoint_beside_newer_tiles_is_not_called_damage(twins: Twins, tmp_path: Path) -> None:
    """A log may be copied while it is being written: only a kept checkpoint tells that from a rollback."""
    shutil.copytree(twins.one.log, tmp_path / "log")
    (tmp_path / "log" / "checkpoint").write_bytes(twins.beginning.read_bytes())
    told = answer("log", tmp_path / "log")
    assert told.status == 6
    assert [(code, name) for code, name, _ in told.found] == [(6, "checkpoint")]


MASTERS: list[tuple[str, Callable[[list[Path]], object], str, int]] = [
    ("changed", lambda paths: paths[0].write_bytes(b"x"), "2 matched, 1 changed, 1 missing, 0 not recorded", 2),
    ("missing", lambda paths: paths[0].unlink(), "2 matched, 0 changed, 1 missing, 0 not recorded", 1),
    ("not recorded", lambda paths: (paths[0].parent / "notes").write_bytes(b"x"), "3 matched, 0 changed, 0", 1),
    ("swapped", lambda paths: swap(paths[0], paths[1]), "1 matched, 2 changed, 2 missing, 0 not recorded", 4),
    ("a link", lambda paths: link(paths[0]), "2 matched, 1 changed, 1 missing, 0 not recorded", 2),
    ("elsewhere", lambda paths: paths[0].rename(paths[1].parent / paths[0].name), "2 matched, 1 changed, 1 missing", 2),
]  # fmt: skip


def swap(one: Path, other: Path) -> None:
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def link(path: Path) -> None:
    path.rename(path.parents[4] / "aside")
    path.symlink_to(path.parents[4] / "aside")


@pytest.mark.parametrize(
    ("change", "counts", "found"), [case[1:] for case in MASTERS], ids=[case[0] for case in MASTERS]
)
def test_masters_are_counted_and_named(
    twins: Twins, tmp_path: Path, change: Callable[[list[Path]], object], counts: str, found: int
) -> None:
    vault = Path(shutil.copytree(twins.one.vault, tmp_path / "store" / "vault"))
    paths = sorted(path for path in vault.rglob("*") if path.is_file())
    change(paths)
    told = answer("log", twins.one.log, "--masters", vault)
    assert told.status == 20
    assert counts in told.told
    assert len(told.found) == found


def test_masters_may_lie_in_any_folder_under_any_name(twins: Twins, tmp_path: Path) -> None:
    for n, path in enumerate(path for path in twins.one.vault.rglob("*") if path.is_file()):
        (tmp_path / f"clip {n}.mp4").write_bytes(path.read_bytes())
    assert answer("log", twins.one.log, "--masters", tmp_path).status == 0


# ------------------------------------------------------------------------------------------------ keys by position


def log_of(raws: Sequence[bytes], folder: Path) -> Path:
    """Write a whole log of up to 255 entries, signed with the log key of the small log."""
    leaves = [hashlib.sha256(b"\0" + raw).digest() for raw in raws]
    for level, parts in (("0", leaves), ("entries", [len(raw).to_bytes(2, "big") + raw for raw in raws])):
        path = folder / "tile" / level / "000.p" / str(len(raws))
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(parts))
    text = f"{ORIGIN}\n{len(raws)}\n{base64_text(tree_root(leaves))}\n".encode()
    (folder / "checkpoint").write_bytes(signed_checkpoint(text))
    return folder


NEW, ROOTS = signer(7), [signer(11), signer(12)]


def enrolled_and_used(log: KeyLog) -> None:
    log.add(enrolment(NEW))
    log.add(signer=NEW)
    log.add(revocation(NEW), signer=NEW)  # the revocation itself may still be signed with it
    log.add()


def used_too_early(log: KeyLog) -> None:
    log.add(signer=NEW)
    log.add(enrolment(NEW))


def enrols_itself(log: KeyLog) -> None:
    log.add(enrolment(NEW), signer=NEW)


def used_after_its_revocation(log: KeyLog) -> None:
    log.add(enrolment(NEW))
    log.add(revocation(NEW))
    log.add(signer=NEW)


def enrolled_again(log: KeyLog) -> None:
    log.add(enrolment(NEW))
    log.add(revocation(NEW))
    log.add(enrolment(NEW))


def revoked_twice(log: KeyLog) -> None:
    log.add(enrolment(NEW))
    log.add(revocation(NEW))
    log.add(revocation(NEW))


def without_proof(log: KeyLog) -> None:
    log.add(enrolment(NEW, proof=bytes(64)))
    log.add(signer=NEW)


def root_key_signs_an_entry(log: KeyLog) -> None:
    log.add(enrolment(NEW, "root"))
    log.add(signer=NEW)


@pytest.mark.parametrize(
    "build",
    [
        enrolled_and_used, used_too_early, enrols_itself, used_after_its_revocation, enrolled_again, revoked_twice,
        without_proof, root_key_signs_an_entry,
    ],
)  # fmt: skip
def test_keys_count_by_position_as_the_product_says(build: Callable[[KeyLog], None], tmp_path: Path) -> None:
    log = KeyLog()
    build(log)
    told = answer("log", log_of(log.raws, tmp_path / "log"))
    assert sorted(int(name.split()[1]) for code, name, _ in told.found if code == 21) == log.damaged()
    assert told.status == (21 if log.damaged() else 0)


def test_what_a_key_signed_before_it_was_lost_is_in_doubt(tmp_path: Path) -> None:
    log = KeyLog()
    log.add(enrolment(NEW))
    log.add(revocation(NEW, good_size=1))
    told = answer("log", log_of(log.raws, tmp_path / "log"))
    assert told.status == 6
    assert "is in doubt" in told.told


def endorsed_by_both(log: KeyLog) -> None:
    log.add(by(enrolment(NEW), *ROOTS))
    log.add(signer=NEW)


def endorsed_by_one(log: KeyLog) -> None:
    log.add(by(enrolment(NEW), ROOTS[0]))


def endorsed_by_nobody(log: KeyLog) -> None:
    log.add(enrolment(NEW))


def endorsed_by_a_stranger(log: KeyLog) -> None:
    log.add(by(enrolment(NEW), ROOTS[0], signer(33)))


def something_else_was_endorsed(log: KeyLog) -> None:
    event = enrolment(NEW)
    log.add(endorsed(event, [endorsement(event, key, log="strongroom/0000000000000") for key in ROOTS]))


@pytest.mark.parametrize(
    "build",
    [endorsed_by_both, endorsed_by_one, endorsed_by_nobody, endorsed_by_a_stranger, something_else_was_endorsed],
)
def test_root_keys_endorse_a_change_of_keys_as_the_product_says(
    build: Callable[[KeyLog], None], tmp_path: Path
) -> None:
    log = KeyLog(roots=ROOTS, threshold=2)
    build(log)
    told = answer("log", log_of(log.raws, tmp_path / "log"))
    assert sorted(int(name.split()[1]) for code, name, _ in told.found if code == 21) == log.damaged()
    assert told.status == (21 if log.damaged() else 0)


def test_an_endorsement_of_an_unknown_algorithm_could_not_be_checked(tmp_path: Path) -> None:
    log = KeyLog(roots=[person("p256")], threshold=1)
    log.add(by(enrolment(NEW), person("p256")))
    told = answer("log", log_of(log.raws, tmp_path / "log"))
    assert told.status == 6
    assert [(code, name) for code, name, _ in told.found] == [(6, "entry 1")]


# ------------------------------------------------------------------------------------------------ witnesses


WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))


def witness_line(text: bytes, *, seconds: int = 1790000000, name: str = "witness.example/w1") -> tuple[str, bytes]:
    """Return the verifier key of a witness and its signature line (cosignature/v1)."""
    blob = b"\4" + WITNESS.public_key().public_bytes_raw()
    key_id = hashlib.sha256(name.encode() + b"\n" + blob).digest()[:4]
    signature = WITNESS.sign(b"cosignature/v1\ntime %d\n" % seconds + text)
    line = f"\u2014 {name} {base64_text(key_id + seconds.to_bytes(8, 'big') + signature)}\n"
    return f"{name}+{key_id.hex()}+{base64_text(blob)}", line.encode()


@pytest.mark.parametrize(
    ("quorum", "cosigned", "status"),
    [
        ("none", False, 0), ("w1", False, 6), ("w1", True, 0), ("any", True, 0), ("all", True, 6), ("2", True, 6),
        ("unknown", True, 21),
    ],
)  # fmt: skip
def test_a_policy_says_which_witnesses_are_needed(tmp_path: Path, quorum: str, cosigned: bool, status: int) -> None:
    log = log_of(KeyLog().raws, tmp_path / "log")
    text = (log / "checkpoint").read_bytes().partition(b"\n\n")[0] + b"\n"
    vkey, line = witness_line(text)
    other = "witness.example/w2+" + vkey_of(STRANGER, "witness.example/w2").split("+", 1)[1]
    if cosigned:
        (log / "checkpoint").write_bytes((log / "checkpoint").read_bytes() + line)
    lines = [f"log {vkey_of(LOG_KEY)}", f"witness w1 {vkey}", f"witness w2 {other}"]
    lines += [f"group g {quorum} w1 w2", "quorum g"] if quorum in ("any", "all", "2") else [f"quorum {quorum}"]
    (tmp_path / "policy").write_text("".join(f"{one}\n" for one in lines))
    assert answer("log", log, "--policy", tmp_path / "policy").status == status


def test_a_false_line_of_a_known_witness_makes_the_note_void(tmp_path: Path) -> None:
    log = log_of(KeyLog().raws, tmp_path / "log")
    vkey, line = witness_line(b"another text\n")
    (log / "checkpoint").write_bytes((log / "checkpoint").read_bytes() + line)
    (tmp_path / "policy").write_text(f"log {vkey_of(LOG_KEY)}\nwitness w1 {vkey}\nquorum none\n")
    assert answer("log", log).status == 0  # nobody asked about that key
    assert answer("log", log, "--policy", tmp_path / "policy").status == 21
