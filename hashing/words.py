"""The spoken form of a checkpoint: seven words that two people compare over the telephone.

The words are those of the BIP-39 English list (``bip39_english.txt``, MIT, licence beside it), for the first 77 bits of
the SHA-256 of the note text. They find mistakes and old copies; they prove nothing against the operator of the log,
who could search for two texts with the same words.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from base.errors import LedgerError

WORD_COUNT = 7

_BITS_A_WORD = 11
_LIST = Path(__file__).with_name("bip39_english.txt")
_LIST_DIGEST = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"


class WordListError(LedgerError):
    """The word list is not the published one: words spoken from it would mislead."""

    next_step = "Install strongroom again: a file of it was changed."


def spoken_form(note_text: str) -> tuple[str, ...]:
    """Return the seven words for the text of a checkpoint, with its final newline and without its signatures."""
    digest = sha256(note_text.encode("utf-8")).digest()
    bits = int.from_bytes(digest, "big") >> (8 * len(digest) - WORD_COUNT * _BITS_A_WORD)
    words = word_list()
    return tuple(words[bits >> shift & 0x7FF] for shift in range((WORD_COUNT - 1) * _BITS_A_WORD, -1, -_BITS_A_WORD))


@lru_cache(maxsize=1)
def word_list() -> tuple[str, ...]:
    """Return the 2,048 words. Raises WordListError when the file is not the published list."""
    try:
        data = _LIST.read_bytes()
    except OSError as err:
        raise WordListError(f"the word list {_LIST.name} cannot be read") from err
    found = sha256(data).hexdigest()
    if found != _LIST_DIGEST:
        raise WordListError(f"the word list {_LIST.name} has the digest {found}, expected {_LIST_DIGEST}")
    return tuple(data.decode("ascii").split("\n")[:-1])
