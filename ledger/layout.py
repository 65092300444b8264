"""Where things are in a store. Source: docs/reference/store-layout.md.

Only names: nothing here touches the disk. A store has one open log, and each log that ended before it lies whole in a
folder of its own, `closed/<hex SHA-256(origin)>/`: the same layout, seen from there (`closed_log`), has that log in the
place of the open one, and everything else as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class StoreLayout(NamedTuple):
    """The paths of one store, and of one of its logs."""

    root: Path
    log_home: Path | None = None  # where the log lies; None: it is the open one

    @property
    def closed(self) -> Path:
        """The logs that ended; made with the first of them."""
        return self.root / "closed"

    @property
    def is_open(self) -> bool:
        """Whether `log` and its databases are those of the open log."""
        return self.log_home is None

    def closed_log(self, origin: str) -> StoreLayout:
        """Return this store with the closed log of this name in the place of the open one."""
        from hashlib import sha256  # here: most commands never meet a closed log

        return StoreLayout(self.root, self.closed / sha256(origin.encode()).hexdigest())

    @property
    def home(self) -> Path:
        """The folder that holds the log and its private databases."""
        return self.root if self.log_home is None else self.log_home

    @property
    def log_private(self) -> Path:
        """What belongs to this log alone, and only its owner may see."""
        return self.home / "private"

    @property
    def settings(self) -> Path:
        """Settings; written last by `init`, so its presence says that the store is complete."""
        return self.root / "strongroom.toml"

    @property
    def vault(self) -> Path:
        """Masters, one object per content."""
        return self.root / "vault"

    @property
    def derived(self) -> Path:
        """Analysis results and keyframes."""
        return self.root / "derived"

    @property
    def staging(self) -> Path:
        """Files being taken in; empty when idle."""
        return self.root / "staging"

    @property
    def log(self) -> Path:
        """The public log: exactly tlog-tiles, nothing else in it."""
        return self.home / "log"

    @property
    def checkpoint(self) -> Path:
        return self.log / "checkpoint"

    @property
    def private(self) -> Path:
        return self.root / "private"

    @property
    def keys(self) -> Path:
        return self.private / "keys"

    @property
    def log_db(self) -> Path:
        """All entries, heads of subjects, every checkpoint ever signed; append-only."""
        return self.log_private / "log.db"

    @property
    def openings_db(self) -> Path:
        """The only place where names, places, paths and times of events are kept."""
        return self.log_private / "openings.db"

    @property
    def intake_db(self) -> Path:
        """What the recorder knows of the shares; may be lost."""
        return self.private / "intake.db"

    @property
    def receipts(self) -> Path:
        """A copy of each receipt, for shares that can't be written and for recognising our own files again."""
        return self.private / "receipts"

    @property
    def lodged(self) -> Path:
        return self.log_private / "lodged"

    @property
    def pending(self) -> Path:
        """Proposed events that wait for endorsements, each in a folder of its own; made when it is needed."""
        return self.private / "pending"

    @property
    def succession(self) -> Path:
        """The successor of the log while it is being made: it is there only between two steps of a rotation."""
        return self.private / "succession"

    @property
    def next_log(self) -> Path:
        """The keys of a successor that is proposed, while people endorse it."""
        return self.private / "next-log"

    @property
    def seal_lock(self) -> Path:
        return self.private / "seal.lock"

    @property
    def recorder_lock(self) -> Path:
        return self.private / "recorder.lock"

    @property
    def catalogue(self) -> Path:
        """The searchable view; may be deleted and rebuilt at any time."""
        return self.root / "catalogue.db"

    @property
    def directories(self) -> tuple[Path, ...]:
        """Every directory that `init` makes, parents first."""
        return (
            self.vault,
            self.vault / "sha256",
            self.derived,
            self.derived / "sha256",
            self.staging,
            self.log,
            self.private,
            self.keys,
            self.receipts,
            self.lodged,
        )
