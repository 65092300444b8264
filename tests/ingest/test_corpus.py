"""The whole corpus of real and broken footage in a share: every file is accounted for, and none does harm."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from checker import Checker
from program import Site, make_site


@pytest.mark.needs("corpus")
def test_every_file_of_the_corpus_becomes_evidence_and_is_looked_at(tmp_path: Path, corpus: Path) -> None:
    site = make_site(tmp_path)
    for folder in sorted(path for path in (corpus / "media").iterdir() if path.is_dir()):
        shutil.copytree(folder, site.share / folder.name)
    files = [path for path in site.share.rglob("*") if path.is_file()]
    ended = site.watch_once(timeout_s=900)
    assert ended.code == 0, ended.stderr
    assert len(ended.events("item.sealed")) == len(files)
    assert len(ended.events("item.analysed")) == len(files)
    checker = Checker(site.store)
    assert checker.check() == []
    assert checker.account_for(site.sources(), nothing_else=True) == []
    assert checker.canaries(_names(site, files)) == []
    verified = site.run("verify", "--json")
    assert (verified.code, verified.document["verdict"]) == (0, "ok")
    assert_pictures_were_found(site, ended.events("item.analysed"))
    rebuilt = site.run("catalog", "rebuild")
    assert rebuilt.code == 0
    assert site.run("verify", "--json").code == 0


def assert_pictures_were_found(site: Site, analysed: list[dict[str, object]]) -> None:
    """Real footage gives pictures; a broken file costs a finding, and no file stops the others."""
    outcomes = {str(line["outcome"]) for line in analysed}
    assert outcomes <= {"complete", "partial", "not-decodable", "time-out", "memory", "limit", "cpu"}, outcomes
    found = site.run("find", "--json", "--limit", "500").document["items"]
    assert isinstance(found, list)
    assert len(found) == len(analysed)
    by_name = {str(item["source_name"]): item for item in found}
    pictures = {str(line["item"]): int(str(line["keyframes"])) for line in analysed}
    for folder in ("cctv", "containers"):
        for path in (site.share / folder).iterdir():
            item = by_name[path.name]
            assert item["state"] == "analysed", path.name
            assert item["duration_s"] is not None, path.name
            assert pictures[str(item["item"])] >= 1, path.name


def _names(site: Site, files: list[Path]) -> list[bytes]:
    """Return what may stand nowhere in the public parts: names, paths and the share itself."""
    names = [os.fsencode(path.name) for path in files] + [os.fsencode(site.share)]
    return [name for name in names if len(name) >= 11]
