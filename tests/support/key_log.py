"""A small log in memory whose keys change, and the two who judge it: the product's chain check, and the checker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

from checker_chain import Chain
from checker_findings import Findings
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from golden import LOG_SIGNER, ORIGIN, RECORDED_AT, RECORDER_SIGNER, SOFTWARE, CountingChance
from msgspec.structs import replace

from hashing.base64_text import encode
from hashing.digest import ZERO_DIGEST, Digest
from hashing.note import vkey
from hashing.public_key import PublicKey
from hashing.strict_json import Json
from ledger.chain import ChainCheck
from ledger.entry import Chance, Entry, Place, RecorderSigner, SubjectHead, build_entry, fixed, parse_entry
from ledger.events.event import Event
from ledger.events.key import ProvenKey, key_enrolled, key_revoked
from ledger.events.log import NamedKey, config_changed, log_opened
from ledger.keys.file import FileSigner
from ledger.keys.pending import endorse, event_matter
from ledger.keys.persons import PersonSigner, proven
from ledger.keys.signer import AnySigner

_CHANCE = CountingChance()
CHANCE = Chance(salt=_CHANCE.salt, shuffle=_CHANCE.shuffle)


def signer(number: int) -> FileSigner:
    """Return one of many Ed25519 keys, always the same for a number."""
    return FileSigner(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


@cache
def person(kind: str) -> PersonSigner:
    """Return a key of a person: ed25519, p256 or rsa."""
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    match kind:
        case "p256":
            key = ec.derive_private_key(7, ec.SECP256R1())
        case "rsa":
            key = rsa.generate_private_key(65537, 2048)
        case _:
            key = Ed25519PrivateKey.from_private_bytes(bytes([99]) * 32)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return PersonSigner(pem, passphrase=None, name=kind)


def public(key: AnySigner) -> PublicKey:
    return PublicKey(algorithm=key.algorithm, spki=key.spki)


def named(key: PublicKey) -> NamedKey:
    return NamedKey(algorithm=key.algorithm, keyid=key.keyid, spki=encode(key.spki))


def enrolment(
    key: AnySigner, purpose: str = "recorder", *, proof: bytes | None = None, holder: str | None = None
) -> Event:
    """Return the event that enrols ``key``, rightly proven unless a ``proof`` is given."""
    made = proven(key, log=ORIGIN, purpose=purpose)
    made = made if proof is None else ProvenKey(public=made.public, proof=proof)
    event = key_enrolled(ORIGIN, made, purpose=purpose, holder=holder, reason=None, by=None, role=None)
    return fixed(event, CHANCE)


def revocation(key: AnySigner, purpose: str = "recorder", *, good_size: int | None = None) -> Event:
    event = key_revoked(
        ORIGIN, key.keyid, purpose=purpose, good_size=good_size, holder=None, reason="gone", by=None, role=None
    )
    return fixed(event, CHANCE)


def endorsement(event: Event, key: AnySigner, *, log: str = ORIGIN) -> bytes:
    """Return the endorsement of ``event`` by ``key``."""
    seen = dict.fromkeys(event.subjects, ZERO_DIGEST)
    return endorse(event_matter(log, event), key, seen=seen, signed_at=RECORDED_AT)


def endorsed(event: Event, envelopes: Sequence[bytes]) -> Event:
    """Return ``event`` with these envelopes in its facts, in this order."""
    return replace(event, facts={**event.facts, "endorsements": [*map(encode, envelopes)] or None})


def by(event: Event, *keys: AnySigner) -> Event:
    """Return ``event`` rightly endorsed by these root keys."""
    ordered = sorted(keys, key=lambda key: key.keyid)
    return endorsed(event, [endorsement(event, key) for key in ordered])


class KeyLog:
    """Entries about the log alone, each following the one before; only keys and endorsements may be wrong."""

    def __init__(
        self, *, roots: Sequence[AnySigner] = (), threshold: int = 0, recorders: Sequence[NamedKey] = ()
    ) -> None:
        self.raws: list[bytes] = []
        keys = [named(public(RECORDER_SIGNER)), *recorders]
        self.add(
            log_opened(
                ORIGIN,
                log_vkey=vkey(ORIGIN, LOG_SIGNER.public),
                recorder_keys=keys,
                root_keys=[named(public(root)) for root in roots],
                root_threshold=threshold,
            )
        )

    def add(self, event: Event | None = None, *, signer: RecorderSigner = RECORDER_SIGNER) -> Entry:
        """Add an entry, without an event one about a setting, and return it."""
        event = event or config_changed(ORIGIN, setting="settle_seconds", before=None, after=None)
        last = Digest.of(self.raws[-1]) if self.raws else ZERO_DIGEST
        place = Place(
            log=ORIGIN,
            seq=len(self.raws),
            prev=last,
            recorded_at=RECORDED_AT + timedelta(seconds=len(self.raws)),
            clock="synchronised",
            software=SOFTWARE,
        )
        heads = {"log": SubjectHead(count=len(self.raws), entry=last)} if self.raws else {}
        self.raws.append(build_entry(event, place=place, heads=heads, signer=signer, chance=CHANCE).raw)
        return parse_entry(self.raws[-1])

    def product(self) -> tuple[list[tuple[str, int]], bool]:
        """Return the product's findings (code, position), and whether something could not be checked."""
        chain = ChainCheck(ORIGIN)
        for seq, raw in enumerate(self.raws):
            chain.check(seq, raw)
        found = [(finding.code, int(finding.object.removeprefix("entry "))) for finding in chain.findings]
        return found, bool(chain.not_checked)

    def checker(self) -> tuple[list[tuple[str, int]], bool]:
        """The same, from the independent checker."""
        findings = Findings()
        Chain(findings).extend(self.raws)
        found = [(problem.code, int(problem.object.removeprefix("entry "))) for problem in findings.problems]
        return found, bool(findings.notes)

    def damaged(self) -> list[int]:
        """Return the positions where both find something; they must agree."""
        product, checker = sorted({seq for _, seq in self.product()[0]}), sorted({seq for _, seq in self.checker()[0]})
        assert product == checker, (self.product(), self.checker())
        return product


def unknown_key(text: bytes = b"a key of the future") -> dict[str, Json]:
    """Return how a key of an algorithm that nobody knows stands in an entry."""
    return {"algorithm": "ml-dsa-44", "keyid": str(Digest.of(text)), "spki": encode(text)}
