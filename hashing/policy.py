"""Which logs somebody believes, and which witnesses must have cosigned (c2sp.org/tlog-policy).

PURE. A checkpoint satisfies a policy when one of its logs signed it and its quorum is met. The reader is strict: a line
that is not understood might be the one that asks for more, so it refuses the whole policy.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from base.errors import LedgerError
from hashing.checkpoint import Checkpoint, Cosignature, open_cosigned
from hashing.note import MAX_NAME_CHARACTERS, Algorithm, Note, NoteError, Verifier, parse_note, parse_vkey

MAX_POLICY_BYTES = 1_000_000
NO_QUORUM = "none"

_FORBIDDEN = re.compile(rb"[^\x09\x0a\x20-\x7e\x80-\xff]")
_OF_WITNESSES = tuple(algorithm for algorithm in Algorithm if algorithm.is_of_witness)
_BLANKS = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


class PolicyError(LedgerError):
    """Not a policy that can be followed."""


class PolicyNotMetError(PolicyError):
    """The checkpoint is one of a log of the policy, and too few of its witnesses cosigned it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A key that the policy names, and where its holder can be asked."""

    key: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Of ``members``, which are witnesses or groups, at least ``threshold`` must agree."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What a note says under a policy that it satisfies, and who cosigned it."""

    checkpoint: Checkpoint
    cosignatures: Mapping[str, Cosignature]  # by the name of the witness in the policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy that was checked when it was read; names are those of the policy and have no meaning outside of it."""

    logs: tuple[TrustedKey, ...]
    witnesses: Mapping[str, TrustedKey] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NO_QUORUM

    def verify(self, note: bytes) -> Attested:
        """Return what ``note`` says. Raises PolicyNotMetError for too few cosignatures, else LedgerError."""
        attested = self.read(note)
        if not self.is_met_by(attested.cosignatures):
            found = ", ".join(sorted(attested.cosignatures)) or "none of the witnesses"
            raise PolicyNotMetError(f"the policy asks for the quorum {self.quorum!r}, and {found} cosigned")
        return attested

    def read(self, note: bytes) -> Attested:
        """As `verify`, but whether enough witnesses cosigned is not asked."""
        lines = {(line.name, line.key_id) for line in _parsed(note).signatures}
        for log in self.logs:
            if (log.key.name, log.key.key_id) in lines:
                keys = tuple(witness.key for witness in self.witnesses.values())
                checkpoint, cosignatures = open_cosigned(note, log.key, keys)
                return Attested(checkpoint=checkpoint, cosignatures=dict(self._named(cosignatures)))
        raise PolicyError("a checkpoint that no log of the policy signed")

    def is_met_by(self, names: Collection[str]) -> bool:
        """Return whether the witnesses with these ``names`` are a quorum."""
        agreeing = set(names) & self.witnesses.keys()
        # Each group names only what stands above it. One after the other, because a file may nest them thousands deep.
        for name, group in self.groups.items():
            if sum(member in agreeing for member in group.members) >= group.threshold:
                agreeing.add(name)
        return self.quorum == NO_QUORUM or self.quorum in agreeing

    def _named(self, cosignatures: Iterable[Cosignature]) -> Iterable[tuple[str, Cosignature]]:
        names = {(trusted.key.name, trusted.key.key_id): name for name, trusted in self.witnesses.items()}
        return ((names[each.line.name, each.line.key_id], each) for each in cosignatures)

    def text(self) -> str:
        """Return the policy as a file, as `parse_policy` reads it."""
        lines = [_line("log", str(log.key), log.url) for log in self.logs]
        lines += [_line("witness", name, str(trusted.key), trusted.url) for name, trusted in self.witnesses.items()]
        lines += [_line("group", name, str(group.threshold), *group.members) for name, group in self.groups.items()]
        return "".join([*lines, _line("quorum", self.quorum)])


def parse_policy(data: bytes) -> Policy:
    """Return the policy of which ``data`` are the bytes. Raises PolicyError for anything that is not understood."""
    if len(data) > MAX_POLICY_BYTES:
        raise PolicyError(f"a policy of {len(data)} bytes, at most {MAX_POLICY_BYTES} are allowed")
    if _FORBIDDEN.search(data):
        raise PolicyError("a policy holds no control characters but tab and newline")
    reader = _Reader()
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            reader.read(line)
        except NoteError as err:
            raise PolicyError(f"line {number} of the policy: {err}") from err
    return reader.policy()


