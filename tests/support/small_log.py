"""A little writer of whole, valid stores, for testing the checker: somebody else's program again.

It shares nothing with the product and nothing with the checker: the tree is the recursive definition of RFC 6962, keys,
salts and times are fixed, and ``edit`` lets a test write an entry that breaks exactly one rule, rightly signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "strongroom/4XH7K3M9QZV2D"
LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RECORDER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(200, 232)))  # a key that signs nothing here
ARRIVAL_KEY = bytes(range(100, 132))
NO_ENTRY = "0" * 64
SHARE, DROP_NAME = b"/srv/share", b"card seventeen"
DROP, ITEM_A, ITEM_B = "drop_7K3M9QZV2D8HN", "item_7K3M9QZV2D8HA", "item_7K3M9QZV2D8HB"
MASTER_A, MASTER_B = b"the first master", b"the second \xff master"
PATH_A, PATH_B = b"DCIM/harbour-north.mp4", b"DCIM/quay\xff.mp4"

Edit = Callable[[dict[str, Any]], None]


def dumps(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def raw_value(data: bytes) -> dict[str, str]:
    """Return how raw bytes stand in an opening."""
    return {"base64": base64_text(data)}


def hex_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def spki_of(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def vkey_of(key: Ed25519PrivateKey, name: str = ORIGIN) -> str:
    blob = b"\1" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = hex_digest(name.encode() + b"\n" + blob)[:8]
    return f"{name}+{key_id}+{base64_text(blob)}"


def signed_checkpoint(text: bytes, key: Ed25519PrivateKey = LOG_KEY, name: str = ORIGIN) -> bytes:
    key_id = bytes.fromhex(vkey_of(key, name).split("+")[1])
    line = f"\u2014 {name} {base64_text(key_id + key.sign(text))}\n"
    return text + b"\n" + line.encode()


LOG_SUBJECT = {"log": hex_digest(ORIGIN.encode())}


def change(statement: dict[str, Any], member: str, value: object) -> None:
    """Give a member of the predicate another value than it has."""
    if statement["predicate"][member] == value:
        raise AssertionError(f"{member} is already {value!r}: nothing would be tested")
    statement["predicate"][member] = value


def member(name: str, value: object) -> Edit:
    """Return an edit that changes one member of the predicate."""
    return lambda statement: change(statement, name, value)


def tree_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 over leaf hashes, by its definition."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


class SmallStore:
    """A store that grows by ``record`` and ``seal``; every file is written as soon as it is known."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raws: list[bytes] = []
        self._heads: dict[str, tuple[int, str]] = {}
        self._salts = 0
        for folder in ("log", "private", "vault", "derived", "staging"):
            (root / folder).mkdir(parents=True)
        self.sql("log.db", "CREATE TABLE entry (seq INTEGER PRIMARY KEY, event TEXT, type TEXT, digest BLOB, raw BLOB)")
        self.sql("log.db", "CREATE TABLE checkpoint (size INTEGER, root BLOB, note BLOB)")
        columns = "commitment BLOB, seq INTEGER, type TEXT, member TEXT, class TEXT, text TEXT"
        self.sql("openings.db", f"CREATE TABLE opening ({columns})")

    def sql(self, database: str, statement: str, *values: object) -> int:
        """Run one statement and return how many rows it touched."""
        with closing(sqlite3.connect(self.root / "private" / database)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            return connection.execute(statement, values).rowcount

    def add_object(self, folder: str, data: bytes) -> str:
        name = hex_digest(data)
        path = self.root / folder / "sha256" / name[:2] / name[2:4] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
        return name

    def record(
        self,
        kind: str,
        subjects: Mapping[str, str],
        *,
        drop: str | None = None,
        facts: object = None,
        values: Mapping[str, Any] | None = None,
        event: str | None = None,
        edit: Edit | None = None,
        key: Ed25519PrivateKey = RECORDER_KEY,
    ) -> int:
        """Record one entry and its openings. ``edit`` may change the statement before it is signed."""
        seq = len(self.raws)
        event = event or "event_" + hex_digest(b"event %d" % seq)[:32]
        everything = {"actor": "actor_7K3M9QZV2D8HN", "links": None, **(values or {})}
        predicate = {
            "type": kind,
            "log": ORIGIN,
            "seq": seq,
            "prev": hex_digest(self.raws[-1]) if self.raws else NO_ENTRY,
            "event": event,
            "subject_prev": {name: self._head(name) for name in subjects},
            "recorded_at": f"2026-11-24T08:15:{seq % 60:02d}.000000Z",
            "clock": "synchronised",
            "role": None,
            "software": {"name": "small-log", "version": "1", "build": None},
            "drop": drop,
            "facts": facts,
            "commitments": {member: self._commit(seq, kind, event, member, v) for member, v in everything.items()},
            "endorsements": None,
            "corrects": None,
        }
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
            "predicateType": "https://strongroom.example/custody-event/draft",
            "predicate": predicate,
        }
        if edit is not None:
            edit(statement)
        self.append(envelope(dumps(statement), key), event, kind)
        for name in subjects:
            self._heads[name] = (self._heads.get(name, (0, ""))[0] + 1, hex_digest(self.raws[-1]))
        return seq

    def append(self, raw: bytes, event: str, kind: str) -> None:
        row = (len(self.raws), event, kind, hashlib.sha256(raw).digest(), raw)
        self.sql("log.db", "INSERT INTO entry VALUES (?, ?, ?, ?, ?)", *row)
        self.raws.append(raw)

    def seal(self) -> bytes:
        """Write tiles and bundles for all entries (at most 65,535), sign, keep and publish the checkpoint."""
        leaves = [hashlib.sha256(b"\0" + raw).digest() for raw in self.raws]
        full = [tree_root(leaves[at : at + 256]) for at in range(0, len(leaves) // 256 * 256, 256)]
        self._write_tiles("0", leaves)
        self._write_tiles("1", full)
        self._write_tiles("entries", [len(raw).to_bytes(2, "big") + raw for raw in self.raws])
        text = f"{ORIGIN}\n{len(leaves)}\n{base64_text(tree_root(leaves))}\n".encode()
        note = signed_checkpoint(text)
        self.sql("log.db", "INSERT INTO checkpoint VALUES (?, ?, ?)", len(leaves), tree_root(leaves), note)
        (self.root / "log" / "checkpoint").write_bytes(note)
        return note

    def _write_tiles(self, level: str, parts: list[bytes]) -> None:
        for start in range(0, len(parts), 256):
            part = parts[start : start + 256]
            name = f"{start // 256:03d}" + ("" if len(part) == 256 else f".p/{len(part)}")
            path = self.root / "log" / "tile" / level / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(part))

    def _head(self, name: str) -> dict[str, object]:
        count, entry = self._heads.get(name, (0, NO_ENTRY))
        return {"count": count, "entry": entry}

    def _commit(self, seq: int, kind: str, event: str, member: str, value: Any) -> object:
        """Return the commitment to a value; a tuple is a listed member, one commitment per element."""
        if isinstance(value, tuple):
            return [self._commit_one(seq, kind, event, f"{member}/{n}", inner) for n, inner in enumerate(value)]
        return self._commit_one(seq, kind, event, member, value)

    def _commit_one(self, seq: int, kind: str, event: str, member: str, value: Any) -> str:
        self._salts += 1
        salt = base64.urlsafe_b64encode(hashlib.sha256(b"salt %d" % self._salts).digest()[:16]).decode().rstrip("=")
        text = base64.urlsafe_b64encode(dumps([salt, f"{event}/{member}", value])).decode().rstrip("=")
        commitment = hashlib.sha256(text.encode())
        row = (commitment.digest(), seq, kind, member.split("/")[0], "internal", text)
        self.sql("openings.db", "INSERT INTO opening VALUES (?, ?, ?, ?, ?, ?)", *row)
        return commitment.hexdigest()


def envelope(payload: bytes, key: Ed25519PrivateKey = RECORDER_KEY) -> bytes:
    """Return the DSSE envelope of a statement."""
    kind = "application/vnd.in-toto+json"
    signature = key.sign(b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload))
    line = {"keyid": hex_digest(spki_of(key)), "sig": base64_text(signature)}
    return dumps({"payload": base64_text(payload), "payloadType": kind, "signatures": [line]})


