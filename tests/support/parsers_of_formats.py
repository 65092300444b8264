"""The parsers of texts and of the tlog formats, for the table of parsers."""

from __future__ import annotations

from typing import Any

from golden import RECORDED_AT
from parsers import Parser, raw_of, text_of
from vectors import vector_bytes, vector_json

from base.clock import format_time, parse_time
from base.config import SettingsError, parse_settings
from base.errors import UsageError
from hashing import base64_text, ml_dsa
from hashing.checkpoint import CheckpointError, open_checkpoint, open_cosigned, parse_checkpoint
from hashing.cosignature import RequestError, parse_answer, parse_request
from hashing.digest import ZERO_DIGEST, Digest, DigestFormatError
from hashing.ed25519 import SignatureError
from hashing.manifest import ManifestError, parse_manifest
from hashing.merkle import ProofError, verify_consistency, verify_inclusion
from hashing.note import NoteError, parse_note, parse_vkey
from hashing.policy import PolicyError, parse_policy
from hashing.receipt import ReceiptError, parse_receipt, verify_receipt
from hashing.sample import parse_sample
from hashing.tiles import TileError, decode_bundle, encode_bundle, parse_path, split_tile
from ledger.witness import read_answer

_EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
_LOG, _WITNESS = parse_vkey(_EXAMPLES["log_vkey"]), parse_vkey(_EXAMPLES["wit_vkey"])
_ML_DSA = parse_vkey(vector_bytes("computed/log7-mldsa.vkey").decode("ascii").strip())
_NOTE, _COSIGNED = vector_bytes("computed/log7/checkpoint"), _EXAMPLES["cp7"].encode()
_CHECKPOINT = open_checkpoint(_NOTE, _LOG)
_RECEIPT = vector_bytes("computed/log600-index256.tlog-proof")
_ENTRY_256 = vector_bytes("computed/log600-index256.entry")
_EIGHT = [bytes.fromhex(_EXAMPLES["roots"][size]) for size in ("6", "8")]


# ------------------------------------------------------------------------------------------------------ plain texts


def _write_note(note: Any) -> bytes:
    return raw_of(note.text) + b"\n" + b"".join(raw_of(line.line) for line in note.signatures)


def texts() -> list[Parser]:
    base64_error, usage = (base64_text.Base64Error,), (UsageError,)
    times = (format_time(RECORDED_AT).encode(), b"2024-02-29T23:59:59.999999Z")
    vkeys = tuple(str(key).encode() for key in (_LOG, _WITNESS, _ML_DSA))
    paths = (b"tile/0/x001/234.p/17", b"tile/entries/000", b"tile/63/x999/x999/999")
    return [
        Parser(
            name="base64",
            read=base64_text.decode,
            errors=base64_error,
            write=lambda raw: base64_text.encode(raw).encode(),
            samples=(b"AAEC", b"AA==", b"AAE=", b""),
        ),
        Parser(
            name="URL-safe base64",
            read=lambda data: base64_text.decode_url(text_of(data)),
            errors=base64_error,
            write=lambda raw: base64_text.encode_url(raw).encode(),
            samples=(b"AAEC", b"AA", b"_-8"),
        ),
        Parser(
            name="digest",
            read=lambda data: Digest.parse(text_of(data)),
            errors=(DigestFormatError,),
            write=raw_of,
            samples=(b"0a" * 32,),
        ),
        Parser(
            name="time",
            read=lambda data: parse_time(text_of(data)),
            errors=(ValueError,),
            write=lambda moment: format_time(moment).encode(),
            samples=times,
        ),
        Parser(
            name="part to sample",
            read=lambda data: parse_sample(*(text_of(data).split(" ", 1) * 2)[:2]).takes(ZERO_DIGEST),
            errors=usage,
            samples=(b"5% quarter three", b"0.25 x"),
        ),
        Parser(
            name="vkey", read=lambda data: parse_vkey(text_of(data)), errors=(NoteError,), write=raw_of, samples=vkeys
        ),
        Parser(
            name="tile path",
            read=lambda data: parse_path(text_of(data)),
            errors=(TileError,),
            write=lambda ref: raw_of(ref.path),
            samples=paths,
        ),
        Parser(
            name="settings",
            read=lambda data: parse_settings(data, name="strongroom.toml"),
            errors=(SettingsError,),
            samples=(
                b'settle_seconds = 5\nbatch_ms = 250\nsandbox = "require-seccomp"\n[[share]]\npath = "/srv/a"\n',
                b'[[memory]]\npath = "/srv/m"\n',
                b'witness_quorum = 1\n[[witness]]\nvkey = "a"\nurl = "b"\n[[tsa]]\nname = "a"\ncertificate = "b"\n',
                b'[[tsa]]\nname = "a"\ncertificate = "b"\npolicy = "1.2.3"\n',
            ),
        ),
        Parser(
            name="manifest",
            read=lambda data: parse_manifest(data, algorithm="sha256"),
            errors=(ManifestError,),
            samples=(b"0a" * 32 + b"  ./a\\b\n", b"\\" + b"0a" * 32 + b" *a\\nb\n# x\n", b"SHA256 (a) = " + b"0A" * 32),
        ),
    ]


