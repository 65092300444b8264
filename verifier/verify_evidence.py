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

import argparse, base64, contextlib, functools, hashlib, itertools, json, os, re, stat, sys, timeit, types
from typing import Any, Iterator, NamedTuple

MAX_NOTE, MAX_ENTRY, MAX_BUNDLE, MAX_LIST = 1 << 20, 65535, 256 * 65537, 64 << 20  # bytes; checked before reading
KINDS_WITHOUT_CONTENT = ("drop", "op", "auth", "dev", "depl", "actor", "copy")
CHANGES_OF_KEYS = ("key.enrolled", "key.revoked", "log.closed")
HEX, NAME, CODE, KEY_NAME = "[0-9a-f]{64}", "[a-z]+_[0-9A-HJKMNP-TV-Z]{13}", "[a-z0-9._-]{1,40}", r"[^\s+\0-\x1f]+"
BASE64, NUMBER = "[0-9A-Za-z+/]+={0,2}", "0|[1-9][0-9]{0,18}"
TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
ENTRY_TYPE = "https://strongroom.example/custody-event/draft"
ENDORSEMENT_TYPE = "https://strongroom.example/custody-endorsement/draft"
ENVELOPE = (f'{{"payload":"({BASE64})","payloadType":"application/vnd[.]in-toto[+]json",'
            f'"signatures":\\[{{"keyid":"({HEX})","sig":"({BASE64})"}}\\]}}')
# How JSON must look (see `fits`): text by pattern, objects by all members, [one] for lists, (NULL, a) for null or a.
TEXT, NULL = "[^\n]*", type(None)
STATEMENT: dict[str, Any] = {"_type": "https://in-toto[.]io/Statement/v1", "predicateType": TEXT, "predicate": dict,
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

class Refused(ValueError):
    """Bytes that are not what the format, or a signature, says they are."""

class Stop(Exception):
    """What follows makes no sense without what was just found bad, and said."""

REFUSALS = (ValueError, RecursionError, OSError)  # Refused, what Python's own decoders refuse, what can't be read

def need(condition: Any, what: str) -> Any:
    if not condition:
        raise Refused(what)
    return condition

class Report:  # what was found, said line by line; the exit status is the worst of it
    def __init__(self, out: Any) -> None:
        self.worst, self.out = 0, out
        self.found: list[tuple[int, str, str]] = []
    def line(self, word: str, text: str) -> None:  # printable ASCII: it can't move a cursor
        self.out.write(f"{word:9} " + re.sub(r"[^ -\[\]-~]", lambda one: ascii(one[0])[1:-1], text[:4000]) + "\n")
    def bad(self, code: int, name: str, text: str) -> None:
        self.worst = max(self.worst, code)
        self.found.append((code, name, text))
        self.line("UNCHECKED" if code == 6 else "BAD", f"{name}: {text}")
    @contextlib.contextmanager
    def at(self, name: str, *, code: int = 21, stop: bool = False) -> Iterator[None]:  # say what is refused inside
        try:
            yield
        except REFUSALS as error:
            self.bad(code, name, "it is not there" if isinstance(error, FileNotFoundError) else str(error))
            if stop:
                raise Stop from error

# ------------------------------------------------------------------------------------ Ed25519 (RFC 8032, section 5.1)
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT_OF_MINUS_1 = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)  # points are X, Y, Z, T with x = X/Z, y = Y/Z, T = XY/Z

def plus(p: Any, q: Any) -> Any:  # section 5.1.4; it also doubles
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * D * p[3] % P * q[3] % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)

def decoded(data: bytes) -> Any:  # the point that 32 bytes spell in the canonical way
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * ROOT_OF_MINUS_1 % P
    need(len(data) == 32 and y < P and x * x % P == square and (x or not sign), "32 bytes that are no canonical point")
    x = x if x & 1 == sign else P - x
    return (x, y, 1, x * y % P)

def multiples(point: Any) -> list[list[Any]]:  # for each five bits of a scalar, the 32 that they may ask for
    table = []
    for _ in range(0, 256, 5):
        table.append(list(itertools.accumulate([NEUTRAL] + [point] * 31, plus)))
        point = plus(table[-1][-1], point)
    return table

