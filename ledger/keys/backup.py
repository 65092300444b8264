"""The private keys of a store in one file for the safe, protected by a passphrase.

A text file: for each key a line with its name, and the key as encrypted PKCS#8 in PEM, so that `openssl pkey` alone can
put it back. Source of the steps: docs/guide/keys.md.
"""

from __future__ import annotations

from base.errors import NotFoundError
from ledger.keys.file import LOG_KEY, RECORDER_KEY, FileSigner, load_key
from ledger.layout import StoreLayout

_HEAD = """\
# Private keys of the strongroom store with the log {origin}
# Each key is encrypted PKCS#8. To put one back, say log.pem, into private/keys/:
#   sed -n '/^# key log.pem /,/END/p' THIS-FILE | openssl pkey -out log.pem && chmod 600 log.pem
"""


def backup_text(layout: StoreLayout, passphrase: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the file, and the names of the keys in it. Raises NotFoundError for a missing key."""
    from ledger.reader import LogReader

    with LogReader(layout) as log:
        origin = log.origin
    others = sorted(path.name for path in layout.keys.glob("recorder-*.pem"))
    names = [LOG_KEY, RECORDER_KEY, *others]
    parts = [_HEAD.format(origin=origin).encode("ascii")]
    found = []
    for name in names:
        try:
            signer = load_key(layout.keys / name)
        except NotFoundError:
            if name == RECORDER_KEY and others:
                continue  # another recorder key took its place
            raise
        parts.append(b"\n# key %b keyid %b\n" % (name.encode(), signer.keyid.encode()))
        if not isinstance(signer, FileSigner):
            parts.append(b"# is on a token, which never gives it away: back up the token as its maker says\n")
            continue
        parts.append(signer.pem(passphrase))
        found.append(name)
    return b"".join(parts), tuple(found)
