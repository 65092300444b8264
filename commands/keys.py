"""`strongroom key`: the keys that speak in the log, and the people who must agree when they change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.errors import UsageError
from commands.options import output_options, store_option
from commands.output import Column, Output, Tone, Word
from commands.rotation import rotate
from ledger.layout import StoreLayout

if TYPE_CHECKING:  # imported when a command runs, so that --help starts fast
    from catalog.key_changes import Change, KeyChange
    from ledger.events.event import Event

PURPOSES = ("recorder", "root", "personal")
_FILE = click.Path(path_type=Path, dir_okay=False)

_propose = click.option(
    "--propose", metavar="FILE", type=_FILE, help="Record nothing yet: write to FILE what must be endorsed first."
)
_event = click.option("--event", metavar="EVENT", help="Record what was proposed before under this identifier.")
_endorsements = click.option(
    "--endorsement",
    "endorsements",
    multiple=True,
    metavar="SIGNED",
    type=_FILE,
    help="A file that `key endorse` wrote; repeatable. With --event.",
)
_passphrase_file = click.option(
    "--passphrase-file",
    metavar="FILE",
    type=_FILE,
    help="File whose first line is the passphrase of the private key; without it you are asked.",
)


@click.group()
def key() -> None:
    """The keys that may speak in the log: list, enrol, revoke, rotate, back up, endorse."""


key.add_command(rotate)


@key.command("list")
@store_option
@output_options("key list", stream=False)
def list_(layout: StoreLayout, output: Output) -> None:
    """Show every key of the log: what it may do, and from which entry to which it is valid.

    That the list was looked at is recorded first, because a personal key names its holder.

    \b
    Exit status:
      0  the keys were listed
      4  you are not registered, or have no role that allows it

    \b
    Example:
      strongroom key list
    """
    from catalog.key_changes import list_keys

    found = list_keys(layout)
    if not output.for_people:
        output.document(
            {
                "log_vkey": found.log_vkey,
                "root_threshold": found.root_threshold,
                "keys": [
                    {
                        "keyid": one.keyid,
                        "purpose": one.key.purpose,
                        "algorithm": one.key.public.algorithm,
                        "valid": one.is_valid,
                        "since": one.key.since,
                        "until": one.key.until,
                        "good_size": one.key.good_size,
                        "holder": one.key.holder,
                        "in_use": one.is_used,
                    }
                    for one in found.keys
                ],
            }
        )
        return
    rule = f"{found.root_threshold} root keys must endorse it"
    output.fields(
        [
            ("log key (public)", found.log_vkey),
            ("to change keys", rule if found.root_threshold else "a custodian alone: the log demands no root keys (0)"),
        ]
    )
    output.table(
        [
            Column("state"),
            Column("key", whole=True),
            Column("purpose"),
            Column("algorithm"),
            Column("since", right=True),
            Column("until", right=True),
            Column("holder", whole=True),
        ],
        [
            [
                Word("VALID", Tone.GOOD) if one.is_valid else Word("REVOKED", Tone.BAD),
                one.keyid,
                one.key.purpose + (" (in use)" if one.is_used else ""),
                one.key.public.algorithm,
                one.key.since,
                "" if one.key.until is None else one.key.until,
                one.key.holder or "",
            ]
            for one in found.keys
        ],
    )


@key.command()
@click.argument("file", metavar="[FILE]", required=False, type=_FILE)
@click.option("--purpose", type=click.Choice(PURPOSES), help="What the key may do.")
@click.option("--new", "is_new", is_flag=True, help="Make the key: in FILE, or for a recorder in the store.")
@click.option("--proof", metavar="FILE", type=_FILE, help="Proof of possession for a public key, from `key prove`.")
@click.option("--holder", metavar="USER", help="The registered login user who has the key.")
@click.option("--reason", metavar="TEXT", help="Why; kept with the entry, and not open in it.")
@_passphrase_file
@_propose
@_event
@_endorsements
@store_option
@output_options("key enrol", stream=False)
def enrol(
    file: Path | None,
    purpose: str | None,
    is_new: bool,
    proof: Path | None,
    holder: str | None,
    reason: str | None,
    passphrase_file: Path | None,
    propose: Path | None,
    event: str | None,
    endorsements: tuple[Path, ...],
    layout: StoreLayout,
    output: Output,
) -> None:
    """Let the key in FILE speak in the log from the next entry on.

    FILE is a private key in PEM; or a public key, with --proof; or with --new the file in which a new key is made. A
    recorder key that is made with --new stays in the store, without FILE, and is used from the next entry on.

    \b
    Exit status:
      0  enrolled, and sealed in the log (with --propose: nothing recorded yet)
      2  the options don't belong together
      3  no such file, person or proposed event
      4  you are not a custodian, endorsements are missing, or the key can't be used
      21 the key has no valid proof, is in the log already, or an endorsement does not hold

    \b
    Example:
      strongroom key enrol --purpose recorder --new --reason "yearly change"
    """
    from catalog.key_changes import KeyChange
    from commands.key_files import key_to_enrol
    from ledger.actors import login_named

    with KeyChange(layout, "key-enrol") as change:
        if event is not None:
            _refuse_both(file, purpose, is_new, proof, holder, reason, propose)
            _show_change(output, _recorded(change, event, endorsements, "key.enrolled"), "enrolled")
            return
        if purpose is None or endorsements:
            raise UsageError("say --purpose for a new key, or --event and --endorsement for one that was proposed.")
        if propose is None:
            change.refuse_if_endorsements_are_needed()  # before a key is made
        person = None if holder is None else login_named(holder)
        if holder is not None and person is None:
            raise UsageError(f"this machine has no login user {holder!r}.", next_step="Give the login name or number.")
        proven = key_to_enrol(
            layout, change.origin, file, purpose=purpose, is_new=is_new, proof=proof, passphrase_file=passphrase_file
        )
        statement = change.enrolment(proven, purpose=purpose, holder=person, reason=reason)
        if propose is not None:
            _show_proposal(output, change, statement, propose)
            return
        _show_change(output, change.record(statement), "enrolled")


@key.command()
@click.argument("keyid", metavar="[KEYID]", required=False)
@click.option(
    "--good-size",
    type=click.IntRange(min=0),
    metavar="N",
    help="Size of the log (entries) up to which the key was certainly in the right hands; for a lost or stolen key.",
)
@click.option("--reason", metavar="TEXT", help="Why; kept with the entry, and not open in it.")
@_propose
@_event
@_endorsements
@store_option
@output_options("key revoke", stream=False)
def revoke(
    keyid: str | None,
    good_size: int | None,
    reason: str | None,
    propose: Path | None,
    event: str | None,
    endorsements: tuple[Path, ...],
    layout: StoreLayout,
    output: Output,
) -> None:
    """Let the key KEYID (or a beginning of it) speak no more, from the next entry on.

    What it signed before stays signed. With --good-size, `verify` says of every later entry of this key that nobody
    knows who wrote it.

    \b
    Exit status:
      0  revoked, and sealed in the log (with --propose: nothing recorded yet)
      2  the options don't belong together
      3  no such key or proposed event
      4  you are not a custodian, endorsements are missing, or it is the last key of its kind
      21 an endorsement does not hold

    \b
    Example:
      strongroom key revoke 3fa2 --good-size 5210 --reason "laptop stolen on 23 November"
    """
    from catalog.key_changes import KeyChange

    with KeyChange(layout, "key-revoke") as change:
        if event is not None:
            _refuse_both(keyid, good_size, reason, propose)
            _show_change(output, _recorded(change, event, endorsements, "key.revoked"), "revoked")
            return
        if keyid is None or reason is None or endorsements:
            raise UsageError("say KEYID and --reason, or --event and --endorsement for what was proposed.")
        statement = change.revocation(keyid, good_size=good_size, reason=reason)
        if propose is not None:
            _show_proposal(output, change, statement, propose)
            return
        _show_change(output, change.record(statement), "revoked")


@key.command()
@click.argument("event", metavar="EVENT")
@store_option
@output_options("key withdraw", stream=False)
def withdraw(event: str, layout: StoreLayout, output: Output) -> None:
    """Drop the proposed change EVENT, which waits for endorsements and is not recorded.

    \b
    Exit status:
      0  withdrawn: what was signed for it is of no use any more
      3  no such event waits
      4  you are not a custodian, or it is recorded already

    \b
    Example:
      strongroom key withdraw event_5ef5a789673efef7ca65cd224b85a9b7
    """
    from catalog.key_changes import KeyChange

    with KeyChange(layout, "key-withdraw") as change:
        proposal = change.withdraw(event)
    if not output.for_people:
        output.document({"event": event, "type": proposal.event.type.name})
        return
    output.text(Word("OK", Tone.GOOD), f"{event} ({proposal.event.type.name}) is withdrawn; nothing was recorded of it")


@key.command()
@click.argument("file", metavar="KEY", type=_FILE)
@click.option("--log", "log", required=True, metavar="ORIGIN", help="Name of the log, as in its checkpoint.")
@click.option("--purpose", required=True, type=click.Choice(PURPOSES), help="What the key shall do there.")
@click.option("-o", "target", required=True, metavar="PROOF", type=_FILE, help="Where the proof is written.")
@_passphrase_file
@output_options("key prove", stream=False)
def prove(file: Path, log: str, purpose: str, target: Path, passphrase_file: Path | None, output: Output) -> None:
    """Prove that you have the private KEY: for `key enrol --proof`, on a machine without a store.

    \b
    Exit status:
      0  the proof was written
      3  there is no file KEY
      4  KEY can't be used, or PROOF exists

    \b
    Example:
      strongroom key prove root-a.pem --log strongroom/4XH7K3M9QZV2D --purpose root -o root-a.proof
    """
    from catalog.key_changes import write_new
    from commands.key_files import person_key
    from ledger.keys.persons import proven

    made = proven(person_key(file, passphrase_file), log=log, purpose=purpose)
    write_new(target, made.proof, mode=0o644)
    if not output.for_people:
        output.document({"keyid": made.public.keyid, "algorithm": made.public.algorithm, "file": str(target)})
        return
    output.text(Word("OK", Tone.GOOD), f"{target} proves possession of {made.public.keyid} ({made.public.algorithm})")


@key.command()
@click.argument("file", metavar="FILE", type=_FILE)
@click.option("--key", "key_file", required=True, metavar="KEY", type=_FILE, help="Your private root key, in PEM.")
@click.option("-o", "target", required=True, metavar="SIGNED", type=_FILE, help="Where the endorsement is written.")
@click.option("--yes", is_flag=True, help="Sign without asking.")
@_passphrase_file
@output_options("key endorse", stream=False)
def endorse(file: Path, key_file: Path, target: Path, yes: bool, passphrase_file: Path | None, output: Output) -> None:
    """Endorse the change that FILE proposes, with your own key; needs no store, and no network.

    FILE is what --propose wrote. It says everything that will stand in the log, also what will be hidden there; it is
    shown, and signed when you say so.

    \b
    Exit status:
      0  the endorsement was written
      3  there is no such file
      4  FILE or KEY can't be used, you said no, or SIGNED exists

    \b
    Example:
      strongroom key endorse proposal.json --key root-a.pem -o root-a.signed
    """
    from base.clock import now
    from base.errors import RefusedError
    from catalog.key_changes import write_new
    from commands.key_files import person_key
    from ledger.keys.pending import endorse as signed
    from ledger.keys.pending import read_proposal

    proposal = read_proposal(file)
    facts = {name: fact for name, fact in proposal.event.facts.items() if fact is not None}
    hidden = {name: value for name, value in proposal.values.items() if value is not None}
    if output.for_people:
        output.fields([("log", proposal.log), ("event", proposal.event.event), ("what", proposal.event.type.name)])
        output.fields([*((name, str(fact)) for name, fact in facts.items())])
        output.fields([*((f"{name} (hidden)", str(value)) for name, value in hidden.items())])
    if not yes and not click.confirm("Endorse this?", err=True):
        raise RefusedError("nothing was signed.", next_step="Ask whoever proposed it.")
    signer = person_key(key_file, passphrase_file)
    write_new(target, signed(proposal.matter, signer, seen=proposal.seen, signed_at=now()) + b"\n", mode=0o644)
    if not output.for_people:
        output.document({"event": proposal.event.event, "keyid": signer.keyid, "file": str(target)})
        return
    output.text(Word("OK", Tone.GOOD), f"{target} endorses {proposal.event.event}; give it back to the custodian")


@key.command()
@click.option("-o", "target", required=True, metavar="FILE", type=_FILE, help="Where the backup is written.")
@_passphrase_file
@store_option
@output_options("key backup", stream=False)
def backup(target: Path, passphrase_file: Path | None, layout: StoreLayout, output: Output) -> None:
    """Write the private keys of this store to FILE, protected by a passphrase: for the safe.

    FILE is readable by you only, and is never written over. Print it or put it on a medium that goes into a safe; keep
    the passphrase elsewhere. docs/guide/keys.md says how to put keys back, with openssl alone.

    \b
    Exit status:
      0  the backup was written
      3  a key is missing
      4  you are not a custodian, FILE exists, or the passphrase is too short

    \b
    Example:
      strongroom key backup -o /media/safe/strongroom-keys.pem
    """
    from catalog.key_changes import admit, write_new
    from commands.key_files import new_passphrase
    from ledger.keys.backup import backup_text

    passphrase = new_passphrase(passphrase_file)
    admit(layout, "key-backup")
    text, names = backup_text(layout, passphrase)
    write_new(target, text, mode=0o600)
    if not output.for_people:
        output.document({"file": str(target), "keys": list(names)})
        return
    output.text(Word("OK", Tone.GOOD), f"{', '.join(names)} are in {target}, protected by the passphrase")
    output.note("Put the file into a safe and the passphrase into another one; then remove the file from this machine.")
    output.note("Try it now: docs/guide/keys.md, section `Try the backup`, needs openssl alone.")


def _refuse_both(*others: object) -> None:
    if any(other not in (None, False) for other in others):
        raise UsageError("with --event the change is the one that was proposed: give only --endorsement beside it.")


def _recorded(change: KeyChange, event: str, endorsements: tuple[Path, ...], kind: str) -> Change:
    from ledger.keys.pending import read_envelope

    # A file that is given twice is one endorsement.
    return change.record_proposed(event, list(dict.fromkeys(map(read_envelope, endorsements))), kind=kind)


def _show_change(output: Output, change: Change, what: str) -> None:
    if not output.for_people:
        output.document(
            {"keyid": change.keyid, "seq": change.seq, "event": change.event, "endorsed_by": change.persons}
        )
        return
    endorsed = f", endorsed by {change.persons} root keys" if change.persons else ""
    output.text(Word("OK", Tone.GOOD), f"{change.keyid} is {what} by entry {change.seq}{endorsed}")


def _show_proposal(output: Output, change: KeyChange, statement: Event, target: Path) -> None:
    from catalog.key_changes import write_new
    from ledger.keys.pending import encode_proposal

    proposal = change.propose(statement)
    write_new(target, encode_proposal(proposal), mode=0o600)
    if not output.for_people:
        output.document(
            {"event": statement.event, "file": str(target), "root_threshold": change.register.trust.root_threshold}
        )
        return
    output.text(Word("WAITS", Tone.WAITING), f"{statement.event} is proposed; nothing is recorded yet")
    output.note(f"Let {change.register.trust.root_threshold} holders of root keys endorse it, each on their machine:")
    output.note(f"  strongroom key endorse {target.name} --key KEY -o SIGNED")
    output.note("Then record it with", f"--event {statement.event} --endorsement SIGNED ...")