class PublicKey:  # an Ed25519 key, checked. Making one costs some milliseconds, a signature a fraction of one
    base = multiples(decoded(bytes([0x58] + [0x66] * 31)))
    def __init__(self, raw: bytes) -> None:
        x, y, z, t = decoded(raw)
        self.raw, self.table = raw, multiples((P - x, y, z, P - t))
        need(self.table[0][8][0], "a key of small order: anybody can sign for it")
    def verifies(self, message: bytes, signature: bytes) -> bool:  # is S*B - k*A, spelled canonically, R?
        s, point = int.from_bytes(signature[32:], "little"), NEUTRAL
        if len(signature) != 64 or s >= L:
            return False
        k = int.from_bytes(hashlib.sha512(signature[:32] + self.raw + message).digest(), "little") % L
        for ours, theirs in zip(PublicKey.base, self.table):  # noqa: B905 (no `strict` in Python 3.8)
            point = plus(plus(point, ours[s & 31]), theirs[k & 31])
            s, k = s >> 5, k >> 5
        inverse = pow(point[2], P - 2, P)
        return (point[1] * inverse % P | (point[0] * inverse % P & 1) << 255).to_bytes(32, "little") == signature[:32]

key_of = functools.lru_cache(maxsize=200)(PublicKey)

# -------------------------------------------------------------------------------------------- files, base64 and JSON
def read_parts(path: str, *, named: bool = False, limit: int = 1 << 62) -> Iterator[bytes]:
    """Yield a regular file of at most ``limit`` bytes in parts; a link is followed only where the user ``named`` it."""
    kind = os.stat(path) if named else os.lstat(path)
    need(stat.S_ISREG(kind.st_mode), "a link" if stat.S_ISLNK(kind.st_mode) else "not a regular file")
    need(kind.st_size <= limit, f"{kind.st_size} bytes, more than the {limit} that it may have")
    with open(path, "rb") as file:
        yield from iter(lambda: file.read(1 << 20), b"")

def below(root: str) -> Iterator[str]:  # the names of what is no folder itself; links are not followed
    for folder, folders, files in os.walk(root):
        for name in sorted(files + [one for one in folders if os.path.islink(os.path.join(folder, one))]):
            yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")

def read_file(path: str, limit: int, *, named: bool = False) -> bytes:
    return b"".join(read_parts(path, named=named, limit=limit))
def digest_of_file(path: str, *, named: bool = False) -> str:
    digest = hashlib.sha256()
    for part in read_parts(path, named=named):
        digest.update(part)
    return digest.hexdigest()

def unbase64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 in another spelling than the canonical one")
    return data

def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "JSON with a member twice")
    return dict(pairs)
def number(text: str) -> int:
    need(re.fullmatch("-?[0-9]{1,16}", text) and abs(int(text)) < 2**53, "a number that not every reader can hold")
    return int(text)
read_json = functools.partial(
    json.loads, object_pairs_hook=members, parse_int=number, parse_float=number, parse_constant=number)

def fits(value: Any, shape: Any, what: str) -> Any:  # returns ``value``; for shapes see STATEMENT
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
    parts = need(re.fullmatch(f"({KEY_NAME})[+]([0-9a-f]{{8}})[+]({BASE64})", text), "not a verifier key")
    blob = unbase64(parts[3])
    expected = hashlib.sha256(parts[1].encode() + b"\n" + blob).digest()[:4]
    need(expected.hex() == parts[2], "a verifier key whose ID is not that of its key")
    need(blob[0] not in (1, 4) or len(blob) == 33, "an Ed25519 key that has not 32 bytes")
    return VerifierKey(parts[1], expected, blob[0], blob[1:])

class Checkpoint:  # how long a log is, the root of its tree, and who signed that
    def __init__(self, note: bytes) -> None:
        line = f"\u2014 ({KEY_NAME}) ({BASE64})\n"
        shape = f"(({KEY_NAME})\n({NUMBER})\n({BASE64})\n)\n((?:{line}){{1,100}})"
        parts = need(re.fullmatch(shape, note.decode("utf-8")), "not three lines, an empty one, 1 to 100 signatures")
        self.text, self.origin, self.size, self.root = parts[1].encode(), parts[2], int(parts[3]), unbase64(parts[4])
        self.lines = [(name, unbase64(blob)[:4], unbase64(blob)[4:]) for name, blob in re.findall(line, parts[5])]
        need(all(signature for _, _, signature in self.lines), "a signature line without a signature")
        need(len(self.root) == 32 and (self.size or self.root == root_of([])), "a root that can't be one")
    def signed_by(self, key: VerifierKey) -> bool:  # one false line in its name makes the whole note void
        mine = [line[2] for line in self.lines if line[:2] == (key.name, key.id) and key.type in (1, 4)]
        for blob in mine:
            time, signature = (blob[:8], blob[8:]) if key.type == 4 else (b"", blob)
            head = b"cosignature/v1\ntime %d\n" % int.from_bytes(time, "big") if time else b""
            need(time < b"\x80", "a cosignature without a time")
            need(key_of(key.public).verifies(head + self.text, signature), f"the signature of {key.name} is not valid")
        return bool(mine)