# ----------------------------------------------------------------------------------------------------- tlog formats


def _proof(name: str) -> bytes:
    return b"".join(map(bytes.fromhex, _EXAMPLES[name]))


def _hashes(data: bytes) -> list[bytes]:
    return [data[begin : begin + 32] for begin in range(0, len(data), 32)]


def _inclusion(data: bytes) -> None:
    verify_inclusion(bytes.fromhex(_EXAMPLES["leaf_hashes"][0]), 0, 8, _hashes(data), _EIGHT[1])


def tlog_formats() -> list[Parser]:
    note, answer = _NOTE, _COSIGNED.split(b"\n\n", 1)[1].split(b"\n", 1)[1]
    request = b"old 0\n\n" + note
    proven = b"old 3\n" + b"".join(base64_text.encode(each).encode() + b"\n" for each in _hashes(_proof("cons_3_7")))
    refused = b"refused 409 7\n"
    policy = f"log {_LOG} https://a\nwitness w {_WITNESS} https://b\ngroup g any w\nquorum g\n".encode()
    checkpoint_error = (CheckpointError,)
    return [
        Parser(name="note", read=parse_note, errors=(NoteError,), write=_write_note, samples=(note, _COSIGNED)),
        Parser(
            name="checkpoint",
            read=lambda data: parse_checkpoint(text_of(data)),
            errors=checkpoint_error,
            write=lambda checkpoint: raw_of(checkpoint.text()),
            samples=(_CHECKPOINT.text().encode(), _EXAMPLES["cp0"].split("\n\n")[0].encode() + b"\n"),
        ),
        Parser(
            name="signed checkpoint",
            read=lambda data: open_checkpoint(data, _LOG),
            errors=checkpoint_error,
            samples=(note, _COSIGNED),
        ),
        Parser(
            name="cosigned checkpoint",
            read=lambda data: open_cosigned(data, _LOG, (_WITNESS,)),
            errors=checkpoint_error,
            samples=(_COSIGNED,),
        ),
        Parser(
            name="checkpoint cosigned with ML-DSA-44",
            read=lambda data: open_cosigned(data, _LOG, (_ML_DSA,)),
            errors=checkpoint_error,
            samples=(vector_bytes("computed/log7-mldsa.checkpoint"),),
        ),
        Parser(
            name="message of ML-DSA-44",
            read=lambda data: ml_dsa.checkpoint_message("witness", data.decode("utf-8", "replace"), 1),
            errors=(SignatureError,),
            samples=(_CHECKPOINT.text().encode(),),
        ),
        Parser(
            name="receipt",
            read=parse_receipt,
            errors=(ReceiptError,),
            write=lambda receipt: receipt.encode(),
            samples=(_RECEIPT, _RECEIPT.replace(b"index", b"extra AAEC\nindex", 1)),
        ),
        Parser(
            name="verified receipt",
            read=lambda data: verify_receipt(parse_receipt(data), _ENTRY_256, _LOG),
            errors=(ReceiptError,),
            samples=(_RECEIPT,),
        ),
        Parser(
            name="request to a witness",
            read=parse_request,
            errors=(RequestError,),
            write=lambda asked: asked.encode(),
            samples=(request, proven + b"\n" + note),
        ),
        Parser(
            name="lines of a witness",
            read=lambda data: parse_answer(data, _CHECKPOINT),
            errors=(RequestError,),
            write=lambda lines: b"".join(raw_of(line.line) for line in lines),
            samples=(answer,),
        ),
        Parser(
            name="answer of a witness",
            read=read_answer,
            errors=(RequestError,),
            write=lambda found: found.as_file(),
            samples=(answer, refused),
        ),
        Parser(
            name="policy",
            read=parse_policy,
            errors=(PolicyError,),
            write=lambda found: raw_of(found.text()),
            one_spelling=False,
            samples=(policy, f"# x\nlog\t{_LOG}\n\nquorum none\n".encode()),
        ),
        Parser(
            name="bundle of three entries",
            read=lambda data: decode_bundle(data, count=3),
            errors=(TileError,),
            write=encode_bundle,
            samples=(encode_bundle([b"one", b"", b"three" * 60]),),
        ),
        Parser(
            name="tile of width 7",
            read=lambda data: split_tile(data, width=7),
            errors=(TileError,),
            write=b"".join,
            samples=(bytes.fromhex(_EXAMPLES["tile7"]),),
        ),
        Parser(
            name="inclusion proof",
            read=_inclusion,
            errors=(ProofError,),
            write=lambda _: _proof("incl_0_8"),
            samples=(_proof("incl_0_8"),),
        ),
        Parser(
            name="consistency proof",
            read=lambda data: verify_consistency(6, 8, _hashes(data), *_EIGHT),
            errors=(ProofError,),
            write=lambda _: _proof("cons_6_8"),
            samples=(_proof("cons_6_8"),),
        ),
    ]
