"""What every signer must do, whoever keeps its key: a file, a protected file, a card, a token."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hashing import ed25519
from hashing.public_key import ALGORITHMS, PublicKey, public_key
from ledger.keys.signer import AnySigner, Signer


class AnySignerContract:
    """Tests for a key of whatever algorithm. A test class inherits them and gives the fixture ``signer``."""

    @pytest.fixture
    def signer(self) -> AnySigner:
        raise NotImplementedError

    def test_it_names_its_algorithm_and_key(self, signer: AnySigner) -> None:
        assert signer.algorithm in ALGORITHMS
        assert public_key(signer.algorithm, signer.spki) == PublicKey(algorithm=signer.algorithm, spki=signer.spki)
        assert signer.keyid == hashlib.sha256(signer.spki).hexdigest()

    def test_its_public_key_is_the_canonical_der_of_a_library(self, signer: AnySigner) -> None:
        key = load_der_public_key(signer.spki)
        assert key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == signer.spki

    @pytest.mark.parametrize("message", [b"", b"message", bytes(100_000)], ids=["empty", "short", "long"])
    def test_what_it_signs_is_verified_and_nothing_else(self, signer: AnySigner, message: bytes) -> None:
        public = public_key(signer.algorithm, signer.spki)
        signature = signer.sign(message)
        public.verify(message, signature)
        with pytest.raises(ed25519.SignatureError):
            public.verify(message + b"!", signature)
        with pytest.raises(ed25519.SignatureError):
            public.verify(message, bytes([signature[0] ^ 1]) + signature[1:])


class SignerContract(AnySignerContract):
    """Tests for a key that signs entries and checkpoints: Ed25519."""

    @pytest.fixture
    def ed25519_signer(self, signer: Signer) -> Signer:
        return signer

    def test_it_is_an_ed25519_key_in_its_one_spelling(self, ed25519_signer: Signer) -> None:
        assert ed25519_signer.algorithm == "ed25519"
        assert ed25519.public_from_spki(ed25519_signer.spki) == ed25519_signer.public
        assert ed25519_signer.sign(b"message") == ed25519_signer.sign(b"message")  # Ed25519 draws nothing
