#!/usr/bin/env python3
"""Check sealed evidence without the program that sealed it: one file, Python 3.8 or later, nothing else.

    python3 -I verify_evidence.py receipt FOLDER [FILE]        the receipt of one exhibit, and the exhibit itself
    python3 -I verify_evidence.py log FOLDER [--masters DIR]   a whole custody log, and a folder of sealed files
    python3 -I verify_evidence.py drop NAME.tlog-proof         the receipt of one delivery

It reads only what it is given, writes nothing and uses no network. Each line that it prints begins with OK, BAD,
UNCHECKED or NOTE. Exit status: 0 all good, 2 wrong usage, 3 not found, 6 something could not be checked, 20 a file is
not what was recorded, 21 the log, a receipt or a signature is wrong. The worst wins. README.md describes the formats.
"""
from __future__ import annotations

import argparse, base64, contextlib, functools, hashlib, json, os, re, stat, sys, timeit
from typing import Any, Iterator, NamedTuple

MAX_NOTE, MAX_ENTRY, MAX_BUNDLE, MAX_LIST = 1 << 20, 65535, 256 * 65537, 64 << 20  # bytes; checked before reading
ZEROES, KINDS_WITHOUT_CONTENT = "0" * 64, ("drop", "op", "auth", "dev", "depl", "actor", "copy")
CHANGES_OF_KEYS = ("key.enrolled", "key.revoked", "log.closed")
HEX, NAME, CODE, KEY_NAME = "[0-9a-f]{64}", "[a-z]+_[0-9A-HJKMNP-TV-Z]{13}", "[a-z0-9._-]{1,40}", r"[^\s+]+"
TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
ENTRY_TYPE = "https://strongroom.example/custody-event/draft"
ENDORSEMENT_TYPE = "https://strongroom.example/custody-endorsement/draft"
# How JSON must look (see `fits`): text by pattern, objects by all members, [one] for lists, (NULL, a) for null or a.
TEXT, NULL = "[^\n]*", type(None)
ENVELOPE: dict[str, Any] = {"payload": TEXT, "payloadType": "application/vnd.in-toto\\+json",
                            "signatures": [{"keyid": HEX, "sig": TEXT}]}
STATEMENT: dict[str, Any] = {"_type": "https://in-toto.io/Statement/v1", "predicateType": TEXT, "predicate": dict,
                             "subject": [{"name": NAME + "|log", "digest": {"sha256": HEX}}]}
PREDICATE: dict[str, Any] = {
    "type": CODE, "log": KEY_NAME, "seq": int, "prev": HEX, "event": "event_[0-9a-f]{32}", "subject_prev": dict,
    "recorded_at": TIME, "clock": (NULL, "(un)?synchronised"), "role": (NULL, CODE), "drop": (NULL, NAME),
    "software": {"name": TEXT, "version": TEXT, "build": (NULL, HEX)}, "facts": (NULL, dict), "commitments": dict,
    "endorsements": (NULL, {"count": int, "commitment": HEX}),
    "corrects": (NULL, {"log": TEXT, "seq": int, "entry": HEX})}
OPENED: dict[str, Any] = {
    "format": CODE, "origin": KEY_NAME, "log_vkey": TEXT, "recorder_keys": [dict], "root_keys": (NULL, [dict]),
    "root_threshold": int, "predecessor": (NULL, dict), "endorsements": (NULL, [TEXT])}

MEANING = {0: "all that was checked is good", 6: "what was checked is good, and something could not be checked",
           20: "a file is not what was recorded", 21: "the log, a receipt or a signature is wrong"}

class Refused(Exception):
    """Bytes that are not what the format, or a signature, says they are."""

class NotFound(Refused):
    """A file that is not there."""

class Stop(Exception):
    """What follows makes no sense without what was just found bad, and said."""

def need(condition: object, what: str) -> None:
    if not condition:
        raise Refused(what)

@contextlib.contextmanager
def refusing(what: str, *errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise Refused(what) from error

class Report:
    """What was found, said line by line; the exit status is the worst of it."""
    def __init__(self, out: Any) -> None:
        self.worst, self.out = 0, out
        self.found: list[tuple[int, str, str]] = []

    def line(self, word: str, text: str) -> None:
        """Print one line that can't move a cursor or hide anything: printable ASCII, cut when it is very long."""
        self.out.write(f"{word:9} " + re.sub(r"[^ -\[\]-~]", lambda one: ascii(one[0])[1:-1], text[:4000]) + "\n")

    def bad(self, code: int, name: str, text: str) -> None:
        self.worst = max(self.worst, code)
        self.found.append((code, name, text))
        self.line("UNCHECKED" if code == 6 else "BAD", f"{name}: {text}")

    @contextlib.contextmanager
    def at(self, name: str, *, code: int = 21, stop: bool = False) -> Iterator[None]:
        """Say what is refused inside under ``name``; go on behind it, or stop everything."""
        try:
            yield
        except Refused as error:
            self.bad(code, name, str(error))
            if stop:
                raise Stop from error

# ------------------------------------------------------------------------------------ Ed25519 (RFC 8032, section 5.1)
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT_OF_MINUS_1 = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)  # points are X, Y, Z, T with x = X/Z, y = Y/Z, T = XY/Z
Point = Any

