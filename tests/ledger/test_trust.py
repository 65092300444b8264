"""Whom a log is believed: what the first entry must say before anything else is read."""

from __future__ import annotations

import pytest
from golden import LOG_SIGNER, ORIGIN, RECORDER_SIGNER, build_golden, golden_events
from msgspec.structs import replace

from hashing.note import vkey
from hashing.strict_json import Json
from ledger.entry import Entry, parse_entry
from ledger.trust import UntrustedError, trust_of


def first_entry(**facts: Json) -> Entry:
    event = golden_events()["log.opened"]
    return parse_entry(build_golden(replace(event, facts={**event.facts, **facts})).raw)


def test_the_first_entry_names_the_log_and_its_keys() -> None:
    trust = trust_of(first_entry())
    assert (trust.origin, trust.log_key.name) == (ORIGIN, ORIGIN)
    assert trust.recorder_keys == {RECORDER_SIGNER.keyid: RECORDER_SIGNER.public}


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"origin": "strongroom/0000000000000"}, "opens another log"),
        ({"log_vkey": vkey("strongroom/0000000000000", LOG_SIGNER.public)}, "names the key of"),
        ({"recorder_keys": [{"algorithm": "rsa", "keyid": "k", "spki": "AAAA"}]}, "not the digest"),
        ({"recorder_keys": [{"algorithm": "ed25519", "keyid": "k", "spki": "-"}]}, "not standard base64"),
        ({"root_threshold": 1}, "demands 1 endorsements and names 0"),
    ],
)
def test_a_first_entry_that_contradicts_itself_is_not_believed(facts: dict[str, Json], what: str) -> None:
    with pytest.raises(UntrustedError, match=what):
        trust_of(first_entry(**facts))


def test_another_first_entry_is_not_believed() -> None:
    with pytest.raises(UntrustedError, match=r"not log\.opened"):
        trust_of(parse_entry(build_golden(golden_events()["drop.received"]).raw))