class Policy:  # whose logs are believed, and which witnesses must have cosigned (c2sp.org/tlog-policy)
    def __init__(self, data: bytes) -> None:
        need(re.fullmatch(rb"[\t\n\x20-\x7e\x80-\xff]*\n", data), "a policy with false bytes, or cut short")
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[str, VerifierKey] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {"none": (0, [])}
        self.quorum, free = "", {"none"}  # free: named, and in no group so far
        for line in data.decode("utf-8", "replace").split("\n"):
            kind, *words = line.split() or ["#"]
            is_new = bool(words) and words[0] not in {*self.witnesses, *self.groups}
            if kind == "log" and len(words) in (1, 2):
                self.logs.append(read_vkey(words[0]))
            elif kind == "witness" and len(words) in (2, 3) and is_new:
                self.witnesses[words[0]] = read_vkey(words[1])
                free.add(words[0])
            elif kind == "group" and len(words) > 2 and is_new and len(set(words[2:]) & free) == len(words) - 2:
                count = {"any": 1, "all": len(words) - 2}.get(words[1]) or number(words[1])
                need(0 < count < len(words) - 1, "a group that nobody can meet")
                self.groups[words[0]] = (count, words[2:])
                free = {words[0], *free} - set(words[2:])
            elif kind == "quorum" and len(words) == 1 and not is_new and not self.quorum:
                self.quorum = words[0]
            else:
                need(kind.startswith("#"), "a policy with a line that is not understood")
        for keys in (self.logs, list(self.witnesses.values())):
            need(len({key.public for key in keys}) == len(keys), "a policy that has one key twice")
        need(self.logs and self.quorum, "a policy without a log or without a quorum")
    def is_met(self, name: str, cosigned: set[str]) -> bool:
        count, names = self.groups.get(name, (1, []))
        return name in cosigned or sum(self.is_met(one, cosigned) for one in names) >= count
    def check(self, name: str, checkpoint: Checkpoint, report: Report) -> None:  # by a log, and by witnesses
        need([key for key in self.logs if key.name == checkpoint.origin and checkpoint.signed_by(key)],
             "it is not signed by a log that is believed here")
        cosigned = {one for one, key in self.witnesses.items() if checkpoint.signed_by(key)}
        report.line("OK", f"{name}: {checkpoint.size} entries, by {', '.join([checkpoint.origin, *sorted(cosigned)])}")
        if not self.is_met(self.quorum, cosigned):
            report.bad(6, name, f"{len(cosigned)} of {len(self.witnesses)} witnesses cosigned: no quorum")

# ------------------------------------------------------------------------ the tree and its proofs (RFC 6962, 9162)
def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
def root_of(row: list[bytes]) -> bytes:  # pairs are joined; a last one that is alone goes up as it is
    while len(row) > 1:
        row = [node(*row[n:n + 2]) if n + 1 < len(row) else row[n] for n in range(0, len(row), 2)]
    return row[0] if row else hashlib.sha256(b"").digest()