def plus(p: Point, q: Point) -> Point:
    """Return the sum of two points (section 5.1.4; it also doubles)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * D * p[3] % P * q[3] % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)

def decoded(data: bytes) -> Point:
    """Return the point that 32 bytes spell. Raises Refused for none, and for any but the canonical spelling."""
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * ROOT_OF_MINUS_1 % P
    need(len(data) == 32 and y < P and x * x % P == square and (x or not sign), "32 bytes that are no canonical point")
    x = x if x & 1 == sign else P - x
    return (x, y, 1, x * y % P)

def multiples(point: Point) -> list[list[Point]]:
    """Return, for each five bits of a scalar, the 32 multiples of ``point`` that they may ask for."""
    table = []
    for _ in range(0, 256, 5):
        table.append([NEUTRAL])
        for _ in range(31):
            table[-1].append(plus(table[-1][-1], point))
        point = plus(table[-1][-1], point)
    return table

class PublicKey:
    """An Ed25519 key, checked. Making one costs some milliseconds, a signature a fraction of one."""
    base = multiples(decoded(bytes([0x58] + [0x66] * 31)))

    def __init__(self, raw: bytes) -> None:
        x, y, z, t = decoded(raw)
        self.raw, self.table = raw, multiples((P - x, y, z, P - t))
        need(self.table[0][8][0], "a key of small order: anybody can sign for it")

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Return whether S*B - k*A, spelled canonically, is R (so no other spelling of R ever fits)."""
        s, point = int.from_bytes(signature[32:], "little"), NEUTRAL
        if len(signature) != 64 or s >= L:
            return False
        k = int.from_bytes(hashlib.sha512(signature[:32] + self.raw + message).digest(), "little") % L
        for ours, theirs in zip(PublicKey.base, self.table):  # noqa: B905 (no `strict` in Python 3.8)
            point = plus(plus(point, ours[s & 31]), theirs[k & 31])
            s, k = s >> 5, k >> 5
        inverse = pow(point[2], P - 2, P)
        x, y = point[0] * inverse % P, point[1] * inverse % P
        return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]

key_of = functools.lru_cache(maxsize=200)(PublicKey)

# -------------------------------------------------------------------------------------------- files, base64 and JSON
def read_parts(path: str, *, named: bool = False, limit: int = 1 << 62) -> Iterator[bytes]:
    """Yield a regular file of at most ``limit`` bytes in parts; a link is followed only where the user ``named`` it."""
    try:
        kind = os.stat(path) if named else os.lstat(path)
        need(stat.S_ISREG(kind.st_mode), "a link" if stat.S_ISLNK(kind.st_mode) else "not a regular file")
        need(kind.st_size <= limit, f"{kind.st_size} bytes, more than the {limit} that it may have")
        with open(path, "rb") as file:
            yield from iter(lambda: file.read(1 << 20), b"")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("it is not there") from error
    except (OSError, ValueError) as error:
        raise Refused(f"it can't be read: {error}") from error

def below(root: str) -> Iterator[str]:
    """Yield every path below a folder that is no folder itself; links are not followed."""
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from sorted(os.path.join(folder, name) for name in files + links)

def read_file(path: str, limit: int, *, named: bool = False) -> bytes:
    return b"".join(read_parts(path, named=named, limit=limit))

def digest_of_file(path: str, *, named: bool = False) -> str:
    digest = hashlib.sha256()
    for part in read_parts(path, named=named):
        digest.update(part)
    return digest.hexdigest()

def unbase64(text: str) -> bytes:
    with refusing("not base64", ValueError):
        data = base64.b64decode(text.encode("ascii"), validate=True)
    need(base64.b64encode(data).decode() == text, "base64 in another spelling than the canonical one")
    return data

def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "JSON with a member twice")
    return dict(pairs)

def number(text: str) -> int:
    need(re.fullmatch("-?[0-9]{1,16}", text) and abs(int(text)) < 2**53, "a number that not every reader can hold")
    return int(text)

def read_json(text: str) -> Any:
    with refusing("not JSON", ValueError, RecursionError):
        return json.loads(text, object_pairs_hook=members, parse_int=number, parse_float=number, parse_constant=number)

def canonical_json(data: bytes, shape: dict[str, Any]) -> dict[str, Any]:
    """Return the object in ``data``, if it stands there in the one spelling that the rules of the log allow."""
    need(re.fullmatch(rb"[\x20-\x5b\x5d-\x7e]+", data), "bytes that are not printable ASCII without escapes")
    value = read_json(data.decode("ascii"))
    with refusing("JSON that is nested too deep", RecursionError):
        need(json.dumps(value, sort_keys=True, separators=(",", ":")).encode() == data, "JSON in another spelling")
        need(not re.search(rb"[:\[,](\{\}|\[\])", data), "JSON with an empty object or list")
    return dict(fits(value, shape, "it"))

def fits(value: Any, shape: Any, what: str) -> Any:
    """Return ``value``. Raises Refused unless it has the shape: see PREDICATE."""
    if isinstance(shape, tuple):
        shape = NULL if value is None else shape[1]
    if isinstance(shape, dict):
        need(isinstance(value, dict) and set(value) == set(shape), f"{what} has other members than the format names")
        return {name: fits(value[name], shape[name], name) for name in shape}
    if isinstance(shape, list):
        need(isinstance(value, list), f"{what} is no list")
        return [fits(one, shape[0], what) for one in value]
    pattern, kind = (shape, str) if isinstance(shape, str) else ("[^-]*" if shape is int else "(?s:.*)", shape)
    need(type(value) is kind and re.fullmatch(pattern, str(value)), f"{what} is not as the format says")
    return value

