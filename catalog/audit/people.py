"""Who was let in, and given which right."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import NOTE, OK, Collector, head_cells, number, value_cell, who_cell
from ledger.history import ToldEntry

_TYPES = ("actor.registered", "role.granted", "role.revoked")


class People(Collector):
    """Registrations and roles."""

    code = "people"
    title = "People and roles"
    columns = ("entry", "recorded_at", "what", "person", "roles", "by")
    cannot_know = "Who used a login name: the program knows what the operating system told it."

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if entry.type in _TYPES and in_period:
            for person in entry.subjects:
                roles = value_cell(told, "roles")
                self.add(
                    *head_cells(entry),
                    entry.type,
                    self.ground.who(person),
                    roles,
                    who_cell(told, self.ground),
                    of=entry,
                )

    def answer(self) -> tuple[str, Sequence[str]]:
        if not self.count:
            return OK, ["Nobody was registered, and no role was given or taken away."]
        return NOTE, [f"{number(self.count, 'registration or change', 'registrations and changes')} of roles."]