def climbed(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """Return the root to which a proof leads. A tree is split at the largest power of two below its size."""
    need((size > 1) == bool(proof), "a proof with too many hashes, or too few")
    half = 1 << (size - 1).bit_length() >> 1
    if size == 1:
        return leaf
    if index < half:
        return node(climbed(leaf, index, half, proof[:-1]), proof[-1])
    return node(proof[-1], climbed(leaf, index - half, size - half, proof[:-1]))

def read_proof(data: bytes) -> tuple[int, list[bytes], Checkpoint]:  # ``extra`` is not used
    head, _, note = data.partition(b"\n\n")
    shape = f"c2sp[.]org/tlog-proof@v1\n(?:extra ({BASE64})\n)?index ({NUMBER})((?:\n{BASE64}){{0,63}})"
    parts = need(re.fullmatch(shape, head.decode("ascii")), "not a tlog-proof of version 1")
    hashes = [unbase64(line) for line in parts[3].split()]
    need(all(len(one) == 32 for one in hashes), "a hash that has not 32 bytes")
    need(parts[1] is None or unbase64(parts[1]), "a tlog-proof with an empty line `extra`")
    return int(parts[2]), hashes, Checkpoint(note)

# ------------------------------------------------------------------------- entries (DSSE, in-toto, custody-log.md)
Entry = types.SimpleNamespace  # of the envelope, and of an entry the members of its predicate: seq, prev, log, type ...

def read_envelope(raw: bytes, predicate_type: str) -> Entry:  # DSSE around an in-toto statement
    need(0 < len(raw) <= MAX_ENTRY, "an entry has 1 to 65,535 bytes")
    parts = need(re.fullmatch(ENVELOPE, raw.decode("ascii")), "not an envelope with one signature, as the format says")
    payload = unbase64(parts[1])
    need(re.fullmatch(rb"[\x20-\x5b\x5d-\x7e]+", payload), "bytes that are not printable ASCII without escapes")
    statement = read_json(payload.decode("ascii"))
    need(json.dumps(statement, sort_keys=True, separators=(",", ":")).encode() == payload, "JSON in another spelling")
    need(not re.search(rb"[:\[,](\{\}|\[\])", payload), "JSON with an empty object or list")
    fits(statement, STATEMENT, "the statement")
    need(statement["predicateType"] == predicate_type, f"a statement of another type than {predicate_type}")
    subjects = {row["name"]: row["digest"]["sha256"] for row in statement["subject"]}
    need(list(subjects) == sorted(subjects) and len(subjects) == len(statement["subject"]) <= 100, "false subjects")
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    return Entry(raw=raw, predicate=statement["predicate"], subjects=subjects, keyid=parts[2],
                 signature=unbase64(parts[3]), signed=signed)

def read_entry(raw: bytes) -> Entry:
    entry = read_envelope(raw, ENTRY_TYPE)
    vars(entry).update(fits(entry.predicate, PREDICATE, "the predicate"))
    fits(entry.subject_prev, {name: {"count": int, "entry": HEX} for name in entry.subjects}, "subject_prev")
    for name, digest in entry.subjects.items():
        called = entry.log if name == "log" else name if name.split("_")[0] in KINDS_WITHOUT_CONTENT else None
        need(called is None or digest == hashlib.sha256(called.encode()).hexdigest(), f"{name} has not its digest")
    return entry

def read_key(row: dict[str, Any]) -> tuple[str, PublicKey | None]:  # None: an algorithm not known here
    der, is_known = unbase64(str(row.get("spki"))), row.get("algorithm") == "ed25519"
    need(hashlib.sha256(der).hexdigest() == row.get("keyid"), "a keyid that is not its key's")
    need(not is_known or (der[:12].hex() == "302a300506032b6570032100" and len(der) == 44), "a key that is not Ed25519")
    return row["keyid"], key_of(der[12:]) if is_known else None

class Keys:  # which keys sign entries: those that entry 0 names, then those enrolled before and not revoked before
    def __init__(self, first: Entry, policy: Policy | None, pinned: str | None) -> None:
        need(first.seq == 0 and first.type == "log.opened", "the first entry is not log.opened")
        facts = fits(first.facts, OPENED, "log.opened")
        self.vkey, self.threshold = facts["log_vkey"], facts["root_threshold"]
        self.log_key = read_vkey(self.vkey)
        need(facts["origin"] == first.log == self.log_key.name, "log.opened of one log speaks of another")
        need(policy is None or self.log_key in policy.logs, "log.opened names another log key than the policy")
        need(pinned in (None, self.vkey), "log.opened names another log key than --key: another log")
        self.valid = {name: dict(map(read_key, facts[name + "_keys"] or [])) for name in ("recorder", "root")}
        self.ever = {*self.valid["recorder"], *self.valid["root"]}
    def check(self, entry: Entry, report: Report) -> None:
        """Refuse an entry that no key valid at its position signed; then take in what it changes for those behind."""
        need(entry.keyid in self.valid["recorder"], f"it is signed by a key that is not valid here: {entry.keyid}")
        facts, is_change = entry.facts or {}, entry.type in CHANGES_OF_KEYS
        used = [(self.valid["recorder"][entry.keyid], entry.signed, entry.signature, "its signature")]
        used += self.endorsements(entry, facts) if is_change else []
        chosen, keyid, good = self.valid.get(str(facts.get("purpose"))), str(facts.get("keyid")), facts.get("good_size")
        if entry.type == "key.enrolled" and chosen is not None:
            keyid, key = read_key(facts)
            need(keyid not in self.ever, "it enrols a key that this log had already")
            proof = f"strongroom-key/1\n{entry.log}\n{keyid}\n{facts['purpose']}\n".encode()
            used.append((key, proof, unbase64(str(facts.get("proof"))), "the proof of possession"))
        for one, message, signature, what in used:
            need(one is None or one.verifies(message, signature), f"{what} is not valid")
        if None in [one[0] for one in used]:
            report.bad(6, f"entry {entry.seq}", "a key of an algorithm that is not known here: it could not be checked")
        if entry.type == "key.enrolled" and chosen is not None:
            chosen[keyid] = key
            self.ever.add(keyid)
        elif entry.type == "key.revoked" and chosen is not None:
            need(keyid in chosen, "it revokes a key that is not valid")
            del chosen[keyid]
            if type(good) is int and good <= entry.seq:
                report.bad(6, f"entry {entry.seq}", f"what {keyid} signed from entry {good} up to here is in doubt")
    def endorsements(self, entry: Entry, facts: dict[str, Any]) -> list[tuple[PublicKey | None, bytes, bytes, str]]:
        """Demand endorsements of this very event by as many root keys as entry 0 says. Return what must be verified."""
        found, keyids = [], set()
        said = {**{name: entry.predicate[name] for name in ("log", "event", "type")}, "purpose": "approve",
                "facts": {name: fact for name, fact in facts.items() if name != "endorsements"} or None,
                "commitments": {name: one for name, one in entry.commitments.items() if name != "endorsements"}}
        for text in fits(facts.get("endorsements"), (NULL, [TEXT]), "endorsements") or []:
            given = read_envelope(unbase64(text), ENDORSEMENT_TYPE)
            need((given.predicate, given.subjects) == ({**given.predicate, **said}, entry.subjects), "not this event")
            need(given.keyid in self.valid["root"], "it is endorsed with a key that is no root key here")
            found.append((self.valid["root"][given.keyid], given.signed, given.signature, "an endorsement"))
            keyids.add(given.keyid)
        need(len(keyids) >= self.threshold, f"{len(keyids)} root keys endorsed it, not {self.threshold}")
        return found

def find_places(entry: Entry, places: dict[str, str]) -> None:  # of those commitments that openings are given for
    for name, one in entry.commitments.items() if places else ():
        for n, text in enumerate(one if isinstance(one, list) else [one]):
            if text in places:
                places[text] = f"{entry.event}/{name}" + (f"/{n}" if isinstance(one, list) else "")

def check_openings(lines: list[bytes], places: dict[str, str], report: Report) -> None:
    for count, line in enumerate(lines, 1):
        with report.at(f"opening {count}", code=20):
            need(re.fullmatch(b"[0-9A-Za-z_-]+", line), "not base64url")
            padded = line.decode("ascii").replace("-", "+").replace("_", "/") + "=" * (-len(line) % 4)
            value = read_json(unbase64(padded).decode("utf-8"))
            need(isinstance(value, list) and len(value) == 3, "not a list of salt, place and value")
            need(places[hashlib.sha256(line).hexdigest()] == value[1], f"it fits no commitment here: {value[1]}")
            report.line("OK", f"opening {count}: {value[1]}: {json.dumps(value[2])}")

# ---------------------------------------------------------------------------------------------------- a whole log
def tile_path(level: str, index: int, width: int) -> str:
    digits = re.sub("^(000)+(?=...)", "", f"{index:018}")  # in groups of three, all but the last with an x
    return f"tile/{level}/" + re.sub("(...)(?=.)", r"x\1/", digits) + ("" if width == 256 else f".p/{width}")

class Log:  # a folder in the layout tlog-tiles, whose every file must be what the entries give
    def __init__(self, folder: str, report: Report) -> None:
        self.folder, self.report, self.is_closed = folder, report, False
        self.leaves: list[bytes] = []
        self.prev: str | None = "0" * 64  # None where the entry before could not be read
        self.heads: dict[str, bytes] = {}  # of each subject: SHA-256 of its last entry, and their count
        self.events: set[bytes] = set()
        self.masters: dict[str, int] = {}
    def parts(self, level: str, index: int, width: int, *, exact: bool = False) -> list[bytes]:
        """Return the hashes of a tile, or the entries of a bundle; of the full one where a partial one has gone."""
        held = width if exact or os.path.lexists(os.path.join(self.folder, tile_path(level, index, width))) else 256
        data = read_file(os.path.join(self.folder, tile_path(level, index, held)), MAX_BUNDLE)
        parts, at, head = [], 0, 2 if level == "entries" else 0  # an entry has its length in front, a hash has 32 bytes
        while at < len(data):
            end = at + head + (int.from_bytes(data[at:at + 2], "big") if head else 32)
            parts.append(data[at + head:end])
            at = end
        need(at == len(data) and all(parts) and len(parts) == held, f"it does not hold {held} whole hashes or entries")
        return parts[:width]
    def check_entry(self, seq: int, raw: bytes, keys: Keys | None, places: dict[str, str]) -> None:
        prev, self.prev = self.prev, hashlib.sha256(raw).hexdigest() if raw else None
        with self.report.at(f"entry {seq}") if raw else contextlib.suppress(Refused):
            entry, gaps = read_entry(raw), []
            for name, head in entry.subject_prev.items():
                claimed = bytes.fromhex(head["entry"]) + head["count"].to_bytes(8, "big")
                gaps += [name] if self.heads.get(name, bytes(40)) != claimed else []
                self.heads[name] = bytes.fromhex(str(self.prev)) + (head["count"] + 1).to_bytes(8, "big")
            if keys is not None:
                need(entry.log == keys.log_key.name, "it is an entry of another log")
                keys.check(entry, self.report)
            need(entry.seq == seq, f"it says that it is entry {entry.seq}")
            need(prev in (None, entry.prev), "its prev is not the digest of the entry before it")
            need(bytes.fromhex(entry.event[6:]) not in self.events, "its event stands in the log already")
            self.events.add(bytes.fromhex(entry.event[6:]))
            need(not gaps, f"the chain of {', '.join(gaps)} has a gap, or goes another way")
            need(not self.is_closed, "it stands behind log.closed")
            find_places(entry, places)
            if entry.type == "master.defined":
                self.masters.update(dict.fromkeys(entry.subjects.values(), seq))
            if entry.type in CHANGES_OF_KEYS or (seq == 0 and (entry.facts or {}).get("predecessor")):
                self.report.line("NOTE", f"entry {seq}, {entry.type}: {json.dumps(entry.facts, sort_keys=True)}")
            self.is_closed = entry.type == "log.closed"
    def check_tiles(self) -> None:  # a level has the roots of the full tiles of the one below
        row, level = self.leaves, 0
        while row:
            for n in range(0, len(row), 256):
                place = (str(level), n // 256, min(256, len(row) - n))
                with self.report.at(tile_path(*place)):
                    need(self.parts(*place) == row[n:n + 256], "other hashes than those of the entries")
            row, level = [root_of(row[n:n + 256]) for n in range(0, len(row) - 255, 256)], level + 1
    def check_rest(self, size: int) -> None:  # only older and newer states of tiles may stand beside these
        places, end, beyond = {}, size, 0
        for name in set(below(self.folder)) - {"checkpoint"}:
            match = re.fullmatch(r"tile/(entries|[0-7])/([x0-9/]{3,20})(?:\.p/([0-9]{1,3}))?", name)
            kind, digits, count = match.groups("256") if match else ("", "0", "0")
            places[name] = (kind, int(re.sub("[x/]", "", digits) or 0), int(count))
            end = max(end, places[name][1] * 256 + int(count) if kind == "entries" else 0)
        for name, (level, index, width) in sorted(places.items()):
            with self.report.at(name):
                shift = 8 * int(level) if level.isdigit() else 0
                need(tile_path(level, index, width) == name, "a file that does not belong here")
                need(index * 256 + width <= end >> shift, "a tile beyond the end of the log")
                checked = max(0, min(256, (size >> shift) - index * 256))  # so wide is the one that was checked
                if width != checked:
                    known, here = min(checked, width), self.parts(level, index, width, exact=True)
                    need(not known or here[:known] == self.parts(level, index, checked)[:known], "another beginning")
                    beyond += width > checked
        if beyond:
            self.report.bad(6, "checkpoint", f"{beyond} tiles go on behind it, to entry {end - 1}: a log that was "
                            "being written when it was copied, or an older checkpoint. Ask for the newest, and keep it")

def check_log(options: argparse.Namespace, report: Report, places: dict[str, str]) -> None:
    log, keys = Log(options.given, report), None
    policy = Policy(read_file(options.policy, MAX_NOTE, named=True)) if options.policy else None
    with report.at("checkpoint", stop=True):
        checkpoint = Checkpoint(read_file(os.path.join(options.given, "checkpoint"), MAX_NOTE))
    size = checkpoint.size
    with report.at("entry 0, or the number of entries in checkpoint", stop=policy is None):
        keys = Keys(read_entry(log.parts("entries", 0, max(1, min(256, size)))[0]), policy, options.key)
        policy = policy or Policy(f"log {keys.vkey}\nquorum none\n".encode())
        policy.logs = [keys.log_key]
    with report.at("checkpoint"):
        policy.check("checkpoint", checkpoint, report)
        pace = min(timeit.repeat(lambda: checkpoint.signed_by(policy.logs[0]), number=1, repeat=5))
        report.line("NOTE", f"{size} signatures at {pace * 1000:.2f} ms: it takes about {pace * size * 2 + 1:.0f} s")
    for first in range(0, size, 256):
        width, raws, leaves = min(256, size - first), [], []
        with report.at(tile_path("entries", first // 256, width)):
            raws = log.parts("entries", first // 256, width)
            leaves = [hashlib.sha256(b"\0" + raw).digest() for raw in raws]
        if not raws:
            with contextlib.suppress(*REFUSALS):  # said when the tile itself is checked
                leaves = log.parts("0", first // 256, width)
        log.leaves += leaves or [b""] * width
        for n in range(width):
            log.check_entry(first + n, raws[n] if raws else b"", keys, places)
    log.check_tiles()
    with report.at("checkpoint"):
        need(root_of(log.leaves) == checkpoint.root, "its root is not that of the entries")
        report.line("OK", f"{size} entries give the root {checkpoint.root.hex()}")
    for path in options.against:
        with report.at(f"kept checkpoint {path}"):
            data = read_file(path, MAX_NOTE, named=True)
            kept = read_proof(data)[2] if data.startswith(b"c2sp.org/") else Checkpoint(data)
            policy.check(f"kept checkpoint {path}", kept, report)
            need(kept.origin == checkpoint.origin, f"it is of another log: {kept.origin}")
            need(kept.size <= size, f"it has {kept.size} entries, this log {size}: rolled back")
            need(root_of(log.leaves[:kept.size]) == kept.root, "a split view" if kept.size == size else "a fork")
            report.line("OK", f"kept checkpoint {path}: this log continues it")
    log.check_rest(size)
    if options.masters:
        check_masters(options.masters, log.masters, report)

def check_masters(root: str, masters: dict[str, int], report: Report) -> None:  # one called like a digest must have it
    counts, found = dict.fromkeys(("matched", "changed", "missing", "not recorded"), 0), set()
    for name in below(root):
        base = name.split("/")[-1]
        kind, is_named = "changed" if base in masters else "not recorded", re.fullmatch(HEX, base) is not None
        with report.at(name, code=20):
            digest = digest_of_file(os.path.join(root, name))
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
        index, hashes, checkpoint = read_proof(read_file(os.path.join(folder, names[1]), MAX_NOTE))
        if policy:
            policy.check(names[1], checkpoint, report)
        else:
            report.bad(6, names[1], "no keys were given (see --trust): neither signature was checked")
    with report.at(names[0], stop=True):
        entry = read_entry(read_file(os.path.join(folder, names[0]), MAX_ENTRY))
        need(index < checkpoint.size, f"entry {index} can't be among {checkpoint.size} entries")
        root = climbed(hashlib.sha256(b"\0" + entry.raw).digest(), index, checkpoint.size, hashes)
        need(root == checkpoint.root, "the proof does not lead from the entry to the root")
        need((entry.seq, entry.log) == (index, checkpoint.origin), "it says that it stands elsewhere")
        report.line("OK", f"{names[0]}: entry {index} of {entry.log}, {entry.type}")
    return entry, checkpoint

def check_receipt(options: argparse.Namespace, report: Report, places: dict[str, str]) -> None:
    """Check an entry with its proof, the keys from the folder ``trust``, and the exhibit where it is given."""
    keys, policy, files, is_drop = None, None, [], options.command == "drop"
    folder, proof = os.path.split(options.given) if is_drop else (options.given, "receipt.tlog-proof")
    names = (re.sub(r"\.tlog-proof\Z", "", proof) + ".entry.json" if is_drop else "entry.json", proof)
    wanted = "drop.completed" if is_drop else None if options.trust else "master.defined"  # None: any, as in an export
    trust: Any = options.trust or (None if is_drop else folder)
    if trust:
        with report.at("policy", stop=True):
            policy, files = Policy(read_file(os.path.join(trust, "policy"), MAX_NOTE)), os.listdir(trust)
    entry, checkpoint = proved(folder, names, policy, report)
    changes = sorted(int(one[6:-5]) for one in files if re.fullmatch(f"entry-({NUMBER})[.]json", one))
    for seq in [one for one in changes if one < max(1, entry.seq)]:  # entry 0 names keys, others have changed them
        change, under = proved(trust, (f"entry-{seq}.json", f"entry-{seq}.tlog-proof"), policy, report)
        with report.at(f"entry-{seq}.json", stop=True):
            keys = keys or Keys(change, policy, options.key)
            # A policy may list several keys, also under the name of this log.
            need(checkpoint.signed_by(keys.log_key) and under.signed_by(keys.log_key), "not signed by the log's key")
            need(change.seq == seq, "it is another entry than it is called")
            need(under.size != checkpoint.size or under.root == checkpoint.root, "two roots of one size: a split view")
            need(under.text == checkpoint.text or trust != folder, "another checkpoint than that of the entry")
            keys.check(change, report)
    with report.at(names[0]):
        need(keys or not trust, "entry-0.json is missing: nobody's keys are known")
        if keys is not None:
            keys.check(entry, report)
            report.line("OK", f"{names[0]}: signed by the recorder key {entry.keyid}")
        need(wanted in (None, entry.type), f"it is {entry.type} and not {wanted}")
    report.line("NOTE", f"recorded {entry.recorded_at} (a claim): {json.dumps(entry.facts, sort_keys=True)}")
    for subject, digest in entry.subjects.items():
        report.line("NOTE", f"{subject} has the SHA-256 {digest}")
    if options.file:
        with report.at(options.file, code=20):
            found = digest_of_file(options.file, named=True)
            need([found] == list(entry.subjects.values()), f"it has the SHA-256 {found}: not what was recorded")
            report.line("OK", f"{options.file}: bit for bit what was recorded")
    find_places(entry, places)

def read_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("receipt", "log", "drop"):
        command = commands.add_parser(name)
        command.set_defaults(trust=None, file=None, policy=None, masters=None, against=[])
        add = command.add_argument
        add("given", metavar="proof" if name == "drop" else "folder")
        add("--key", metavar="VKEY", help="the log's verifier key, as you got it from elsewhere")
        add("--openings", metavar="FILE", help="openings, one to a line: does each fit a commitment?")
        if name == "log":
            add("--against", metavar="FILE", action="append", help="a checkpoint or receipt kept from earlier")
            add("--masters", metavar="DIR", help="a folder of sealed files to hold against the log")
            add("--policy", metavar="FILE", help="the logs and witnesses that you believe (tlog-policy)")
        else:
            add("--trust", metavar="DIR", help="a folder with policy and entry-0.json of the log")
        if name == "receipt":
            add("file", nargs="?", help="the exhibit")
    return parser.parse_args(arguments)

def main(arguments: list[str], out: Any = None) -> int:
    options, report = read_arguments(arguments), Report(out or sys.stdout)
    given = [options.given, options.file, options.trust, options.policy, options.masters, options.openings]
    for path in filter(None, [*given, *options.against]):
        if not os.path.exists(path):
            report.line("BAD", f"{path} is not there")
            return 3
    with contextlib.suppress(Stop), report.at(options.given, stop=True):
        lines = read_file(options.openings, MAX_LIST, named=True).splitlines() if options.openings else []
        places = dict.fromkeys((hashlib.sha256(line).hexdigest() for line in lines), "")
        (check_log if options.command == "log" else check_receipt)(options, report, places)
        check_openings(lines, places, report)
    report.line("RESULT", f"{report.worst}: {MEANING[report.worst]}")
    if not options.key:
        report.line("NOTE", "whoever makes up a log signs it too: compare its key with one from elsewhere (--key)")
    return report.worst

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)
