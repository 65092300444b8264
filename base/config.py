"""Settings: what they are, where each value came from, and a reader that refuses what it does not know.

A flag is stronger than the environment, the environment than the file, the file than the default. An unknown key in a
settings file is an error: a misspelt setting must not silently be the default.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from base.errors import UsageError
from base.escape import shown

SANDBOX_CHOICES = ("require-seccomp", "require-landlock")  # the names that `media.wire.Requirement` knows
MAX_SETTINGS_BYTES = 1_000_000

OUTSIDE_SETTINGS = ("memory", "witness", "witness_quorum", "tsa")  # of what is outside: named only where they are set
_AUTHORITY_MEMBERS = {"name", "certificate", "url", "policy"}
_AUTHORITY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)  # it becomes part of a file name
_POLICY = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,9})){1,30}", re.ASCII)
_KNOWN = {"share", "settle_seconds", "batch_ms", "sandbox", *OUTSIDE_SETTINGS}


class SettingsError(UsageError):
    """A settings file that says something unknown or impossible."""

    next_step = "Correct strongroom.toml; docs/guide/operator.md lists every setting."


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessSetting:
    """A witness that cosigns our checkpoints: its public key, and where it listens, if it does."""

    vkey: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthoritySetting:
    """A time-stamp authority: its certificates on this machine, where it listens, and the policy we ask it for."""

    name: str
    certificate: bytes  # raw path of a PEM file
    url: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one store. ``origins`` tells for each where its value came from: file or default."""

    shares: tuple[bytes, ...] = ()  # roots of the shares to watch, as raw paths
    settle_seconds: float = 5.0  # T: how long a file must be quiet
    batch_ms: int = 250  # how long a batch may grow before it is sealed
    sandbox: str = "require-seccomp"
    memories: tuple[bytes, ...] = ()  # places outside that remember checkpoints, as raw paths
    witnesses: tuple[WitnessSetting, ...] = ()
    witness_quorum: str = "none"  # "none", "any", "all" or a number: how many of them a receipt asks for
    authorities: tuple[AuthoritySetting, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return every setting by its name in the file, paths as text; `OUTSIDE_SETTINGS` only where they are set."""
        outside: dict[str, object] = {
            "memory": [os.fsdecode(path) for path in self.memories],
            "witness": [" ".join(filter(None, (each.vkey, each.url))) for each in self.witnesses],
            "witness_quorum": self.witness_quorum if self.witnesses else "",
            "tsa": [_authority_text(each) for each in self.authorities],
        }
        return {
            **{name: value for name, value in outside.items() if value},
            "share": [os.fsdecode(share) for share in self.shares],
            "settle_seconds": self.settle_seconds,
            "batch_ms": self.batch_ms,
            "sandbox": self.sandbox,
        }


def read_settings(path: Path) -> Settings:
    """Return the settings in ``path``. Raises SettingsError for an unknown key or an impossible value."""
    with open(path, "rb") as file:
        data = file.read(MAX_SETTINGS_BYTES + 1)
    return parse_settings(data, name=path.name)


def parse_settings(data: bytes, *, name: str) -> Settings:
    """Return the settings in ``data``, the content of the file ``name``. Raises SettingsError."""
    if len(data) > MAX_SETTINGS_BYTES:
        raise SettingsError(f"{name} has more than {MAX_SETTINGS_BYTES} bytes.")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    # ValueError: TOML that is none, text that is not UTF-8, and a number of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name} is not TOML: {error}.") from error
    unknown = sorted(set(document) - _KNOWN)
    if unknown:
        raise SettingsError(f"{name} has an unknown setting: {', '.join(map(shown, unknown))}.")
    defaults = Settings()
    return Settings(
        shares=_paths(document, "share"),
        settle_seconds=float(_number(document, "settle_seconds", defaults.settle_seconds, low=0, high=86_400)),
        batch_ms=int(_number(document, "batch_ms", defaults.batch_ms, low=0, high=60_000)),
        sandbox=_choice(document, "sandbox", defaults.sandbox, SANDBOX_CHOICES),
        memories=_paths(document, "memory"),
        witnesses=_witnesses(document.get("witness", [])),
        witness_quorum=_quorum(document),
        authorities=_authorities(document.get("tsa", [])),
        origins={name: "file" if name in document else "default" for name in _KNOWN},
    )


def _paths(document: Mapping[str, object], name: str) -> tuple[bytes, ...]:
    value = document.get(name, [])
    if not isinstance(value, list):
        raise SettingsError(f'{name} is not a list: write [[{name}]] and path = "..." below it.')
    paths = []
    for row in value:
        if not isinstance(row, dict) or set(row) != {"path"} or not isinstance(row["path"], str):
            raise SettingsError(f'a [[{name}]] has exactly one member: path = "...".')
        if not row["path"] or "\0" in row["path"]:
            raise SettingsError(f"the path of a [[{name}]] can't be one.")
        paths.append(os.fsencode(row["path"]))
    return tuple(paths)


def _witnesses(value: object) -> tuple[WitnessSetting, ...]:
    if not isinstance(value, list):
        raise SettingsError('witness is not a list: write [[witness]] and vkey = "..." below it.')
    witnesses = []
    for row in value:
        if not isinstance(row, dict) or not {"vkey"} <= set(row) <= {"vkey", "url"}:
            raise SettingsError('a [[witness]] has the member vkey = "...", and may have url = "...".')
        if not all(isinstance(text, str) and text for text in row.values()):
            raise SettingsError("the vkey and the url of a [[witness]] are text.")
        witnesses.append(WitnessSetting(vkey=row["vkey"], url=row.get("url")))
    return tuple(witnesses)


def _authorities(value: object) -> tuple[AuthoritySetting, ...]:
    if not isinstance(value, list):
        raise SettingsError('tsa is not a list: write [[tsa]] and name = "..." and certificate = "..." below it.')
    authorities: list[AuthoritySetting] = []
    for row in value:
        if not isinstance(row, dict) or not {"name", "certificate"} <= set(row) <= _AUTHORITY_MEMBERS:
            raise SettingsError("a [[tsa]] has the members name and certificate, and may have url and policy.")
        if not all(isinstance(text, str) and text and "\0" not in text for text in row.values()):
            raise SettingsError("every member of a [[tsa]] is text.")
        if not _AUTHORITY_NAME.fullmatch(row["name"]) or row["name"] in {known.name for known in authorities}:
            raise SettingsError(
                f"the name of a [[tsa]] is its own, and up to 40 of a-z A-Z 0-9 _ -, not {row['name']!r}."
            )
        if not _POLICY.fullmatch(row.get("policy", "1.2")):
            raise SettingsError(f"the policy of a [[tsa]] is a dotted number such as 1.2.3.4, not {row['policy']!r}.")
        certificate = os.fsencode(row["certificate"])
        authorities.append(AuthoritySetting(**{**row, "certificate": certificate}))
    return tuple(authorities)


def _authority_text(setting: AuthoritySetting) -> str:
    parts = (setting.name, os.fsdecode(setting.certificate), setting.url, setting.policy)
    return " ".join(part for part in parts if part)


def _quorum(document: Mapping[str, object]) -> str:
    value, witnesses = document.get("witness_quorum", "none"), document.get("witness", [])
    count = len(witnesses) if isinstance(witnesses, list) else 0
    if value in ("none", "any", "all") and (value == "none" or count):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= count:
        return str(value)
    raise SettingsError(f'witness_quorum must be "none", "any", "all" or a number up to {count}, not {value!r}.')


def _number(document: Mapping[str, object], name: str, default: float, *, low: float, high: float) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise SettingsError(f"{name} must be a number from {low} to {high}, not {value!r}.")
    return value


def _choice(document: Mapping[str, object], name: str, default: str, choices: tuple[str, ...]) -> str:
    value = document.get(name, default)
    if not isinstance(value, str) or value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def settings_text(*, shares: tuple[bytes, ...] = (), settle_seconds: float = 5.0) -> str:
    """Return a settings file for a new store. Raises SettingsError for a share whose path TOML can't hold."""
    lines = [
        "# Settings of this store. A change takes effect when `strongroom watch` starts, and is recorded in the log.",
        f"settle_seconds = {settle_seconds:g}",
        "batch_ms = 250",
        'sandbox = "require-seccomp"',
    ]
    for share in shares:
        lines += ["", "[[share]]", f"path = {_toml_string(_path_text(share))}"]
    return "\n".join(lines) + "\n"


def _path_text(share: bytes) -> str:
    try:
        return share.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"the path of a share must be UTF-8 to stand in a settings file: {shown(share)}.",
            next_step="Name the share by a path of plain text, for example through a bind mount.",
        ) from error


def _toml_string(text: str) -> str:
    escaped = "".join(
        character if character.isprintable() and character not in '"\\' else f"\\U{ord(character):08x}"
        for character in text
    )
    return f'"{escaped}"'
