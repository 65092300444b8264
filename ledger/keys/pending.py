"""Events that wait for endorsements: everything of them is fixed, and people sign it elsewhere.

A proposed event lies in `private/pending/<event>/`: what will stand in the entry, and its openings. The file that is
handed to the endorsers says the same, so that they see behind each commitment what they sign. When enough of them have
signed, the event is recorded with their endorsements, and the folder goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from base import fsio
from base.clock import format_time, now, parse_time
from base.errors import EvidenceError, LedgerError, NotFoundError, RefusedError
from base.escape import shown
from hashing.commitment import parse_opening
from hashing.digest import Digest
from hashing.endorsement import (
    Matter,
    endorsement_envelope,
    endorsement_payload,
    read_endorsement,
    signed_bytes,
)
from hashing.strict_json import Json, canonical_document, parse_strict
from ledger.entry import ENDORSEMENTS, commitments_of, fixed
from ledger.events import EVENT_TYPES
from ledger.events.event import Event
from ledger.identifiers import EVENT_ID
from ledger.keys.signer import AnySigner
from ledger.layout import StoreLayout
from ledger.record import CHANCE, Recorder
from ledger.trust import PERSONAL

_SCHEMA = "strongroom-proposal/1"
_FILE = "proposal.json"
_MAX_BYTES = 4 * 1024 * 1024
_MAX_ENVELOPE_BYTES = 65_535


class ProposalError(RefusedError):
    """A proposal or a signed endorsement that can't be used."""

    next_step = "Nothing was recorded. Ask for the file again: it must come as `strongroom` wrote it."


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An event that waits to be endorsed, complete, with its openings."""

    log: str
    event: Event  # its openings are fixed
    seen: Mapping[str, Digest]  # the last entry of each subject when it was proposed
    proposed_at: datetime

    @property
    def matter(self) -> Matter:
        return event_matter(self.log, self.event)

    @property
    def values(self) -> Mapping[str, Json]:
        """What the commitments hide; every opening was found to fit."""
        return self.event.values


def event_matter(log: str, event: Event) -> Matter:
    """Return what people endorse of ``event``, whose openings must be fixed."""
    if event.openings is None:
        raise LedgerError(f"{event.type.name} has no fixed openings: nobody can endorse it.")
    return Matter(
        log=log,
        event=event.event,
        type=event.type.name,
        subjects=event.subjects,
        facts={name: fact for name, fact in event.facts.items() if name != ENDORSEMENTS},
        commitments=commitments_of(event.openings),
    )


def endorse(matter: Matter, signer: AnySigner, *, seen: Mapping[str, Digest], signed_at: datetime) -> bytes:
    """Return the endorsement of ``matter`` by ``signer``: an envelope."""
    payload = endorsement_payload(matter, seen=seen, signed_at=signed_at)
    return endorsement_envelope(payload, keyid=signer.keyid, signature=signer.sign(signed_bytes(payload)))


def endorsed_by(recorder: Recorder, event: Event, signers: Sequence[AnySigner]) -> Event:
    """Return ``event`` endorsed by people who are here with their personal keys, or as it is where nobody is.

    Raises: RefusedError for a key that is not an enrolled, valid personal key of this log.
    """
    if not signers:
        return event
    valid = recorder.register().keys_at(recorder.end()[0], PERSONAL)
    for signer in signers:
        if signer.keyid not in valid:
            raise RefusedError(
                f"the key {signer.keyid} is no personal key that is valid in this log. Nothing was recorded.",
                next_step="Enrol it first: `strongroom key enrol --purpose personal --holder USER`.",
            )
    proposal = new_proposal(recorder, event)
    made = {
        signer.keyid: endorse(proposal.matter, signer, seen=proposal.seen, signed_at=proposal.proposed_at)
        for signer in signers
    }
    return replace(proposal.event, endorsements=tuple(made[keyid] for keyid in sorted(made)))


# -------------------------------------------------------------------------------------------------------- proposing


def new_proposal(recorder: Recorder, event: Event) -> Proposal:
    """Return ``event`` with its openings fixed, ready to be handed to endorsers. Nothing is written."""
    return Proposal(
        log=recorder.origin,
        event=event if event.openings is not None else fixed(event, CHANCE),
        seen={name: recorder.last_of(name) for name in event.subjects},
        proposed_at=now(),
    )


def keep(layout: StoreLayout, proposal: Proposal) -> None:
    """Keep ``proposal`` in `private/pending/` until it is recorded or withdrawn."""
    folder = layout.pending / proposal.event.event
    with fsio.declared_errors("keeping a proposal"):
        fsio.make_directories(folder)
        fsio.put_file(folder / _FILE, encode_proposal(proposal))


def pending(layout: StoreLayout) -> list[Proposal]:
    """Return everything that waits for endorsements, oldest first."""
    folders = sorted(layout.pending.iterdir()) if layout.pending.is_dir() else []
    found = [kept_proposal(layout, folder.name) for folder in folders if EVENT_ID.fullmatch(folder.name)]
    return sorted(found, key=lambda proposal: proposal.proposed_at)


def kept_proposal(layout: StoreLayout, event: str) -> Proposal:
    """Return the proposal of this event identifier. Raises NotFoundError, ProposalError."""
    path = layout.pending / event / _FILE
    if not EVENT_ID.fullmatch(event) or not path.is_file():
        raise NotFoundError(
            f"no event {shown(event)} waits for endorsements.", next_step="`strongroom status` lists those that do."
        )
    return read_proposal(path)


def forget(layout: StoreLayout, event: str) -> None:
    """Remove the proposal of ``event``: it was recorded, or is withdrawn."""
    folder = layout.pending / event
    with fsio.declared_errors("removing a proposal"):
        if (folder / _FILE).exists():
            fsio.remove(folder / _FILE)
        if folder.is_dir():
            fsio.remove_directory(folder)


def endorsed(proposal: Proposal, envelopes: Sequence[bytes]) -> Event:
    """Return the event of ``proposal`` with root endorsements in its open fact, in the order of their keyids."""
    from hashing.base64_text import encode

    inorder = sorted(envelopes, key=lambda data: read_endorsement(data).keyid)
    return replace(proposal.event, facts={**proposal.event.facts, ENDORSEMENTS: [*map(encode, inorder)] or None})


# ------------------------------------------------------------------------------------------------------------ files


def encode_proposal(proposal: Proposal) -> bytes:
    """Return ``proposal`` as the file that is kept, and handed to endorsers."""
    event = proposal.event
    facts: Json = {name: fact for name, fact in event.facts.items() if name != ENDORSEMENTS}
    document: Json = {
        "schema": _SCHEMA,
        "log": proposal.log,
        "event": event.event,
        "type": event.type.name,
        "subjects": {name: str(digest) for name, digest in event.subjects.items()},
        "facts": facts,
        "role": event.role,
        "drop": event.drop,
        "openings": [[member, text] for member, text in event.openings or ()],
        "seen": {name: str(digest) for name, digest in proposal.seen.items()},
        "proposed_at": format_time(proposal.proposed_at),
    }
    return canonical_document(document) + b"\n"


def read_proposal(path: Path) -> Proposal:
    """Return the proposal in the file ``path``. Raises NotFoundError, ProposalError."""
    return parse_proposal(_read(path, _MAX_BYTES))


def parse_proposal(data: bytes) -> Proposal:
    """Return the proposal in ``data``, every opening held against its place. Raises ProposalError."""
    try:
        document = parse_strict(data, max_bytes=_MAX_BYTES)
        if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
            raise ProposalError("this file is not a proposal that `strongroom` wrote.")
        proposal = _proposal(document)
        # Finds what is not read, or read as something else: members more, numbers for text, another order.
        if encode_proposal(proposal) != data:
            raise ProposalError("this file is a proposal that was changed since `strongroom` wrote it.")
        return proposal
    except ProposalError:
        raise
    except (KeyError, TypeError, ValueError, EvidenceError) as error:
        raise ProposalError(f"this file is not a proposal that can be used: {error}") from error


def _proposal(document: Mapping[str, Json]) -> Proposal:
    kind = EVENT_TYPES[str(document["type"])]
    name = str(document["event"])
    openings = tuple((str(member), str(text)) for member, text in map(_pair, _list(document["openings"])))
    facts = _object(document["facts"])
    event = Event(
        type=kind,
        subjects={subject: Digest.parse(str(digest)) for subject, digest in _object(document["subjects"]).items()},
        facts={**facts, ENDORSEMENTS: None} if ENDORSEMENTS in kind.all_facts else facts,
        values=_values(name, openings),
        event=name,
        drop=_optional(document["drop"]),
        role=_optional(document["role"]),
        openings=openings,
    )
    if {member.partition("/")[0] for member, _ in openings} != set(kind.all_committed):
        raise ProposalError("a proposal whose openings are not those of its type")
    seen = {subject: Digest.parse(str(digest)) for subject, digest in _object(document["seen"]).items()}
    return Proposal(
        log=str(document["log"]), event=event, seen=seen, proposed_at=parse_time(str(document["proposed_at"]))
    )


def _values(event: str, openings: Sequence[tuple[str, str]]) -> dict[str, Json]:
    """Return what the openings say. Raises ProposalError unless each is for its member of this event."""
    values: dict[str, Json] = {}
    for member, text in openings:
        opening = parse_opening(text)
        if (opening.event, opening.member) != (event, member):
            raise ProposalError(f"an opening of {event}/{member} that opens something else")
        listed = values.setdefault(opening.name, []) if opening.index is not None else None
        if isinstance(listed, list):
            listed.append(opening.value)
        else:
            values[opening.name] = opening.value
    return values


def read_envelope(path: Path) -> bytes:
    """Return the signed endorsement in the file ``path``, found to be one. Raises NotFoundError, ProposalError."""
    data = _read(path, _MAX_ENVELOPE_BYTES).removesuffix(b"\n")
    try:
        read_endorsement(data)
    except LedgerError as error:
        raise ProposalError(f"{shown(str(path))} is not a signed endorsement: {error}") from error
    return data


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        return fsio.read_file(path, max_bytes=max_bytes)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {shown(str(path))}.") from error


def _pair(value: Json) -> tuple[Json, Json]:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError("a member and an opening expected")
    return value[0], value[1]


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError("a list expected")
    return value


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError("an object expected")
    return value


def _optional(value: Json) -> str | None:
    return None if value is None else str(value)