# ---------------------------------------------------------------------- notes, checkpoints, policies (C2SP formats)
# Type 1 signs the text, 4 cosigns it with a time; others are not known here.
VerifierKey = NamedTuple("VerifierKey", [("name", str), ("id", bytes), ("type", int), ("public", bytes)])

def read_vkey(text: str) -> VerifierKey:
    name, _, rest = text.partition("+")
    id_, _, encoded = rest.partition("+")
    blob = unbase64(encoded)
    need(re.fullmatch(KEY_NAME, name) and blob, "not a verifier key")
    expected = hashlib.sha256(name.encode("utf-8", "replace") + b"\n" + blob).digest()[:4]
    need(expected.hex() == id_, "a verifier key whose ID is not that of its key")
    need(blob[0] not in (1, 4) or len(blob) == 33, "an Ed25519 key that has not 32 bytes")
    return VerifierKey(name, expected, blob[0], blob[1:])

class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes
    text: bytes  # what is signed
    lines: list[tuple[str, bytes, bytes]]  # name, key ID, signature

    def signed_by(self, key: VerifierKey) -> bool:
        """Return whether ``key`` signed. Refused when it claims to and did not: one false line makes a note void."""
        mine = [line[2] for line in self.lines if line[:2] == (key.name, key.id) and key.type in (1, 4)]
        for signature in mine:
            message = self.text
            if key.type == 4:
                need(signature[:1] < b"\x80", "a cosignature without a time")
                message = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:8], "big") + message
            of_key = signature if key.type == 1 else signature[8:]
            need(key_of(key.public).verifies(message, of_key), f"the signature of {key.name} is not valid")
        return bool(mine)

def read_checkpoint(note: bytes) -> Checkpoint:
    need(len(note) <= MAX_NOTE and re.fullmatch(rb"[\n\x20-\xff]+", note), "not a note")
    with refusing("a note that is not UTF-8", ValueError):
        body, _, block = note.decode("utf-8").rpartition("\n\n")
    lines, signatures, read = body.split("\n"), block.split("\n"), []
    need(signatures.pop() == "" and 1 <= len(signatures) <= 100, "a note without signature lines, or too many")
    need(len(lines) == 3 and re.fullmatch(KEY_NAME, lines[0]), "a checkpoint has three lines")
    need(re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]), "a checkpoint without a number of entries")
    for line in signatures:
        words = line.split(" ")
        need(len(words) == 3 and words[0] == "\u2014" and re.fullmatch(KEY_NAME, words[1]), "not a signature line")
        blob = unbase64(words[2])
        need(len(blob) > 4, "a signature line without a signature")
        read.append((words[1], blob[:4], blob[4:]))
    root, size = unbase64(lines[2]), int(lines[1])
    need(len(root) == 32 and (size or root == hashlib.sha256(b"").digest()), "a root that can't be one")
    return Checkpoint(lines[0], size, root, (body + "\n").encode(), read)

class Policy(NamedTuple):
    """Whose logs are believed, and which witnesses must have cosigned (c2sp.org/tlog-policy)."""
    logs: list[VerifierKey]
    witnesses: dict[str, VerifierKey]
    groups: dict[str, tuple[int, list[str]]]
    quorum: str

    def is_met(self, name: str, cosigned: set[str]) -> bool:
        if name in self.groups:
            return sum(self.is_met(one, cosigned) for one in self.groups[name][1]) >= self.groups[name][0]
        return name in cosigned or name == "none"

    def check(self, name: str, checkpoint: Checkpoint, report: Report) -> None:
        """Refuse a checkpoint that none of these logs signed; say whether enough witnesses did."""
        need([key for key in self.logs if key.name == checkpoint.origin and checkpoint.signed_by(key)],
             "it is not signed by a log that is believed here")
        cosigned = {one for one, key in self.witnesses.items() if checkpoint.signed_by(key)}
        signers = ", ".join([checkpoint.origin, *sorted(cosigned)])
        report.line("OK", f"{name}: {checkpoint.size} entries, signed by {signers}")
        if not self.is_met(self.quorum, cosigned):
            report.bad(6, name, f"{len(cosigned)} of {len(self.witnesses)} witnesses cosigned: no quorum")

