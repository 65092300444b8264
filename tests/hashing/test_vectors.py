"""The frozen files themselves: none may be missing unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest
import vectors


def test_a_missing_vector_file_fails_and_does_not_skip() -> None:
    with pytest.raises(AssertionError, match="is missing"):
        vectors.vector_json("dsse/gone.json")


def test_a_vector_folder_with_fewer_files_than_published_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "VECTORS", tmp_path)
    (tmp_path / "inclusion").mkdir()
    (tmp_path / "inclusion" / "one.json").write_text("{}")
    with pytest.raises(AssertionError, match="1 vector files below inclusion, not 2"):
        vectors.vector_files("inclusion", count=2)


def test_the_published_tree_vectors_are_all_there() -> None:
    names = vectors.vector_files("transparency-dev-merkle/testdata", count=196)
    assert len({name.split("/")[2] for name in names}) == 2
