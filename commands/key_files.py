"""Where the commands of `strongroom key` get keys and passphrases from: files, or the person at the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from base.errors import UsageError
from ledger.events.key import ProvenKey
from ledger.keys.file import (
    checked_passphrase,
    create_recorder_key,
    keep_reference,
    read_passphrase,
    read_secret,
)
from ledger.keys.persons import (
    create_person_key,
    person_signer,
    proven,
    read_proof,
    read_public_key,
    secret_of,
    token_reference,
)
from ledger.keys.signer import AnySigner
from ledger.layout import StoreLayout


def new_passphrase(path: Path | None) -> bytes:
    """Return the passphrase that shall protect something: from a file, or asked for twice."""
    if path is not None:
        return read_passphrase(path)
    text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return checked_passphrase(text.encode("utf-8"))


def person_key(path: Path, passphrase_file: Path | None) -> AnySigner:
    """Return a person's private key; its passphrase or PIN comes from a file, or is asked for without echo."""
    wanted = secret_of(path)
    if wanted is None:
        return person_signer(path, None)
    if passphrase_file is not None:
        return person_signer(path, read_secret(passphrase_file))
    text: str = click.prompt(f"{wanted} of {path.name}", hide_input=True, err=True)
    return person_signer(path, text.encode("utf-8"))


def key_to_enrol(
    layout: StoreLayout,
    origin: str,
    file: Path | None,
    *,
    purpose: str,
    is_new: bool,
    proof: Path | None,
    passphrase_file: Path | None,
) -> ProvenKey:
    """Return the key that `key enrol` is asked for, with its proof of possession. Makes it where ``is_new``."""
    if is_new and proof is None and purpose == "recorder" and file is None:
        return proven(create_recorder_key(layout), log=origin, purpose=purpose)
    if file is None or (is_new and (proof is not None or purpose == "recorder")):
        raise UsageError("name the FILE of the key; a recorder key that is made with --new has none.")
    if is_new:
        made = create_person_key(file, new_passphrase(passphrase_file))
        return proven(made, log=origin, purpose=purpose)
    if proof is not None:
        return ProvenKey(public=read_public_key(file), proof=read_proof(proof))
    signer = person_key(file, passphrase_file)
    reference = token_reference(file) if purpose == "recorder" else None
    if reference is not None:
        keep_reference(layout, reference, signer.keyid)
    return proven(signer, log=origin, purpose=purpose)
