"""The parsers of JSON, envelopes, entries, keys and time stamps, for the table of parsers."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from golden import ORIGIN, RECORDED_AT, RECORDER_SIGNER, build_golden, golden_events
from key_log import endorsement, enrolment, person, public, revocation
from parsers import Parser, text_of
from vectors import vector_bytes, vector_json

from base.errors import LedgerError, UncheckedError
from hashing import base64_text
from hashing.commitment import OpeningError, make_opening, parse_opening
from hashing.digest import ZERO_DIGEST
from hashing.dsse import PAYLOAD_TYPE, DsseError, Envelope, encode_envelope, parse_entry_envelope, parse_envelope
from hashing.ed25519 import SignatureError
from hashing.endorsement import (
    EndorsementError,
    endorsement_envelope,
    endorsement_payload,
    read_endorsement,
    read_payload,
)
from hashing.public_key import PublicKeyError, public_key_of
from hashing.statement import StatementError, parse_entry_statement, parse_statement
from hashing.strict_json import MAX_ENTRY_BYTES, StrictJsonError, canonical, parse_canonical, parse_strict
from hashing.time_stamp import Authority, AuthorityError, TimeStampError, query_nonce, verify_time_stamp
from ledger.entry import ENDORSEMENTS, Entry, parse_entry
from ledger.events import EVENT_TYPES
from ledger.keys.file import KeyFileError, _any_key
from ledger.keys.pending import Proposal, ProposalError, encode_proposal, parse_proposal
from ledger.keys.persons import PersonSigner
from ledger.trust import KeyRegister

# ------------------------------------------------------------------------------------------- JSON, DSSE and in-toto


def _write_envelope(envelope: Envelope) -> bytes:
    return encode_envelope(
        envelope.payload_type, envelope.payload, [(each.keyid, each.sig) for each in envelope.signatures]
    )


def _write_foreign(envelope: Envelope) -> bytes:
    signatures = [{"keyid": each.keyid, "sig": base64_text.encode(each.sig)} for each in envelope.signatures]
    payload = base64_text.encode(envelope.payload)
    return json.dumps({"payload": payload, "payloadType": envelope.payload_type, "signatures": signatures}).encode()


def _write_statement(statement: Any) -> bytes:
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": each.name, "digest": dict(each.digest)} for each in statement.subjects],
        "predicateType": statement.predicate_type,
        "predicate": statement.predicate,
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _opened(data: bytes) -> tuple[Any, ...]:
    opening = parse_opening(text_of(data))
    return opening.salt, opening.event, opening.member, opening.value


def _write_opening(found: tuple[Any, ...]) -> bytes:
    salt, event, member, value = found
    return make_opening(salt=salt, event=event, member=member, value=value).encode()


def json_formats() -> list[Parser]:
    golden = build_golden(golden_events()["key.enrolled"])
    entry, envelope = golden.raw, parse_entry_envelope(golden.raw)
    value: Any = {"make": "x", "at": [{"from": None}]}
    made = make_opening(salt=bytes(range(16)), event="event_" + "5a" * 16, member="notes/3", value=value)
    openings = (made.encode(), *(opening.text.encode() for opening in golden.openings[:2]))
    opened = tuple(base64_text.decode_url(text.decode()) for text in openings)
    statement_error, payload = (StatementError,), envelope.payload
    nested = b'{"a":[1,{"b":"x","c":null},[true,-7]],"d":"\\u00e9 \\"x\\""}'
    return [
        Parser(
            name="strict JSON",
            read=lambda data: parse_strict(data, max_bytes=MAX_ENTRY_BYTES),
            errors=(StrictJsonError,),
            write=lambda value: json.dumps(value).encode(),
            one_spelling=False,
            samples=(nested, payload),
            is_json=True,
        ),
        Parser(
            name="canonical JSON",
            read=parse_canonical,
            errors=(StrictJsonError,),
            write=canonical,
            samples=(payload, b'{"a":[1,{"b":"x"}]}'),
            is_json=True,
        ),
        Parser(
            name="envelope of an entry",
            read=parse_entry_envelope,
            errors=(DsseError,),
            write=_write_envelope,
            samples=(entry,),
            is_json=True,
        ),
        Parser(
            name="envelope of others",
            read=parse_envelope,
            errors=(DsseError,),
            write=_write_foreign,
            one_spelling=False,
            samples=(entry, entry.replace(b'"keyid"', b'"x":1,"keyid"')),
            is_json=True,
        ),
        Parser(
            name="statement of an entry",
            read=parse_entry_statement,
            errors=statement_error,
            write=_write_statement,
            samples=(payload,),
            is_json=True,
        ),
        Parser(
            name="statement",
            read=parse_statement,
            errors=statement_error,
            write=_write_statement,
            one_spelling=False,
            samples=(payload, *(case["json"].encode() for case in vector_json("in-toto/statements.json"))),
            is_json=True,
        ),
        Parser(
            name="opening",
            read=_opened,
            errors=(OpeningError,),
            write=_write_opening,
            one_spelling=False,
            samples=openings,
        ),
        Parser(
            name="JSON of an opening",
            read=lambda data: _opened(base64_text.encode_url(data).encode()),
            errors=(OpeningError,),
            write=lambda found: base64_text.decode_url(_write_opening(found).decode()),
            one_spelling=False,
            samples=opened,
            is_json=True,
        ),
    ]


# ------------------------------------------------------------------------------------------------- entries and keys


def _enveloped(payload: bytes) -> bytes:
    return encode_envelope(PAYLOAD_TYPE, payload, [(RECORDER_SIGNER.keyid, bytes(64))])


def _entry_of(payload: bytes) -> Entry:
    """Return the entry with this payload: its signature is not looked at here."""
    return parse_entry(_enveloped(payload))


def _register(payload: bytes) -> None:
    first = parse_entry(build_golden(golden_events()["log.opened"]).raw)
    entry = _entry_of(payload)
    KeyRegister(entry if entry.type == "log.opened" else first).apply(entry, dict(entry.facts))


def _proposal() -> bytes:
    event = enrolment(person("ed25519"), purpose="root")
    seen = dict.fromkeys(event.subjects, ZERO_DIGEST)
    return encode_proposal(Proposal(log=ORIGIN, event=event, seen=seen, proposed_at=RECORDED_AT))


def _pem(data: bytes) -> PersonSigner:
    return PersonSigner(data, passphrase=None, name="key.pem")


def entries_and_keys() -> list[Parser]:
    kinds = [person(kind) for kind in ("ed25519", "p256", "rsa")]
    message = b"strongroom"
    endorsed = endorsement(revocation(person("p256"), good_size=7), person("ed25519"))
    key_payloads = tuple(
        parse_entry(build_golden(event).raw).envelope.payload
        for name, event in golden_events().items()
        if ENDORSEMENTS in EVENT_TYPES[name].all_facts
    )
    entries = [parse_entry(build_golden(event).raw) for event in golden_events().values()]
    return [
        Parser(
            name="public key",
            read=public_key_of,
            errors=(PublicKeyError,),
            write=lambda key: bytes(key.spki),
            samples=tuple(key.spki for key in kinds),
        ),
        *(
            Parser(
                name=f"signature {key.algorithm}",
                read=partial(public(key).verify, message),
                errors=(SignatureError,),
                samples=(key.sign(message),),
            )
            for key in kinds
        ),
        Parser(name="private key", read=_pem, errors=(KeyFileError,), samples=(RECORDER_SIGNER.pem(None),)),
        Parser(
            name="key of the machine",
            read=lambda data: _any_key(data, "recorder.pem"),
            errors=(KeyFileError,),
            samples=(RECORDER_SIGNER.pem(None),),
        ),
        Parser(
            name="entry",
            read=parse_entry,
            errors=(LedgerError,),
            write=lambda entry: _write_envelope(entry.envelope),
            samples=tuple(entry.raw for entry in entries),
        ),
        Parser(
            name="payload of an entry",
            read=_entry_of,
            errors=(LedgerError,),
            write=lambda entry: bytes(entry.envelope.payload),
            samples=tuple(entry.envelope.payload for entry in entries),
            is_json=True,
        ),
        Parser(
            name="change of keys",
            read=_register,
            errors=(LedgerError, UncheckedError),
            samples=key_payloads,
            is_json=True,
        ),
        Parser(
            name="endorsement",
            read=read_endorsement,
            errors=(EndorsementError,),
            write=lambda one: endorsement_envelope(
                endorsement_payload(one.matter, seen=one.seen, signed_at=one.signed_at),
                keyid=one.keyid,
                signature=one.envelope.signatures[0].sig,
            ),
            samples=(endorsed,),
        ),
        Parser(
            name="payload of an endorsement",
            read=read_payload,
            errors=(EndorsementError,),
            write=lambda read: endorsement_payload(read[0], seen=read[1], signed_at=read[2]),
            samples=(parse_entry_envelope(endorsed).payload,),
            is_json=True,
        ),
        Parser(
            name="proposal",
            read=parse_proposal,
            errors=(ProposalError,),
            write=encode_proposal,
            samples=(_proposal(),),
            is_json=True,
        ),
    ]


def time_stamps() -> list[Parser]:
    note = vector_bytes("computed/log7/checkpoint")
    query, reply = vector_bytes("time-stamp/log7.tsq"), vector_bytes("time-stamp/log7.tsr")
    roots = vector_bytes("time-stamp/ca.pem")
    return [
        Parser(
            name="time-stamp reply",
            read=lambda data: verify_time_stamp(
                data, stamped=note, authority=Authority(name="one", certificates=roots), query=query
            ),
            errors=(TimeStampError,),
            samples=(reply,),
        ),
        Parser(
            name="time-stamp query",
            read=lambda data: query_nonce(data, note),
            errors=(TimeStampError,),
            samples=(query,),
        ),
        Parser(
            name="certificates of an authority",
            read=lambda data: verify_time_stamp(
                reply, stamped=note, authority=Authority(name="one", certificates=data), query=query
            ),
            errors=(AuthorityError, TimeStampError),
            samples=(roots,),
        ),
    ]