def key_facts(key: Ed25519PrivateKey) -> dict[str, object]:
    return {"algorithm": "ed25519", "keyid": hex_digest(spki_of(key)), "spki": base64_text(spki_of(key))}


def opened_facts() -> dict[str, object]:
    return {
        "format": "draft",
        "origin": ORIGIN,
        "log_vkey": vkey_of(LOG_KEY),
        "recorder_keys": [key_facts(RECORDER_KEY)],
        "root_keys": None,
        "root_threshold": 0,
        "predecessor": None,
    }


def open_log(store: SmallStore) -> None:
    store.record("log.opened", LOG_SUBJECT, facts=opened_facts(), values={"reason": None})


def receive_drop(store: SmallStore) -> None:
    values = {
        "share": SHARE.decode(),
        "name": raw_value(DROP_NAME),
        "depositor": None,
        "arrival_key": raw_value(ARRIVAL_KEY),
    }
    store.record("drop.received", {DROP: hex_digest(DROP.encode())}, drop=DROP, values=values)


def define_master(
    store: SmallStore, item: str, data: bytes, path: bytes, generation: int = 0, edit: Edit | None = None
) -> int:
    """Seal one master and record it, with the event that its arrival key makes."""
    digest = store.add_object("vault", data)
    message = b"arrival\n%d\n%s\n%s" % (generation, digest.encode(), path)
    event = "event_" + hmac.new(ARRIVAL_KEY, message, hashlib.sha256).hexdigest()[:32]
    facts = {"size": len(data), "read_back": "fadvise", "duplicate": None}
    values = {"source_path": raw_value(path), "source_stat": {"size": len(data)}}
    return store.record("master.defined", {item: digest}, drop=DROP, facts=facts, values=values, event=event, edit=edit)


def analyse(store: SmallStore, item: str, data: bytes, pictures: list[bytes]) -> int:
    """Put a result and its keyframes into derived/ and record them."""
    listed = [{"sha256": store.add_object("derived", picture), "time_s": "0.5"} for picture in pictures]
    result = store.add_object("derived", dumps({"keyframes": listed, "findings": []}))
    values = {
        "media_type": "video/mp4",
        "parameters": None,
        "result": result,
        "metadata": ({"source": "a", "key": "k", "value": "v"}, {"source": "b", "key": "k", "value": "w"}),
    }
    facts = {"outcome": "complete", "keyframes": len(pictures)}
    return store.record("analysis.completed", {item: hex_digest(data)}, drop=DROP, facts=facts, values=values)


def small_store(root: Path) -> SmallStore:
    """Return a valid store: one drop of two masters, one analysed; sealed at sizes 2, 4 and 6."""
    store = SmallStore(root)
    open_log(store)
    receive_drop(store)
    store.seal()
    define_master(store, ITEM_A, MASTER_A, PATH_A)
    define_master(store, ITEM_B, MASTER_B, PATH_B)
    store.seal()
    analyse(store, ITEM_A, MASTER_A, [b"a picture", b"another"])
    store.record("drop.completed", {DROP: hex_digest(DROP.encode())}, drop=DROP, facts={"files": 2}, values={})
    store.seal()
    return store
