"""Key files: made for their owner only, and refused in every other state."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st
from signer import AnySignerContract, SignerContract

from base.errors import NotFoundError
from hashing import ed25519
from hashing.digest import Digest
from ledger.keys.file import (
    FileSigner,
    KeyFileError,
    _any_key,
    _our_key,
    configured_passphrase,
    create_key,
    load_key,
    read_passphrase,
)
from ledger.keys.persons import PersonSigner, person_signer
from ledger.keys.signer import AnySigner, Signer

# A key of an algorithm with the number 1.3.85.112, which nobody has: found by atheris.
UNKNOWN = (
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MC4CAQAwBQYDK1VwBCIEICAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/\n"
    b"-----END PRIVATE KEY-----\n"
)
# A key with one byte too few, for which OpenSSL has no word of its own: found by atheris.
TOO_SHORT = (
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MC0CAQAwBQYDK2VwBCEEHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4=\n"
    b"-----END PRIVATE KEY-----\n"
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def written(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_new_key_is_kept_for_its_owner_and_read_back(tmp_path: Path) -> None:
    made = create_key(tmp_path / "log.pem")
    assert stat.S_IMODE((tmp_path / "log.pem").stat().st_mode) == 0o600
    read = load_key(tmp_path / "log.pem")
    assert (read.public, read.keyid) == (made.public, made.keyid)


def test_a_key_is_never_made_over_another(tmp_path: Path) -> None:
    create_key(tmp_path / "log.pem")
    before = (tmp_path / "log.pem").read_bytes()
    with pytest.raises(FileExistsError):
        create_key(tmp_path / "log.pem")
    assert (tmp_path / "log.pem").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["log.pem"]


def test_a_key_that_another_program_spelled_in_its_way_is_the_same_key(tmp_path: Path) -> None:
    ours = pem(KEY)
    for number, spelling in enumerate([ours.replace(b"\n", b"\r\n"), b"a comment\n" + ours, ours + b"\n"]):
        assert load_key(written(tmp_path / f"{number}.pem", spelling)).public == FileSigner(KEY).public


@given(st.binary(min_size=32, max_size=32))
def test_the_short_way_reads_what_the_library_wrote_and_as_the_library_reads_it(seed: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    read = _our_key(pem(key))
    assert read is not None
    assert read.private_bytes_raw() == seed == _any_key(pem(key), "log.pem").private_bytes_raw()


@given(position=st.integers(0, 118), byte=st.integers(0, 255))
def test_the_short_way_never_reads_what_the_library_reads_otherwise(position: int, byte: int) -> None:
    spoiled = pem(KEY)[:position] + bytes([byte]) + pem(KEY)[position + 1 :]
    if (read := _our_key(spoiled)) is not None:
        assert read.private_bytes_raw() == _any_key(spoiled, "log.pem").private_bytes_raw()


def test_a_signature_is_verified_by_the_strict_verifier_and_by_a_library() -> None:
    signer: Signer = FileSigner(KEY)
    signature = signer.sign(b"message")
    ed25519.verify(signer.public, b"message", signature)
    public = load_der_public_key(signer.spki)
    assert isinstance(public, Ed25519PublicKey)
    public.verify(signature, b"message")
    assert signer.keyid == str(Digest.of(signer.spki)) == ed25519.keyid(signer.public)


def test_a_missing_key_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="stays valid") as raised:
        load_key(tmp_path / "recorder.pem")
    assert "backup" in raised.value.next_step


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o777])
def test_a_key_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyFileError, match=f"{mode:04o}") as raised:
        load_key(written(tmp_path / "log.pem", pem(KEY), mode))
    assert raised.value.exit_code == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a key",
        pem(KEY)[:-40],
        pem(KEY, b"secret"),
        pem(ec.derive_private_key(7, ec.SECP256R1())),
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        UNKNOWN,
        TOO_SHORT,
    ],
    ids=["empty", "text", "cut", "encrypted", "p256", "nonsense", "of an unknown algorithm", "too short"],
)
def test_a_file_that_is_no_usable_key_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(KeyFileError, match=r"log\.pem"):
        load_key(written(tmp_path / "log.pem", data))


# ------------------------------------------------------------------------------------------------ every way to sign

PASSPHRASE = b"correct horse battery"


class TestFileSigner(SignerContract):
    @pytest.fixture
    def signer(self, tmp_path: Path) -> Signer:
        create_key(tmp_path / "log.pem")
        return load_key(tmp_path / "log.pem")


class TestProtectedFileSigner(SignerContract):
    @pytest.fixture
    def signer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signer:
        create_key(tmp_path / "log.pem", passphrase=PASSPHRASE)
        monkeypatch.setenv("STRONGROOM_PASSPHRASE_FILE", str(written(tmp_path / "passphrase", PASSPHRASE + b"\n")))
        return load_key(tmp_path / "log.pem")


class TestPersonSigner(AnySignerContract):
    @pytest.fixture(
        params=[KEY, ec.derive_private_key(7, ec.SECP256R1()), rsa.generate_private_key(65537, 2048)],
        ids=["ed25519", "p256", "rsa"],
    )
    def signer(self, request: pytest.FixtureRequest, tmp_path: Path) -> AnySigner:
        return person_signer(written(tmp_path / "officer.pem", pem(request.param, PASSPHRASE)), PASSPHRASE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pem(ec.derive_private_key(7, ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 1024)),
        pem(KEY, PASSPHRASE),
        UNKNOWN,
        TOO_SHORT,
    ],
    ids=["empty", "p384", "rsa-1024", "without its passphrase", "of an unknown algorithm", "too short"],
)
def test_a_key_of_a_person_that_can_not_speak_in_a_log_is_refused(data: bytes) -> None:
    with pytest.raises(KeyFileError):
        PersonSigner(data, passphrase=None, name="officer.pem")


# ------------------------------------------------------------------------------------- passphrases and credentials


def test_a_protected_key_is_not_read_without_its_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_key(tmp_path / "log.pem", passphrase=PASSPHRASE)
    with pytest.raises(KeyFileError, match="protected by a passphrase") as raised:
        load_key(tmp_path / "log.pem")
    assert "STRONGROOM_PASSPHRASE_FILE" in raised.value.next_step
    monkeypatch.setenv("STRONGROOM_PASSPHRASE_FILE", str(written(tmp_path / "passphrase", b"another passphrase")))
    with pytest.raises(KeyFileError, match="passphrase is another one"):
        load_key(tmp_path / "log.pem")


def test_nothing_of_a_protected_key_lies_open_on_the_disk(tmp_path: Path) -> None:
    made = create_key(tmp_path / "log.pem", passphrase=PASSPHRASE)
    raw = load_pem(tmp_path / "log.pem", PASSPHRASE).private_bytes_raw()
    assert FileSigner(Ed25519PrivateKey.from_private_bytes(raw)).keyid == made.keyid
    data = (tmp_path / "log.pem").read_bytes()
    assert b"ENCRYPTED" in data
    assert raw not in base64.b64decode(b"".join(data.splitlines()[1:-1]))


def load_pem(path: Path, passphrase: bytes) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=passphrase)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def test_a_key_handed_in_by_systemd_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_key(tmp_path / "log.pem")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    handed = create_key(credentials / "log.pem", passphrase=PASSPHRASE)
    (credentials / "log.pem").chmod(0o440)  # as systemd hands it to a service that is not root
    written(credentials / "passphrase", PASSPHRASE + b"\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert load_key(tmp_path / "log.pem").keyid == handed.keyid
    assert load_key(tmp_path / "nowhere" / "log.pem").keyid == handed.keyid
    with pytest.raises(NotFoundError):
        load_key(tmp_path / "recorder.pem")


def test_a_passphrase_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    for number, data in enumerate([PASSPHRASE, PASSPHRASE + b"\n", PASSPHRASE + b"\r\nmore\n"]):
        assert read_passphrase(written(tmp_path / f"{number}", data)) == PASSPHRASE
    assert configured_passphrase({}) is None


@pytest.mark.parametrize("data", [b"", b"\n", b"too short\n", b"x" * 1024])
def test_a_passphrase_that_protects_nothing_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(KeyFileError):
        read_passphrase(written(tmp_path / "passphrase", data))


def test_a_missing_passphrase_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_passphrase(tmp_path / "passphrase")