def read_policy(data: bytes) -> Policy:
    need(re.fullmatch(rb"[\t\n\x20-\x7e\x80-\xff]*\n", data), "a policy with bytes that it may not have, or cut short")
    policy, free = Policy([], {}, {}, ""), {"none"}  # free: named, and in no group so far
    for line in data.decode("utf-8", "replace").split("\n"):
        kind, *words = line.split() or ["#"]
        is_new = bool(words) and words[0] not in {"none", *policy.witnesses, *policy.groups}
        if kind == "log" and len(words) in (1, 2):
            policy.logs.append(read_vkey(words[0]))
        elif kind == "witness" and len(words) in (2, 3) and is_new:
            policy.witnesses[words[0]] = read_vkey(words[1])
        elif kind == "group" and len(words) > 2 and is_new and len(set(words[2:]) & free) == len(words) - 2:
            policy.groups[words[0]] = ({"any": 1, "all": len(words) - 2}.get(words[1]) or number(words[1]), words[2:])
            need(0 < policy.groups[words[0]][0] < len(words) - 1, "a group that nobody can meet")
            free -= set(words[2:])
        elif kind == "quorum" and len(words) == 1 and not is_new and not policy.quorum:
            policy = policy._replace(quorum=words[0])
        else:
            need(kind.startswith("#"), "a policy with a line that is not understood")
        free |= {words[0]} if kind in ("witness", "group") else set()
    publics = [{key.public for key in policy.logs}, {key.public for key in policy.witnesses.values()}]
    need([*map(len, publics)] == [len(policy.logs), len(policy.witnesses)], "a policy that has one key twice")
    need(policy.logs and policy.quorum, "a policy without a log or without a quorum")
    return policy

# ------------------------------------------------------------------------ the tree and its proofs (RFC 6962, 9162)
def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()

def root_of(row: list[bytes]) -> bytes:
    """Return the root over leaf hashes: pairs are joined, and the last one, where it is alone, goes up as it is."""
    while len(row) > 1:
        row = [node(*row[n:n + 2]) if n + 1 < len(row) else row[n] for n in range(0, len(row), 2)]
    return row[0] if row else hashlib.sha256(b"").digest()

def check_inclusion(entry: bytes, index: int, checkpoint: Checkpoint, proof: list[bytes]) -> None:
    need(index < checkpoint.size, f"entry {index} can't be among {checkpoint.size} entries")
    at, last, root = index, checkpoint.size - 1, hashlib.sha256(b"\0" + entry).digest()
    for sibling in proof:
        need(last, "a proof with too many hashes")
        if at & 1 or at == last:
            root = node(sibling, root)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            root = node(root, sibling)
        at, last = at >> 1, last >> 1
    need(last == 0 and root == checkpoint.root, "the proof does not lead from the entry to the root")

def read_proof(data: bytes) -> tuple[int, list[bytes], bytes]:
    """Return index, hashes and checkpoint note of a ``.tlog-proof``."""
    head, gap, note = data.partition(b"\n\n")
    need(gap and re.fullmatch(rb"[\n\x20-\x7e]+", head), "not a tlog-proof")
    lines = head.decode("ascii").split("\n")
    need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "not a tlog-proof of version 1")
    if lines and lines[0].startswith("extra "):  # anybody may have written it: not used
        need(unbase64(lines.pop(0)[6:]), "a tlog-proof with an empty line `extra`")
    need(lines and re.fullmatch("index (0|[1-9][0-9]{0,18})", lines[0]) and len(lines) <= 64, "a proof without index")
    hashes = [unbase64(line) for line in lines[1:]]
    need(all(len(one) == 32 for one in hashes), "a hash that has not 32 bytes")
    return int(lines[0][6:]), hashes, note

# ------------------------------------------------------------------------- entries (DSSE, in-toto, custody-log.md)
class Entry(NamedTuple):
    raw: bytes
    predicate: dict[str, Any]
    subjects: dict[str, str]
    keyid: str
    signature: bytes
    signed: bytes

    def __getattr__(self, name: str) -> Any:  # the members of the predicate: seq, prev, log, type, event ...
        return self.predicate[name]

def read_envelope(raw: bytes, predicate_type: str) -> Entry:
    """Return what a DSSE envelope of an in-toto statement holds, and the bytes that its one signature signs."""
    need(0 < len(raw) <= MAX_ENTRY, "an entry has 1 to 65,535 bytes")
    envelope = canonical_json(raw, ENVELOPE)
    payload, type_, signatures = unbase64(envelope["payload"]), envelope["payloadType"], envelope["signatures"]
    need(len(signatures) == 1, "not exactly one signature")
    statement = canonical_json(payload, STATEMENT)
    need(statement["predicateType"] == predicate_type, f"a statement of another type than {predicate_type}")
    subjects = {row["name"]: row["digest"]["sha256"] for row in statement["subject"]}
    need(list(subjects) == sorted(subjects) and len(subjects) == len(statement["subject"]) <= 100, "false subjects")
    signed = b"DSSEv1 %d %s %d %s" % (len(type_), type_.encode(), len(payload), payload)
    return Entry(raw, statement["predicate"], subjects, signatures[0]["keyid"], unbase64(signatures[0]["sig"]), signed)

def read_entry(raw: bytes) -> Entry:
    entry = read_envelope(raw, ENTRY_TYPE)
    fits(entry.predicate, PREDICATE, "the predicate")
    fits(entry.subject_prev, {name: {"count": int, "entry": HEX} for name in entry.subjects}, "subject_prev")
    for name, digest in entry.subjects.items():
        called = entry.log if name == "log" else name if name.split("_")[0] in KINDS_WITHOUT_CONTENT else None
        need(called is None or digest == hashlib.sha256(called.encode()).hexdigest(), f"{name} has not its digest")
    return entry

