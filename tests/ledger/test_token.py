"""Keys on a token, tested with SoftHSM2: a token made of files, driven like any other."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from checker import Checker
from hypothesis import given
from hypothesis import strategies as st
from program import Ended, strongroom
from signer import AnySignerContract, SignerContract

from base.errors import NotFoundError
from ledger.keys.file import KeyFileError, load_key
from ledger.keys.persons import person_signer
from ledger.keys.signer import AnySigner, Signer
from ledger.keys.token import TokenError, TokenKeyError, TokenUri, is_uri, parse_uri

PIN = "123456"
LABELS = {
    "ed25519": ("-algorithm", "ed25519"),
    "p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
}
GOOD = b"pkcs11:token=strong;object=recorder%201?module-path=/usr/lib/driver.so\n"


# ---------------------------------------------------------------------------------------------------- the reference


def test_a_reference_is_read() -> None:
    assert is_uri(GOOD)
    assert parse_uri(GOOD) == TokenUri(token="strong", object="recorder 1", module="/usr/lib/driver.so")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"pkcs11:",
        GOOD + b"more",
        GOOD.replace(b"token=strong;", b""),
        GOOD.replace(b"token=strong", b"token=strong;token=other"),
        GOOD.replace(b"token=strong", b"token="),
        GOOD.replace(b"object", b"serial"),
        GOOD.replace(b"/usr/lib", b"lib"),  # from wherever somebody calls it: not loaded
        GOOD.replace(b"%201", b"%ff"),
        GOOD.replace(b"?module-path", b"?pin-value=1&module-path"),  # a PIN does not stand beside the key
        GOOD.replace(b"strong", b"s\xc3\xa4"),
        b"pkcs11:" + b"x" * 3000,
    ],
)
def test_any_other_line_is_refused(data: bytes) -> None:
    with pytest.raises(TokenKeyError):
        parse_uri(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_declared(data: bytes) -> None:
    with pytest.raises(TokenKeyError):
        parse_uri(b"pkcs11:" + data)


def test_a_key_on_a_token_wants_a_pin(tmp_path: Path) -> None:
    path = tmp_path / "recorder.pem"
    path.write_bytes(GOOD)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="no PIN was given"):
        load_key(path)


# --------------------------------------------------------------------------------------------------------- a token


@dataclass(frozen=True)
class Token:
    """A token with one key of each kind, by its label."""

    folder: Path
    module: Path

    def reference(self, label: str, *, token: str = "strong") -> Path:
        """Return a file that names a key on it."""
        path = self.folder / f"{token}-{label}.key"
        path.write_text(f"pkcs11:token={token};object={label}?module-path={self.module}\n")
        path.chmod(0o600)
        return path

    @property
    def pin(self) -> Path:
        path = self.folder / "pin"
        path.write_text(PIN + "\n")
        return path


def driver() -> Path:
    """Return the driver that belongs to softhsm2-util."""
    named = os.environ.get("SOFTHSM2_MODULE")
    places = [Path(named)] if named else sorted(Path("/usr/lib").glob("**/libsofthsm2.so"))
    assert places, "softhsm2-util is here, and its driver is not"
    return places[0]


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """Make a token once: the driver reads its settings when it is loaded, and never again in a process."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    made = Token(folder, driver())
    util = [shutil.which("softhsm2-util") or "", "--module", str(made.module)]
    run([*util, "--init-token", "--free", "--label", "strong", "--pin", PIN, "--so-pin", "12345678"])
    for number, (label, options) in enumerate(LABELS.items(), 1):
        pem = folder / f"{label}.pem"
        run(["openssl", "genpkey", *options, "-out", str(pem)])
        words = ["--import", str(pem), "--token", "strong", "--label", label, "--id", f"{number:02x}", "--pin", PIN]
        run([*util, *words])
    yield made
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.needs("softhsm2-util", "openssl")
class TestTokenSigner(SignerContract):
    @pytest.fixture
    def signer(self, token: Token, monkeypatch: pytest.MonkeyPatch) -> Signer:
        monkeypatch.setenv("STRONGROOM_PIN_FILE", str(token.pin))
        return load_key(token.reference("ed25519"))


@pytest.mark.needs("softhsm2-util", "openssl")
class TestPersonOnToken(AnySignerContract):
    @pytest.fixture(params=["ed25519", "p256", "rsa"])
    def signer(self, request: pytest.FixtureRequest, token: Token) -> AnySigner:
        return person_signer(token.reference(request.param), PIN.encode())


@pytest.mark.needs("softhsm2-util", "openssl")
def test_a_key_that_is_not_there_or_may_not_speak_is_said(token: Token) -> None:
    for label, name in (("nobody", "strong"), ("ed25519", "elsewhere")):
        with pytest.raises(NotFoundError, match="there is no key"):
            person_signer(token.reference(label, token=name), PIN.encode())
    with pytest.raises(TokenKeyError, match="can't be used"):
        person_signer(token.reference("p384"), PIN.encode())
    other = Token(token.folder, token.folder / "no-driver.so")
    with pytest.raises(TokenError, match="can't be loaded"):
        person_signer(other.reference("x"), PIN.encode())


@pytest.mark.needs("softhsm2-util", "openssl")
def test_entries_are_signed_by_a_token_and_a_root_key_on_a_card_endorses(token: Token, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(["openssl", "pkey", "-in", str(token.folder / "p256.pem"), "-pubout", "-out", str(tmp_path / "root.pub")])
    pin = ("--passphrase-file", token.pin)

    def on_store(*words: str | Path, code: int = 0) -> Ended:
        ended = strongroom(*words, "--store", store, env={"STRONGROOM_PIN_FILE": str(token.pin)})
        assert ended.code == code, (ended.stdout, ended.stderr)
        return ended

    assert strongroom("init", store, "--root-key", tmp_path / "root.pub").code == 0
    old = on_store("key", "list", "--json").document["keys"]
    words = ("key", "enrol", token.reference("ed25519"), "--purpose", "recorder")
    event = on_store(*words, *pin, "--propose", tmp_path / "change.json", "--json").document["event"]
    signed = tmp_path / "signed"
    endorsing = ("key", "endorse", tmp_path / "change.json", "--key", token.reference("p256"), *pin, "-o", signed)
    assert strongroom(*endorsing, "--yes").code == 0
    enrolled = on_store("key", "enrol", "--event", str(event), "--endorsement", signed, "--json").document
    on_store("role", "grant", "daemon", "auditor")
    assert isinstance(old, list)
    keys = on_store("key", "list", "--json").document["keys"]
    assert isinstance(keys, list)
    assert [row["keyid"] for row in keys if row["in_use"]] == [enrolled["keyid"]]
    on_store("verify")
    assert Checker(store).check() == []
    wrong = tmp_path / "wrong"
    wrong.write_text("654321\n")
    refused = strongroom("key", "list", "--store", store, env={"STRONGROOM_PIN_FILE": str(wrong)})
    assert (refused.code, "PIN of the token is wrong" in refused.stderr) == (4, True)
    named = on_store("key", "backup", "-o", tmp_path / "backup", "--passphrase-file", long_passphrase(tmp_path))
    assert "recorder-" not in named.stdout
    assert "is on a token" in (tmp_path / "backup").read_text()


def long_passphrase(folder: Path) -> Path:
    path = folder / "passphrase"
    path.write_text("correct horse battery staple")
    return path
