"""A recorder inside the test, turned by hand."""

from __future__ import annotations

from collections.abc import Mapping

from program import Site

from base.config import read_settings
from ingest.progress import Audience
from ingest.watcher import Watcher
from ledger.layout import StoreLayout


class Turns:
    """A recorder that is turned by hand, and whose clock stands still in between."""

    def __init__(self, site: Site, *, audience: Audience | None = None) -> None:
        layout = StoreLayout(site.store)
        self.told: list[Mapping[str, object]] = []
        self.now_s = 0.0
        self.watcher = Watcher(
            layout,
            read_settings(layout.settings),
            tell=self.told.append,
            audience=audience,
            clock=lambda: self.now_s,
            analyse=False,
        )

    def after(self, seconds: float) -> None:
        self.now_s += seconds
        while self.watcher._turn():
            pass

    def states(self, name: str) -> list[object]:
        return [line["state"] for line in self.told if line.get("event") == "drop.state" and line.get("name") == name]
