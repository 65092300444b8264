"""The witnesses that strongroom.toml names, and the policy that follows from them."""

from __future__ import annotations

from base.config import Settings
from base.errors import UsageError
from hashing.note import NoteError, Verifier, parse_vkey
from hashing.policy import Group, Policy, PolicyError, TrustedKey, parse_policy

_QUORUM_GROUP = "witnesses"


class WitnessSettingError(UsageError):
    """A witness in strongroom.toml that can't be one."""

    next_step = "Correct [[witness]] in strongroom.toml: its vkey is what `checkpoint cosign --init` printed."


def witness_keys(settings: Settings) -> dict[str, TrustedKey]:
    """Return the witnesses that are set, by name. Raises WitnessSettingError."""
    witnesses: dict[str, TrustedKey] = {}
    for setting in settings.witnesses:
        try:
            key = parse_vkey(setting.vkey)
        except NoteError as error:
            raise WitnessSettingError(f"the vkey of a witness can't be read: {error}.") from error
        if not key.algorithm.is_of_witness:
            raise WitnessSettingError(f"the key of {key.name!r} is of type {key.algorithm:d}; a witness has 4 or 6.")
        if key.name in witnesses or any(key.public == other.key.public for other in witnesses.values()):
            raise WitnessSettingError(f"the witness {key.name!r}, or its key, is set twice.")
        witnesses[key.name] = TrustedKey(key=key, url=setting.url)
    return witnesses


def policy_of(log: Verifier, settings: Settings) -> Policy:
    """Return whom this store asks to be believed: its log, and the quorum of witnesses that is set.

    Raises WitnessSettingError also for what nobody could read in the policy of a receipt.
    """
    policy = _policy(log, settings)
    try:
        parse_policy(policy.text().encode("utf-8"))
    except PolicyError as error:
        raise WitnessSettingError(f"the name or url of a witness can't stand in a policy: {error}.") from error
    return policy


def _policy(log: Verifier, settings: Settings) -> Policy:
    witnesses = witness_keys(settings)
    log_keys = (TrustedKey(key=log),)
    if settings.witness_quorum == "none" or not witnesses:
        return Policy(logs=log_keys, witnesses=witnesses)
    named = {"any": 1, "all": len(witnesses)}
    threshold = named.get(settings.witness_quorum) or int(settings.witness_quorum)
    name = _QUORUM_GROUP
    while name in witnesses:
        name += "-"
    group = Group(threshold=threshold, members=tuple(witnesses))
    return Policy(logs=log_keys, witnesses=witnesses, groups={name: group}, quorum=name)
