"""The one way to look: who asks is found out, judged and written down before anything is shown.

``with Consultation(layout, "find") as consultation`` refuses, on record, whoever may not; what was found is then stated
with `searched` or `viewed`, and only after that returns may the caller print. If it can't be recorded, the error goes
up and nothing is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from base.errors import RefusedError
from catalog.access import NOT_REGISTERED, roles_named, verdict
from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.actors import Actor, Login, actors_in, current_login
from ledger.events.access import access_denied, consulted_search, consulted_view
from ledger.events.event import Event, parts_of
from ledger.events.export import log_exported
from ledger.layout import StoreLayout
from ledger.machine import refuse_moved
from ledger.record import Recorder, read_fact
from ledger.seal import seal, try_seal

SEAL_WAIT_S = 0.2  # whoever holds the lock for longer is sealing, and seals our entry too


class AccessDeniedError(RefusedError):
    """This person may not do this; that they asked is recorded."""

    def __init__(self, login: Login, command: str, rule: str) -> None:
        who = f"{login.user or 'the login user'} (uid {login.uid})"
        command = command.replace("-", " ")
        if rule == NOT_REGISTERED:
            text = f"{who} is not registered in this store and may not use `{command}`."
        else:
            text = f"{who} has no role that allows `{command}`: {roles_named(command.replace(' ', '-'))} would."
        super().__init__(
            f"{text} That it was asked for is recorded.",
            next_step="Ask a custodian of this store: `strongroom role grant USER ROLE`.",
        )


class Consultation:
    """One look at the store by one registered person, in one role."""

    def __init__(self, layout: StoreLayout, command: str) -> None:
        self._layout = layout
        self._command = command

    def __enter__(self) -> Self:
        self._recorder = Recorder.open(self._layout)
        self.origin = self._recorder.origin
        try:
            # Looking is recorded too, and a clone must not write a second history.
            refuse_moved(self._layout.root, read_fact(self._recorder.connection, "machine"))
            self.actor, self.role = self._admit()
        except BaseException:
            self._recorder.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.close()

    def searched(self, *, terms: Mapping[str, Json], results: Sequence[str], purpose: str | None = None) -> None:
        """Record a search and the items it found. Only then may they be shown."""
        self._record(
            consulted_search(
                self.origin,
                actor=self.actor.actor,
                role=self.role,
                terms=terms,
                results=results,
                purpose=purpose,
                command=self._command,
            )
        )

    def viewed(
        self, *, items: Mapping[str, Digest], links: Mapping[str, str] | None = None, purpose: str | None = None
    ) -> None:
        """Record that ``items`` are looked at, or with no items what ``links`` name. Only then may they be shown."""
        self._record(
            consulted_view(
                self.origin,
                command=self._command,
                actor=self.actor.actor,
                role=self.role,
                items=items,
                links=links,
                purpose=purpose,
            )
        )

    def exported(
        self,
        *,
        items: Mapping[str, Digest],
        names: Sequence[str],
        entries: int,
        openings: int,
        withheld: int,
        classes: Sequence[str],
        sha256: Digest,
        purpose: str,
    ) -> tuple[int, ...]:
        """Record that a part of the log leaves the house, seal it, and return the positions of what was recorded.

        Only then may the first byte of it be written.
        """
        event = log_exported(
            self.origin,
            actor=self.actor.actor,
            role=self.role,
            items=items,
            names=names,
            entries=entries,
            openings=openings,
            withheld=withheld,
            classes=classes,
            sha256=sha256,
            purpose=purpose,
        )
        parts = list(parts_of(event))
        recorded = self._recorder.record(parts)
        seal(self._recorder)
        return tuple(one.seq for one in recorded)

    def _admit(self) -> tuple[Actor, str]:
        login = current_login(self._layout.root.stat().st_uid)
        actor = actors_in(self._recorder.histories()).get(login.uid)
        answer = verdict(actor.roles if actor else None, self._command)
        if actor is not None and answer.role is not None:
            return actor, answer.role
        rule = answer.refusal or NOT_REGISTERED
        self._record(
            access_denied(
                self.origin,
                command=self._command,
                rule=rule,
                uid=login.uid,
                user=login.user,
                actor=actor.actor if actor else None,
            )
        )
        raise AccessDeniedError(login, self._command, rule)

    def _record(self, event: Event) -> None:
        self._recorder.record([event])
        try_seal(self._recorder, wait_s=SEAL_WAIT_S)