def read_key(row: dict[str, Any]) -> tuple[str, PublicKey | None]:
    """Return keyid and key of ``{algorithm, keyid, spki}``; no key for an algorithm that is not known here."""
    der = unbase64(str(row.get("spki")))
    need(hashlib.sha256(der).hexdigest() == row.get("keyid"), "a keyid that is not its key's")
    if row.get("algorithm") != "ed25519":
        return row["keyid"], None
    need(der[:12].hex() == "302a300506032b6570032100" and len(der) == 44, "a key that is not Ed25519")
    return row["keyid"], key_of(der[12:])

class Keys:
    """Which keys sign entries: those that entry 0 names, then those enrolled before and not revoked before."""
    def __init__(self, first: Entry, policy: Policy | None, pinned: str | None) -> None:
        need(first.seq == 0 and first.type == "log.opened", "the first entry is not log.opened")
        facts = fits(first.facts, OPENED, "log.opened")
        self.log_key, self.threshold = read_vkey(facts["log_vkey"]), facts["root_threshold"]
        need(facts["origin"] == first.log == self.log_key.name, "log.opened of one log speaks of another")
        need(policy is None or self.log_key in policy.logs, "log.opened names another log key than the policy")
        need(pinned in (None, facts["log_vkey"]), "log.opened names another log key than --key: another log")
        self.valid = {name: dict(map(read_key, facts[name + "_keys"] or [])) for name in ("recorder", "root")}
        self.ever = {*self.valid["recorder"], *self.valid["root"]}

    def check(self, entry: Entry, report: Report) -> None:
        """Refuse an entry that no key valid at its position signed; then take in what it changes for those behind."""
        need(entry.keyid in self.valid["recorder"], f"it is signed by a key that is not valid here: {entry.keyid}")
        key, name, facts = self.valid["recorder"][entry.keyid], f"entry {entry.seq}", entry.facts or {}
        need(key is None or key.verifies(entry.signed, entry.signature), "its signature is not valid")
        unknown = key is None or (entry.type in CHANGES_OF_KEYS and self.is_endorsement_unknown(entry, facts))
        chosen, keyid, good = self.valid.get(str(facts.get("purpose"))), facts.get("keyid"), facts.get("good_size")
        if entry.type == "key.enrolled" and chosen is not None:
            keyid, key = read_key(facts)
            proof = f"strongroom-key/1\n{entry.log}\n{keyid}\n{facts['purpose']}\n".encode()
            need(keyid not in self.ever, "it enrols a key that this log had already")
            need(key is None or key.verifies(proof, unbase64(str(facts.get("proof")))), "no proof of possession")
            chosen[keyid], unknown = key, unknown or key is None
            self.ever.add(keyid)
        elif entry.type == "key.revoked" and chosen is not None:
            need(keyid in chosen, "it revokes a key that is not valid")
            del chosen[str(keyid)]
            if type(good) is int and good <= entry.seq:
                report.bad(6, name, f"what the key {keyid} signed from entry {good} up to this one is in doubt")
        if unknown:
            report.bad(6, name, "a key of an algorithm that is not known here: its signature could not be checked")

    def is_endorsement_unknown(self, entry: Entry, facts: dict[str, Any]) -> bool:
        """Demand endorsements of this very event by as many root keys as entry 0 says."""
        counted: dict[str, bool] = {}
        said = {**{name: entry.predicate[name] for name in ("log", "event", "type")}, "purpose": "approve",
                "facts": {name: fact for name, fact in facts.items() if name != "endorsements"} or None,
                "commitments": {name: one for name, one in entry.commitments.items() if name != "endorsements"}}
        for text in fits(facts.get("endorsements"), (NULL, [TEXT]), "endorsements") or []:
            given = read_envelope(unbase64(text), ENDORSEMENT_TYPE)
            need((given.predicate, given.subjects) == ({**given.predicate, **said}, entry.subjects), "not this event")
            need(given.keyid in self.valid["root"], "it is endorsed with a key that is no root key here")
            key = self.valid["root"][given.keyid]
            need(key is None or key.verifies(given.signed, given.signature), "an endorsement is not valid")
            counted[given.keyid] = key is not None
        need(len(counted) >= self.threshold, f"{len(counted)} root keys endorsed it, not {self.threshold}")
        return sum(counted.values()) < len(counted)

def read_openings(path: str | None, report: Report) -> dict[str, tuple[int, Any]]:
    """Return salts, places and values by commitment: one text to a line, each of which must fit an entry."""
    wanted = {}
    for count, line in enumerate(read_file(path, MAX_LIST, named=True).splitlines() if path else [], 1):
        with report.at(f"opening {count}", code=20), refusing("not base64url of UTF-8", ValueError):
            need(re.fullmatch(b"[0-9A-Za-z_-]+", line), "not base64url")
            padded = line.decode("ascii").replace("-", "+").replace("_", "/") + "=" * (-len(line) % 4)
            value = read_json(unbase64(padded).decode("utf-8"))
            need(isinstance(value, list) and len(value) == 3, "not a list of salt, place and value")
            wanted[hashlib.sha256(line).hexdigest()] = (count, value)
    return wanted

def fit_openings(wanted: dict[str, tuple[int, Any]], entry: Entry, report: Report) -> None:
    for name, one in entry.commitments.items() if wanted else ():
        for n, text in enumerate(one if isinstance(one, list) else [one]):
            place = f"{entry.event}/{name}" + (f"/{n}" if isinstance(one, list) else "")
            if wanted.get(str(text), (0, [0, 0]))[1][1] == place:
                count, value = wanted.pop(text)
                report.line("OK", f"opening {count}: entry {entry.seq}, {name}: {json.dumps(value[2])}")

