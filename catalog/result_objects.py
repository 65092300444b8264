"""The result objects of ``derived/`` that entries name, fetched and hashed before a projection uses them."""

from __future__ import annotations

from collections.abc import Iterable

from base.errors import IntegrityError, SurroundingsError
from catalog.projections.rows import ResultObject, Results
from catalog.projections.values import optional_digest
from hashing.digest import Digest
from hashing.strict_json import Json, StrictJsonError, parse_strict
from ledger.layout import StoreLayout
from ledger.openings import OpenedEntry
from vault.local import LocalStore

MAX_RESULT_BYTES = 64 << 20
_NAMED_BY = frozenset({"analysis.completed"})


def derived_store(layout: StoreLayout) -> LocalStore:
    """Return the store of results and pictures."""
    return LocalStore(layout.derived, layout.staging)


def results_of(entries: Iterable[OpenedEntry], store: LocalStore) -> Results:
    """Return every result object that ``entries`` name, by digest.

    One that is missing or damaged is no reason to stop: the catalogue says that it could not be read, the verification
    of the store says what is wrong with it.
    """
    digests = {
        digest
        for opened in entries
        if opened.entry.type in _NAMED_BY and (digest := optional_digest(opened.values.get("result"))) is not None
    }
    return {digest: ResultObject(document=_read(store, digest)) for digest in digests}


def _read(store: LocalStore, digest: Digest) -> dict[str, Json] | None:
    try:
        document = parse_strict(store.read(digest, max_bytes=MAX_RESULT_BYTES), max_bytes=MAX_RESULT_BYTES)
    except (IntegrityError, SurroundingsError, StrictJsonError):
        return None
    return document if isinstance(document, dict) else None