class _LineError(NoteError):
    """One line of a policy is wrong."""


class _Reader:
    """The lines read so far; each may name only what stands above it."""

    def __init__(self) -> None:
        self._logs: list[TrustedKey] = []
        self._witnesses: dict[str, TrustedKey] = {}
        self._groups: dict[str, Group] = {}
        self._members: set[str] = set()  # of any group
        self._quorum: str | None = None

    def read(self, line: bytes) -> None:
        if line.lstrip(b" \t").startswith(b"#"):
            return
        try:
            words = _BLANKS.split(line.decode("utf-8").strip(" \t"))
        except UnicodeDecodeError as err:
            raise _LineError("it is not UTF-8") from err
        match words:
            case [""]:
                return
            case ["log", vkey, *url] if len(url) < 2:
                self._add_log(vkey, *url)
            case ["witness", name, vkey, *url] if len(url) < 2:
                self._add_witness(name, vkey, *url)
            case ["group", name, threshold, first, *others]:
                self._add_group(name, threshold, (first, *others))
            case ["quorum", name]:
                self._set_quorum(name)
            case _:
                raise _LineError(f"{' '.join(words)[:80]!r} is not understood")

    def policy(self) -> Policy:
        if self._quorum is None:
            raise PolicyError("a policy without a quorum: `quorum none` says that no witness is asked for")
        return Policy(logs=tuple(self._logs), witnesses=self._witnesses, groups=self._groups, quorum=self._quorum)

    def _add_log(self, vkey: str, url: str | None = None) -> None:
        self._logs.append(_trusted(vkey, url, (Algorithm.ED25519,), self._logs))

    def _add_witness(self, name: str, vkey: str, url: str | None = None) -> None:
        self._refuse_name(name)
        self._witnesses[name] = _trusted(vkey, url, _OF_WITNESSES, self._witnesses.values())

    def _add_group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        self._refuse_name(name)
        for member in members:
            if member not in self._witnesses and member not in self._groups:
                raise _LineError(f"{member[:80]!r} is no witness and no group of a line above")
            if member in self._members:
                raise _LineError(f"{member[:80]!r} is a member of a group already")
            self._members.add(member)
        self._groups[name] = Group(threshold=_threshold(threshold, len(members)), members=members)

    def _set_quorum(self, name: str) -> None:
        if self._quorum is not None:
            raise _LineError("a policy has one quorum")
        if name != NO_QUORUM and name not in self._witnesses and name not in self._groups:
            raise _LineError(f"{name[:80]!r} is no witness and no group of a line above")
        self._quorum = name

    def _refuse_name(self, name: str) -> None:
        if name == NO_QUORUM or len(name) > MAX_NAME_CHARACTERS:
            raise _LineError(f"{name[:80]!r} can't be a name")
        if name in self._witnesses or name in self._groups:
            raise _LineError(f"{name[:80]!r} is a name already")


def _trusted(vkey: str, url: str | None, allowed: tuple[Algorithm, ...], known: Iterable[TrustedKey]) -> TrustedKey:
    key = parse_vkey(vkey)
    if key.algorithm not in allowed:
        types = " or ".join(f"{algorithm:d}" for algorithm in allowed)
        raise _LineError(f"the key of {key.name!r} is of type {key.algorithm:d}, expected is type {types}")
    if any(key.public == other.key.public for other in known):
        raise _LineError(f"the key of {key.name!r} stands in a line above")
    return TrustedKey(key=key, url=url)


def _threshold(text: str, members: int) -> int:
    if text in ("any", "all"):
        return 1 if text == "any" else members
    if not _THRESHOLD.fullmatch(text) or int(text) > members:
        raise _LineError(f"of {members} members `any`, `all` or a number up to {members} must agree, not {text[:40]!r}")
    return int(text)


def _line(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None) + "\n"


def _parsed(note: bytes) -> Note:
    try:
        return parse_note(note)
    except NoteError as err:
        raise PolicyError(f"not a checkpoint: {err}") from err