# ---------------------------------------------------------------------------------------------------- a whole log
def tile_path(level: str, index: int, width: int) -> str:
    name = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03}/{name}"
    return f"tile/{level}/{name}" + ("" if width == 256 else f".p/{width}")

def split_bundle(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at:at + 2], "big")
        found.append(data[at + 2:end])
        at = end
    need(at == len(data) and all(found), "a bundle that ends within an entry, or has an empty one")
    return found

class Log:
    """A folder in the layout tlog-tiles, whose every file must be what the entries give."""
    def __init__(self, folder: str, report: Report) -> None:
        self.folder, self.report, self.is_closed = folder, report, False
        self.leaves: list[bytes] = []
        self.prev: str | None = ZEROES  # None where the entry before could not be read
        self.heads: dict[str, bytes] = {}  # of each subject: SHA-256 of its last entry, and their count
        self.events: set[bytes] = set()
        self.masters: dict[str, int] = {}

    def parts(self, level: str, index: int, width: int, *, exact: bool = False) -> list[bytes]:
        """Return the hashes of a tile, or the entries of a bundle; of the full one where a partial one has gone."""
        try:
            held, data = width, read_file(os.path.join(self.folder, tile_path(level, index, width)), MAX_BUNDLE)
        except NotFound:
            need(width < 256 and not exact, "it is not there")
            held, data = 256, read_file(os.path.join(self.folder, tile_path(level, index, 256)), MAX_BUNDLE)
        need(level == "entries" or len(data) == 32 * held, "a tile of another length")
        parts = split_bundle(data) if level == "entries" else [data[at:at + 32] for at in range(0, len(data), 32)]
        need(len(parts) == held, f"{len(parts)} entries and not {held}")
        return parts[:width]

    def check_entry(self, seq: int, raw: bytes, keys: Keys | None, openings: dict[str, tuple[int, Any]]) -> None:
        prev, self.prev = self.prev, hashlib.sha256(raw).hexdigest() if raw else None
        with self.report.at(f"entry {seq}") if raw else contextlib.suppress(Refused):
            entry, gaps = read_entry(raw), []
            for name, head in entry.subject_prev.items():
                claimed = bytes.fromhex(head["entry"]) + head["count"].to_bytes(8, "big")
                gaps += [name] if self.heads.get(name, bytes(40)) != claimed else []
                self.heads[name] = bytes.fromhex(str(self.prev)) + (head["count"] + 1).to_bytes(8, "big")
            need(keys is None or entry.log == keys.log_key.name, "it is an entry of another log")
            if keys is not None:
                keys.check(entry, self.report)
            need(entry.seq == seq, f"it says that it is entry {entry.seq}")
            need(prev in (None, entry.prev), "its prev is not the digest of the entry before it")
            need(bytes.fromhex(entry.event[6:]) not in self.events, "its event stands in the log already")
            self.events.add(bytes.fromhex(entry.event[6:]))
            need(not gaps, f"the chain of {', '.join(gaps)} has a gap, or goes another way")
            need(not self.is_closed, "it stands behind log.closed")
            fit_openings(openings, entry, self.report)
            if entry.type == "master.defined":
                self.masters.update(dict.fromkeys(entry.subjects.values(), seq))
            if entry.type in CHANGES_OF_KEYS or (seq == 0 and entry.facts["predecessor"]):
                self.report.line("NOTE", f"entry {seq}, {entry.type}: {json.dumps(entry.facts, sort_keys=True)}")
            self.is_closed = entry.type == "log.closed"

    def check_tiles(self) -> None:
        """Hold each tile against what the entries give. A level has the roots of the full tiles of the one below."""
        row, level = self.leaves, 0
        while row:
            for n in range(0, len(row), 256):
                place = (str(level), n // 256, min(256, len(row) - n))
                with self.report.at(tile_path(*place)):
                    need(self.parts(*place) == row[n:n + 256], "other hashes than those of the entries")
            row, level = [root_of(row[n:n + 256]) for n in range(0, len(row) - 255, 256)], level + 1

    def check_rest(self, size: int) -> None:
        """Look at every other file: only older and newer states of tiles may stand beside those that were checked."""
        places, end, beyond = {}, size, 0
        for path in below(self.folder):
            name = os.path.relpath(path, self.folder).replace(os.sep, "/")
            match = re.fullmatch(r"tile/(entries|[0-7])/([x0-9/]{3,20})(?:\.p/([0-9]{1,3}))?", name)
            kind, digits, count = match.groups("256") if match else ("", "0", "0")
            places[name] = (kind, int(re.sub("[x/]", "", digits) or 0), int(count))
            end = max(end, places[name][1] * 256 + int(count) if kind == "entries" else 0)
        for name, (level, index, width) in sorted(places.items()):
            with self.report.at(name):
                shift = 8 * int(level) if level.isdigit() else 0
                need(name == "checkpoint" or tile_path(level, index, width) == name, "a file that does not belong here")
                need(index * 256 + width <= end >> shift, "a tile beyond the end of the log")
                checked = max(0, min(256, (size >> shift) - index * 256))  # so wide is the one that was checked
                if width != checked and name != "checkpoint":
                    known, here = min(checked, width), self.parts(level, index, width, exact=True)
                    need(not known or here[:known] == self.parts(level, index, checked)[:known], "another beginning")
                    beyond += width > checked
        if beyond:
            self.report.bad(6, "checkpoint", f"{beyond} tiles go on behind it, to entry {end - 1}: a log that was "
                            "being written when it was copied, or an older checkpoint. Ask for the newest, and keep it")

def check_log(options: argparse.Namespace, report: Report) -> dict[str, tuple[int, Any]]:
    log, openings, keys, kept = Log(options.folder, report), read_openings(options.openings, report), None, []
    policy = read_policy(read_file(options.policy, MAX_NOTE, named=True)) if options.policy else None
    with report.at("checkpoint", stop=True):
        checkpoint = read_checkpoint(read_file(os.path.join(options.folder, "checkpoint"), MAX_NOTE))
    size = checkpoint.size
    with report.at("entry 0, or the number of entries in checkpoint", stop=policy is None):
        keys = Keys(read_entry(log.parts("entries", 0, max(1, min(256, size)))[0]), policy, options.key)
        policy = policy or Policy([keys.log_key], {}, {}, "none")
    with report.at("checkpoint"):
        policy.check("checkpoint", checkpoint, report)
        need(keys is None or checkpoint.signed_by(keys.log_key), "not signed by the key that entry 0 names")
        pace = min(timeit.repeat(lambda: checkpoint.signed_by(policy.logs[0]), number=1, repeat=5))
        report.line("NOTE", f"{size} signatures at {pace * 1000:.2f} ms: it takes about {pace * size * 2 + 1:.0f} s")
    for path in options.against:
        with report.at(f"kept checkpoint {path}"):
            data = read_file(path, MAX_NOTE, named=True)
            kept.append((path, read_checkpoint(read_proof(data)[2] if data.startswith(b"c2sp.org/") else data)))
            policy.check(f"kept checkpoint {path}", kept[-1][1], report)
    for first in range(0, size, 256):
        width, raws, leaves = min(256, size - first), [], []
        with report.at(tile_path("entries", first // 256, width)):
            raws = log.parts("entries", first // 256, width)
            leaves = [hashlib.sha256(b"\0" + raw).digest() for raw in raws]
        if not raws:
            with contextlib.suppress(Refused):  # said when the tile itself is checked
                leaves = log.parts("0", first // 256, width)
        log.leaves += leaves or [b""] * width
        for n in range(width):
            log.check_entry(first + n, raws[n] if raws else b"", keys, openings)
    log.check_tiles()
    with report.at("checkpoint"):
        need(root_of(log.leaves) == checkpoint.root, "its root is not that of the entries")
        report.line("OK", f"{size} entries give the root {checkpoint.root.hex()}")
    for path, one in kept:
        with report.at(f"kept checkpoint {path}"):
            need(one.origin == checkpoint.origin, f"it is of another log: {one.origin}")
            need(one.size <= size, f"it has {one.size} entries, this log {size}: rolled back")
            need(root_of(log.leaves[:one.size]) == one.root, "root of " + ("a fork", "a split view")[one.size == size])
            report.line("OK", f"kept checkpoint {path}: this log continues it")
    log.check_rest(size)
    if options.masters:
        check_masters(options.masters, log.masters, report)
    return openings

def check_masters(root: str, masters: dict[str, int], report: Report) -> None:
    """Read every file below ``root``; one that is called like a digest must have it."""
    counts, found = dict.fromkeys(("matched", "changed", "missing", "not recorded"), 0), set()
    for path in below(root):
        name, base = os.path.relpath(path, root).replace(os.sep, "/"), os.path.basename(path)
        kind = "changed" if base in masters else "not recorded"
        with report.at(name, code=20):
            digest, is_named = digest_of_file(path), re.fullmatch(HEX, base) is not None
            need(digest == base or not is_named, f"it has the digest {digest}")
            home = f"sha256/{base[:2]}/{base[2:4]}/{base}"
            need(not is_named or "sha256/" not in name or name.endswith(home), "it stands at a wrong place")
            need(digest in masters, f"no entry of the log names it; its digest is {digest}")
            kind = "matched"
            found.add(digest)
        counts[kind] += 1
    counts["missing"] = len(set(masters) - found)
    for digest in sorted(set(masters) - found):
        report.bad(20, digest, f"missing or changed: the master that entry {masters[digest]} defines")
    report.line("NOTE", "masters: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))

# ------------------------------------------------------------------------------------- receipts, and the command
def proved(folder: str, names: tuple[str, str], policy: Policy | None, report: Report) -> tuple[Entry, Checkpoint]:
    """Return an entry that its proof shows under a checkpoint of a log that is believed."""
    with report.at(names[1], stop=True):
        index, hashes, note = read_proof(read_file(os.path.join(folder, names[1]), MAX_NOTE))
        checkpoint = read_checkpoint(note)
        if policy is None:
            report.bad(6, names[1], "no keys were given (see --trust): neither signature was checked")
        else:
            policy.check(names[1], checkpoint, report)
    with report.at(names[0], stop=True):
        entry = read_entry(read_file(os.path.join(folder, names[0]), MAX_ENTRY))
        check_inclusion(entry.raw, index, checkpoint, hashes)
        need((entry.seq, entry.log) == (index, checkpoint.origin), "it says that it stands elsewhere")
        report.line("OK", f"{names[0]}: entry {index} of {entry.log}, {entry.type}")
    return entry, checkpoint

def check_receipt(options: argparse.Namespace, report: Report) -> dict[str, tuple[int, Any]]:
    """Check an entry with its proof, the keys from the folder ``trust``, and the exhibit where it is given."""
    openings, trust, name = read_openings(options.openings, report), options.trust, options.names[0]
    keys, policy = None, None
    if trust:
        with report.at("policy", stop=True):
            policy = read_policy(read_file(os.path.join(trust, "policy"), MAX_NOTE))
    entry, checkpoint = proved(options.folder, options.names, policy, report)
    is_change = re.compile(r"entry-(0|[1-9][0-9]{0,17})\.json").fullmatch
    changes = sorted(int(one[6:-5]) for one in os.listdir(trust) if is_change(one)) if trust else []
    for seq in [one for one in changes if one < max(1, entry.seq)]:  # entry 0 names keys, others have changed them
        change, under = proved(trust, (f"entry-{seq}.json", f"entry-{seq}.tlog-proof"), policy, report)
        with report.at(f"entry-{seq}.json", stop=True):
            keys = keys or Keys(change, policy, options.key)
            # A policy may list several keys, also under the name of this log.
            need(checkpoint.signed_by(keys.log_key) and under.signed_by(keys.log_key), "not signed by the log's key")
            need(change.seq == seq, "it is another entry than it is called")
            need(under.size != checkpoint.size or under.root == checkpoint.root, "two roots of one size: a split view")
            need(under.text == checkpoint.text or trust != options.folder, "another checkpoint than that of the entry")
            keys.check(change, report)
    with report.at(name):
        need(keys or not trust, "entry-0.json is missing: nobody's keys are known")
        if keys is not None:
            keys.check(entry, report)
            report.line("OK", f"{name}: signed by the recorder key {entry.keyid}")
        need(options.type in (None, entry.type), f"it is {entry.type} and not {options.type}")
    report.line("NOTE", f"recorded {entry.recorded_at} (a claim): {json.dumps(entry.facts, sort_keys=True)}")
    for subject, digest in entry.subjects.items():
        report.line("NOTE", f"{subject} has the SHA-256 {digest}")
    if options.file:
        with report.at(options.file, code=20):
            found = digest_of_file(options.file, named=True)
            need([found] == list(entry.subjects.values()), f"it has the SHA-256 {found}: not what was recorded")
            report.line("OK", f"{options.file}: bit for bit what was recorded")
    fit_openings(openings, entry, report)
    return openings

def read_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    receipt, log, drop = (commands.add_parser(name) for name in ("receipt", "log", "drop"))
    for command, what in ((receipt, "folder"), (log, "folder"), (drop, "proof")):
        command.add_argument(what)
        command.add_argument("--key", metavar="VKEY", help="the log's verifier key, as you got it from elsewhere")
        command.add_argument("--openings", metavar="FILE", help="openings, one to a line: does each fit a commitment?")
        command.set_defaults(trust=None, file=None, policy=None, masters=None, against=[])
    receipt.add_argument("file", nargs="?", help="the exhibit")
    log.add_argument("--against", metavar="FILE", action="append", help="a checkpoint or receipt kept from earlier")
    log.add_argument("--masters", metavar="DIR", help="a folder of sealed files to hold against the log")
    log.add_argument("--policy", metavar="FILE", help="the logs and witnesses that you believe (tlog-policy)")
    for command in (receipt, drop):
        command.add_argument("--trust", metavar="DIR", help="a folder with policy and entry-0.json of the log")
    options = parser.parse_args(arguments)
    if options.command == "receipt":  # with keys from elsewhere it may be any entry, as in an export
        options.type, options.names = None if options.trust else "master.defined", ("entry.json", "receipt.tlog-proof")
        options.trust = options.trust or options.folder
    elif options.command == "drop":
        options.folder, name = os.path.split(options.proof)
        options.names, options.type = (re.sub(r"\.tlog-proof\Z", "", name) + ".entry.json", name), "drop.completed"
    return options

def main(arguments: list[str], out: Any = None) -> int:
    options, report = read_arguments(arguments), Report(out or sys.stdout)
    given = [options.folder, options.file, options.trust, options.policy, options.masters, options.openings]
    for path in filter(None, [*given, *options.against, getattr(options, "proof", None)]):
        if not os.path.exists(path):
            report.line("BAD", f"{path} is not there")
            return 3
    with contextlib.suppress(Stop), report.at(options.folder, stop=True):
        openings = (check_log if options.command == "log" else check_receipt)(options, report)
        for count, value in openings.values():
            report.bad(20, f"opening {count}", f"it fits no commitment of the entries read; it speaks of {value[1]}")
    report.line("RESULT", f"{report.worst}: {MEANING[report.worst]}")
    if not options.key:
        report.line("NOTE", "whoever makes up a log signs it too: compare its key with one from elsewhere (--key)")
    return report.worst

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)
