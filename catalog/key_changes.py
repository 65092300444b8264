"""The keys of a log, listed and changed: by a custodian, on record, with root endorsements where the log wants them.

A change is either recorded at once, or first proposed: fixed, handed out as a file, endorsed on other machines, and
recorded with the endorsements (`record_proposed`). Nothing here reads or makes a private key.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from base import fsio
from base.errors import NotFoundError, RefusedError
from base.escape import shown
from catalog.consultation import Consultation
from ledger.actors import Login, actors_in
from ledger.events.event import Event
from ledger.events.key import ProvenKey, key_enrolled, key_revoked
from ledger.keys.pending import Proposal, endorsed, forget, keep, kept_proposal, new_proposal
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal
from ledger.trust import PERSONAL, RECORDER, ROOT, Key, KeyRegister

_SHORTEST_BEGINNING = 4


class EndorsementsMissingError(RefusedError):
    """This log wants endorsements by root keys for the change."""

    def __init__(self, what: str, threshold: int, so_far: int = 0) -> None:
        super().__init__(
            f"{what} needs endorsements by {threshold} root keys, and has {so_far}. Nothing was recorded.",
            next_step="Run it with --propose FILE, have FILE endorsed with `strongroom key endorse`, and record it "
            "with --event EVENT --endorsement SIGNED.",
        )


class ListedKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key, as `key list` shows it."""

    keyid: str
    key: Key
    is_valid: bool  # behind the last entry
    is_used: bool  # it signed the newest entry


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """All keys of the log, and the rule for changing them."""

    log_vkey: str
    root_threshold: int
    keys: Sequence[ListedKey]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of keys that was recorded."""

    seq: int
    keyid: str
    event: str
    persons: int  # with root keys who endorsed it


def list_keys(layout: StoreLayout) -> KeyList:
    """Return the keys, after it was recorded who asks: a personal key names its holder."""
    with Consultation(layout, "key-list") as asking:
        asking.viewed(items={})
        with LogReader(layout) as log:
            register, last = log.keys, log.last_signer()
    end = register.last_change + 1
    return KeyList(
        log_vkey=str(register.trust.log_key),
        root_threshold=register.trust.root_threshold,
        keys=[
            ListedKey(keyid=keyid, key=key, is_valid=key.is_valid_at(end), is_used=keyid == last)
            for keyid, key in register.keys.items()
        ],
    )


class KeyChange:
    """A custodian changing the keys: ``with KeyChange(layout, "key-enrol")`` refuses, on record, who may not."""

    def __init__(self, layout: StoreLayout, command: str) -> None:
        self._layout = layout
        self._command = command

    def __enter__(self) -> KeyChange:
        with Consultation(self._layout, self._command) as asking:
            self._by, self._role = asking.actor.actor, asking.role
        self._recorder = Recorder.open(self._layout)
        self.origin = self._recorder.origin
        self.register: KeyRegister = self._recorder.register()
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.close()

    def enrolment(self, key: ProvenKey, *, purpose: str, holder: Login | None, reason: str | None) -> Event:
        """Return the event that enrols ``key``. ``holder`` must be registered. Raises NotFoundError, RefusedError."""
        if purpose == PERSONAL and holder is None:
            raise RefusedError("a personal key has a holder: name the registered person with --holder USER.")
        if purpose == ROOT and not self.register.trust.root_keys:
            raise RefusedError(
                "this log was opened without root keys, so that none can be added.",
                next_step="A successor can be opened with root keys: `strongroom key rotate`.",
            )
        return key_enrolled(
            self.origin,
            key,
            purpose=purpose,
            holder=None if holder is None else self._person(holder),
            reason=reason,
            by=self._by,
            role=self._role,
        )

    def revocation(self, beginning: str, *, good_size: int | None, reason: str) -> Event:
        """Return the event that revokes the valid key whose keyid begins so. Raises NotFoundError, RefusedError."""
        keyid, key = self._valid_key(beginning)
        rest = self.register.keys_at(self.register.last_change + 1, key.purpose).keys() - {keyid}
        if key.purpose == RECORDER and not rest:
            raise RefusedError(
                "this is the only recorder key: without it nothing could be recorded, not even this.",
                next_step="Enrol another one first (`strongroom key enrol --purpose recorder --new`), or close the log "
                "with `strongroom key rotate`.",
            )
        if key.purpose == ROOT and len(rest) < self.register.trust.root_threshold:
            raise RefusedError(
                f"without this root key only {len(rest)} would be left, and {self.register.trust.root_threshold} must "
                "endorse every change: nothing could ever be changed again.",
                next_step="Enrol another root key first.",
            )
        size = self._recorder.end()[0]
        if good_size is not None and not 0 <= good_size <= size:
            raise RefusedError(f"the log has {size} entries: --good-size {good_size} is none of its sizes.")
        return key_revoked(
            self.origin,
            keyid,
            purpose=key.purpose,
            good_size=good_size,
            holder=key.holder,
            reason=reason,
            by=self._by,
            role=self._role,
        )

    def propose(self, event: Event) -> Proposal:
        """Fix ``event`` and keep it until it is endorsed."""
        proposal = new_proposal(self._recorder, event)
        keep(self._layout, proposal)
        return proposal

    def refuse_if_endorsements_are_needed(self) -> None:
        """Raise EndorsementsMissingError where this log lets no custodian change its keys alone."""
        if self.register.trust.root_threshold:
            raise EndorsementsMissingError("a change of keys", self.register.trust.root_threshold)

    def record(self, event: Event) -> Change:
        """Record and seal a change that needs no endorsements. Raises EndorsementsMissingError where it does."""
        self.refuse_if_endorsements_are_needed()
        return self._record(event, persons=0)

    def record_proposed(self, event: str, envelopes: Sequence[bytes], *, kind: str) -> Change:
        """Record and seal the proposed change ``event``, which must be of the type ``kind``, with its endorsements.

        Raises: NotFoundError for an unknown proposal, EndorsementsMissingError for too few, UntrustedError for one
        that is not about this event, or not by a valid root key.
        """
        done = self._already_recorded(event)
        if done is not None:
            forget(self._layout, event)  # a crash came between
            return done
        proposal = kept_proposal(self._layout, event)
        if proposal.log != self.origin or proposal.event.type.name != kind:
            raise RefusedError(
                f"{event} was proposed for another log, or as {proposal.event.type.name} and not as {kind}."
            )
        statement = endorsed(proposal, envelopes)
        threshold = self.register.trust.root_threshold
        if len(envelopes) < threshold:
            raise EndorsementsMissingError(statement.type.name, threshold, len(envelopes))
        seq = self._recorder.end()[0]
        persons = self.register.count_endorsements(proposal.matter, statement.facts["endorsements"], seq=seq)
        change = self._record(statement, persons=persons)
        forget(self._layout, event)
        return change

    def withdraw(self, event: str) -> Proposal:
        """Forget the proposed change ``event``, which was not recorded. Raises NotFoundError, RefusedError."""
        proposal = kept_proposal(self._layout, event)
        if self._already_recorded(event) is not None:
            raise RefusedError(f"{event} is recorded already: revoke the key instead.")
        forget(self._layout, event)
        return proposal

    def _record(self, event: Event, *, persons: int) -> Change:
        (recorded,) = self._recorder.record([event])
        seal(self._recorder)
        keyid = str(event.facts["keyid"] or event.values.get("keyid"))
        return Change(seq=recorded.seq, keyid=keyid, event=event.event, persons=persons)

    def _already_recorded(self, event: str) -> Change | None:
        with LogReader(self._layout) as log:
            seq = log.seq_of_event(event)
            if seq is None:
                return None
            (opened,) = log.opened_at([seq])
        keyid = opened.entry.facts.get("keyid") or opened.values.get("keyid")
        return Change(seq=seq, keyid=str(keyid), event=event, persons=self.register.require_endorsements(opened.entry))

    def _person(self, login: Login) -> str:
        actor = actors_in(self._recorder.histories()).get(login.uid)
        if actor is None:
            raise NotFoundError(
                f"{shown(login.user or str(login.uid))} is not registered in this store.",
                next_step="Register the person first: `strongroom role grant USER ROLE`.",
            )
        return actor.actor

    def _valid_key(self, beginning: str) -> tuple[str, Key]:
        end = self.register.last_change + 1
        found = [(keyid, key) for keyid, key in self.register.keys.items() if keyid.startswith(beginning.lower())]
        if len(beginning) < _SHORTEST_BEGINNING or len(found) != 1:
            what = "no key" if not found else "more than one key, or too short a beginning:"
            raise NotFoundError(f"{what} {shown(beginning)}.", next_step="`strongroom key list` shows the keys.")
        if not found[0][1].is_valid_at(end):
            raise RefusedError(f"the key {found[0][0]} was revoked before, by entry {found[0][1].until}.")
        return found[0]


def admit(layout: StoreLayout, command: str) -> None:
    """Record that somebody uses ``command``, which shows nothing of a recording; refuse, on record, who may not."""
    with Consultation(layout, command) as asking:
        asking.viewed(items={})


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write ``data`` to the new file ``path``. Raises RefusedError where a file is."""
    with fsio.declared_errors(f"writing {shown(str(path))}"):
        if path.exists() or path.is_symlink():
            raise RefusedError(f"{shown(str(path))} exists: it is never written over.")
        fsio.put_file(path, data, mode=mode)
