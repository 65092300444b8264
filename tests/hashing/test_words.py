from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import vector_json

from hashing import words
from hashing.words import WordListError, spoken_form, word_list

TEXT_7 = vector_json("computed/examples.json")["cp7"].partition("\n\n")[0] + "\n"


def test_the_list_is_the_published_one_with_its_licence_beside_it() -> None:
    listed = word_list()
    assert len(listed) == len(set(listed)) == 2048
    assert (listed[0], listed[1], listed[-1]) == ("abandon", "ability", "zoo")
    assert list(listed) == sorted(listed)
    licence = Path(words.__file__).with_name("bip39_english.LICENSE").read_text()
    assert licence.startswith("The MIT License")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_the_words_are_the_first_77_bits_eleven_at_a_time(text: str) -> None:
    bits = "".join(f"{byte:08b}" for byte in sha256(text.encode()).digest())
    expected = tuple(word_list()[int(bits[begin : begin + 11], 2)] for begin in range(0, 77, 11))
    assert spoken_form(text) == expected


def test_the_words_of_the_worked_checkpoint() -> None:
    """SHA-256 of its 69 bytes begins 5e424096c33d92c8c03d: by hand, lines 755, 145, 302 ... of the list."""
    assert len(TEXT_7.encode()) == 69
    assert spoken_form(TEXT_7) == ("furnace", "bamboo", "certain", "major", "summer", "good", "abstract")
    assert spoken_form(TEXT_7.rstrip("\n")) != spoken_form(TEXT_7)


def test_a_changed_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    altered = tmp_path / "bip39_english.txt"
    altered.write_text("\n".join(["zoo", *word_list()[1:]]) + "\n")
    for path in (altered, tmp_path / "gone.txt"):
        monkeypatch.setattr(words, "_LIST", path)
        word_list.cache_clear()
        with pytest.raises(WordListError):
            word_list()
    monkeypatch.undo()
    assert word_list()[0] == "abandon"
