"""Settings: what is not known is refused, and what is written can be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.config import AuthoritySetting, Settings, SettingsError, WitnessSetting, read_settings, settings_text


def read(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "strongroom.toml"
    path.write_text(text, "utf-8")
    return read_settings(path)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert settings.as_dict() == Settings().as_dict()
    assert set(settings.origins.values()) == {"default"}


def test_a_value_says_where_it_came_from(tmp_path: Path) -> None:
    settings = read(tmp_path, 'settle_seconds = 2\n[[share]]\npath = "/srv/a"\n[[share]]\npath = "/srv/b"\n')
    assert settings.settle_seconds == 2
    assert settings.shares == (b"/srv/a", b"/srv/b")
    assert {name for name, origin in settings.origins.items() if origin == "file"} == {"settle_seconds", "share"}


@pytest.mark.parametrize(
    "text",
    [
        "settle_second = 5",  # misspelt: must not silently be the default
        "[watch]\nsettle_seconds = 5",
        "settle_seconds = -1",
        "settle_seconds = 86401",
        "settle_seconds = true",
        "settle_seconds = nan",
        "settle_seconds = inf",
        'settle_seconds = "5"',
        "batch_ms = -1",
        "batch_ms = 60001",
        'sandbox = "off"',
        "sandbox = 1",
        'share = "/srv"',
        "[share]\npath = 1",
        "[[share]]\npath = 1",
        '[[share]]\npath = "/a"\nextra = 1',
        "[[share]]\n",
        'tsa = "a"',
        '[[tsa]]\nname = "a"',
        '[[tsa]]\nname = "a"\ncertificate = "/a"\nport = "1"',
        '[[tsa]]\nname = "../a"\ncertificate = "/a"',  # it becomes part of a file name
        '[[tsa]]\nname = "a.b"\ncertificate = "/a"',
        '[[tsa]]\nname = ""\ncertificate = "/a"',
        '[[tsa]]\nname = "a"\ncertificate = 1',
        '[[tsa]]\nname = "a"\ncertificate = "/a\\u0000"',
        '[[tsa]]\nname = "a"\ncertificate = "/a"\npolicy = "any"',
        '[[tsa]]\nname = "a"\ncertificate = "/a"\n[[tsa]]\nname = "a"\ncertificate = "/b"',
        '[[share]]\npath = "/a\\u0000"',
        '[[share]]\npath = ""',
        'memory = "/a"',
        "[[memory]]\npath = 1",
        '[[memory]]\npath = "/a"\nwhat = "b"',
        'witness = "a"',
        "[[witness]]\n",
        '[[witness]]\nvkey = ""',
        "[[witness]]\nvkey = 1",
        '[[witness]]\nvkey = "a"\nurl = 1',
        '[[witness]]\nvkey = "a"\nname = "b"',
        'witness_quorum = "some"',
        'witness_quorum = "any"',  # of none
        'witness_quorum = 2\n[[witness]]\nvkey = "a"',
        'witness_quorum = 0\n[[witness]]\nvkey = "a"',
        'witness_quorum = true\n[[witness]]\nvkey = "a"',
        "not toml",
        "batch_ms = " + "1" * 5000,
        "share = " + "[" * 5000,
        "#" * 1_000_001,
        "settle_seconds = 5\nsettle_seconds = 6",
    ],
)
def test_what_is_not_known_or_not_possible_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(tmp_path, text)
    assert raised.value.exit_code == 2


def test_authorities_are_named_with_their_certificates(tmp_path: Path) -> None:
    text = '[[tsa]]\nname = "one"\ncertificate = "/etc/one.pem"\nurl = "http://one/tsr"\npolicy = "1.2.3"\n'
    settings = read(tmp_path, text + '[[tsa]]\nname = "two"\ncertificate = "/etc/two.pem"\n')
    assert settings.authorities == (
        AuthoritySetting(name="one", certificate=b"/etc/one.pem", url="http://one/tsr", policy="1.2.3"),
        AuthoritySetting(name="two", certificate=b"/etc/two.pem"),
    )
    assert settings.as_dict()["tsa"] == ["one /etc/one.pem http://one/tsr 1.2.3", "two /etc/two.pem"]


@pytest.mark.parametrize(("quorum", "meant"), [('"any"', "any"), ('"all"', "all"), ("1", "1"), ('"none"', "none")])
def test_what_is_outside_is_named_where_it_is_set(tmp_path: Path, quorum: str, meant: str) -> None:
    text = (
        f'witness_quorum = {quorum}\n[[memory]]\npath = "/media/stick"\n[[witness]]\nvkey = "w+1+A"\nurl = "http://w"\n'
    )
    settings = read(tmp_path, text)
    assert settings.memories == (b"/media/stick",)
    assert settings.witnesses == (WitnessSetting(vkey="w+1+A", url="http://w"),)
    assert settings.witness_quorum == meant
    told = settings.as_dict()
    assert (told["memory"], told["witness"], told["witness_quorum"]) == (["/media/stick"], ["w+1+A http://w"], meant)
    assert not {"memory", "witness", "witness_quorum"} & set(Settings().as_dict())


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "strongroom.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError):
        read_settings(tmp_path / "strongroom.toml")


share_paths = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.lists(share_paths, max_size=3), st.integers(0, 86_400))
def test_what_is_written_for_a_new_store_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, shares: list[str], settle: int
) -> None:
    raw = tuple(os.fsencode(share) for share in shares)
    settings = read(tmp_path_factory.mktemp("settings"), settings_text(shares=raw, settle_seconds=settle))
    assert settings.shares == raw
    assert settings.settle_seconds == settle


def test_a_share_whose_path_is_no_text_is_refused_before_anything_is_made() -> None:
    """TOML cannot hold it: a settings file with it could never be read again."""
    with pytest.raises(SettingsError, match="UTF-8"):
        settings_text(shares=(b"/srv/\xff",))
