"""Time-stamp tokens: what is believed, what is not, and that OpenSSL says the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from time_stamper import OTHER_POLICY, POLICY, TimeStamper, openssl_accepts

from hashing.digest import Digest
from hashing.time_stamp import (
    MAX_REPLY_BYTES,
    Authority,
    AuthorityError,
    NotGrantedError,
    TimeStampError,
    query_nonce,
    time_stamp_query,
    verify_time_stamp,
    with_sorted_certificates,
)

pytestmark = pytest.mark.needs("openssl")

STAMPED = b"strongroom/4XH7K3M9QZV2D\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\nsigned\n"
YEAR_2021, YEAR_2023 = datetime(2021, 6, 1, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Authorities, a query of ours, and the answer to it."""

    folder: Path
    stamper: TimeStamper
    other: TimeStamper  # another root
    expired: TimeStamper  # its signer was certified until 2022
    unfit: TimeStamper  # its signer is certified for mail
    lax: TimeStamper  # its signer is certified for time stamps, not critically
    broad: TimeStamper  # its signer is certified for time stamps and mail
    query: bytes
    reply: bytes

    def authority(self, stamper: TimeStamper | None = None, **changes: str) -> Authority:
        return Authority(name="one", certificates=(stamper or self.stamper).ca.read_bytes(), **changes)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("authorities")
    stamper, query = TimeStamper(folder / "one"), time_stamp_query(STAMPED)
    mail = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
    return Bench(
        folder=folder,
        stamper=stamper,
        other=TimeStamper(folder / "other"),
        expired=TimeStamper(folder / "expired", not_after=datetime(2022, 1, 1, tzinfo=UTC)),
        unfit=TimeStamper(folder / "unfit", usage=mail),
        lax=TimeStamper(folder / "lax", is_critical=False),
        broad=TimeStamper(folder / "broad", usage=(*mail, ExtendedKeyUsageOID.TIME_STAMPING)),
        query=query,
        reply=stamper.reply(query),
    )


def test_a_token_says_when_by_whom_and_how_exactly(bench: Bench) -> None:
    found = verify_time_stamp(bench.reply, stamped=STAMPED, authority=bench.authority(), query=bench.query)
    assert abs(found.time - datetime.now(UTC)) < timedelta(minutes=5)
    assert found.accuracy_ms == 1500
    assert found.policy == POLICY
    pem = (bench.stamper.folder / "signer.pem").read_bytes()
    assert found.signer == Digest.of(ssl_der(pem))


def ssl_der(pem: bytes) -> bytes:
    return subprocess.run(["openssl", "x509", "-outform", "DER"], input=pem, capture_output=True, check=True).stdout


def test_openssl_accepts_the_same_token(bench: Bench) -> None:
    ca = bench.stamper.ca
    assert openssl_accepts(bench.folder, bench.reply, stamped=STAMPED, ca=ca, query=bench.query)


def test_a_token_is_good_without_the_query_too(bench: Bench) -> None:
    verify_time_stamp(bench.reply, stamped=STAMPED, authority=bench.authority())


@pytest.mark.parametrize(("root", "is_der"), [("R", False), ("A root whose certificate is the longer one", True)])
def test_the_certificates_may_stand_in_any_order(tmp_path: Path, bench: Bench, root: str, *, is_der: bool) -> None:
    """OpenSSL writes the signer first; DER has the shorter one first."""
    stamper = TimeStamper(tmp_path / "chain", root=root)
    reply = stamper.reply(bench.query, with_chain=True)
    assert (with_sorted_certificates(reply) == reply) is is_der
    verify_time_stamp(reply, stamped=STAMPED, authority=bench.authority(stamper), query=bench.query)
    assert openssl_accepts(tmp_path, reply, stamped=STAMPED, ca=stamper.ca, query=bench.query)
    assert openssl_accepts(tmp_path, with_sorted_certificates(reply), stamped=STAMPED, ca=stamper.ca)


Case = Callable[[Bench], tuple[bytes, bytes, Authority, bytes]]  # reply, stamped, authority, query

REFUSED: dict[str, Case] = {
    "other bytes were stamped": lambda b: (b.reply, STAMPED + b"x", b.authority(), b.query),
    "another authority is set": lambda b: (b.reply, STAMPED, b.authority(b.other), b.query),
    "another query was asked": lambda b: (b.reply, STAMPED, b.authority(), time_stamp_query(STAMPED)),
    "a byte of the stated time differs": lambda b: (tampered_time(b.reply), STAMPED, b.authority(), b.query),
    "the signer was not certified any more": lambda b: (
        b.expired.reply_at(b.query, YEAR_2023),
        STAMPED,
        b.authority(b.expired),
        b.query,
    ),
    "the signer is certified for something else": lambda b: (
        b.unfit.reply_at(b.query, YEAR_2021),
        STAMPED,
        b.authority(b.unfit),
        b.query,
    ),
    "the signer may stamp, and is not restricted to that": lambda b: (
        b.lax.reply_at(b.query, YEAR_2021),
        STAMPED,
        b.authority(b.lax),
        b.query,
    ),
    "the signer may do something else too": lambda b: (
        b.broad.reply_at(b.query, YEAR_2021),
        STAMPED,
        b.authority(b.broad),
        b.query,
    ),
    "the digest is another": lambda b: (b.stamper.reply(b.query, digests="sha512"), STAMPED, b.authority(), b.query),
    "it is cut off": lambda b: (b.reply[:-1], STAMPED, b.authority(), b.query),
    "it is empty": lambda b: (b"", STAMPED, b.authority(), b.query),
    "it is a page": lambda b: (b"<html>Service unavailable</html>", STAMPED, b.authority(), b.query),
}


def tampered_time(reply: bytes) -> bytes:
    at = reply.index(b"\x18\x0f20") + 2
    return reply[:at] + b"1999" + reply[at + 4 :]


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_token_is_refused_here_and_by_openssl(bench: Bench, case: Case) -> None:
    reply, stamped, authority, query = case(bench)
    with pytest.raises(TimeStampError) as raised:
        verify_time_stamp(reply, stamped=stamped, authority=authority, query=query)
    assert raised.value.exit_code == (5 if raised.type is NotGrantedError else 20)
    ca = bench.folder / "asked.pem"
    ca.write_bytes(authority.certificates)
    at = YEAR_2021 if b"20210601" in reply else YEAR_2023 if b"20230601" in reply else None
    assert not openssl_accepts(bench.folder, reply, stamped=stamped, ca=ca, query=query, at=at)


@pytest.mark.parametrize("change", [lambda reply: reply + b"\0", lambda reply: b"\x30\x80" + reply[4:] + b"\0\0"])
def test_what_is_no_der_is_refused_though_openssl_reads_it(bench: Bench, change: Callable[[bytes], bytes]) -> None:
    """A byte behind the end, and BER of indefinite length."""
    with pytest.raises(TimeStampError):
        verify_time_stamp(change(bench.reply), stamped=STAMPED, authority=bench.authority())


def test_a_token_outlives_the_certificate_of_its_signer(bench: Bench) -> None:
    """Expired today, in force at the time that the token states; OpenSSL has to be told at which time to judge."""
    reply, ca = bench.expired.reply_at(bench.query, YEAR_2021), bench.expired.ca
    found = verify_time_stamp(reply, stamped=STAMPED, authority=bench.authority(bench.expired), query=bench.query)
    assert found.time == YEAR_2021
    assert openssl_accepts(bench.folder, reply, stamped=STAMPED, ca=ca, query=bench.query, at=YEAR_2021)
    assert not openssl_accepts(bench.folder, reply, stamped=STAMPED, ca=ca, query=bench.query)


def test_a_reply_that_grants_nothing_says_why(bench: Bench) -> None:
    with pytest.raises(NotGrantedError, match="status 2"):
        verify_time_stamp(
            bench.stamper.reply(bench.query, digests="sha512"), stamped=STAMPED, authority=bench.authority()
        )


def test_a_reply_without_end_is_not_parsed(bench: Bench) -> None:
    with pytest.raises(TimeStampError, match=f"at most {MAX_REPLY_BYTES}"):
        verify_time_stamp(bytes(10_000_000), stamped=STAMPED, authority=bench.authority())


def test_a_policy_that_was_asked_for_must_be_the_one_that_is_given(bench: Bench) -> None:
    verify_time_stamp(bench.reply, stamped=STAMPED, authority=bench.authority(policy=POLICY))
    with pytest.raises(TimeStampError, match="under the policy"):
        verify_time_stamp(bench.reply, stamped=STAMPED, authority=bench.authority(policy=OTHER_POLICY))


def test_one_of_several_roots_is_enough(bench: Bench) -> None:
    both = bench.other.ca.read_bytes() + bench.stamper.ca.read_bytes()
    verify_time_stamp(bench.reply, stamped=STAMPED, authority=Authority(name="one", certificates=both))
    twice = msgspec.structs.replace(bench.authority(), certificates=bench.stamper.ca.read_bytes() * 2)
    verify_time_stamp(bench.reply, stamped=STAMPED, authority=twice)


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_certificates_that_are_none_are_refused(bench: Bench, pem: bytes) -> None:
    with pytest.raises(AuthorityError):
        verify_time_stamp(bench.reply, stamped=STAMPED, authority=Authority(name="one", certificates=pem))


def test_each_query_has_a_nonce_of_its_own() -> None:
    nonces = {query_nonce(time_stamp_query(STAMPED), STAMPED) for _ in range(20)}
    assert len(nonces) == 20


def test_openssl_reads_our_query(bench: Bench) -> None:
    (bench.folder / "ours.tsq").write_bytes(bench.query)
    text = subprocess.run(
        ["openssl", "ts", "-query", "-in", "ours.tsq", "-text"], cwd=bench.folder, capture_output=True, check=True
    ).stdout.decode()
    assert "Hash Algorithm: sha256" in text
    assert "Certificate required: yes" in text
    nonce = f"{query_nonce(bench.query, STAMPED):X}"
    assert f"Nonce: 0x{'0' * (len(nonce) % 2)}{nonce}" in text  # it prints whole bytes


@given(data=st.binary(max_size=200))
def test_whatever_is_no_query_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(TimeStampError):
        query_nonce(data, STAMPED)


class _Mutation:
    """Changes of a few bytes anywhere in a reply."""

    positions = st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 255), st.sampled_from(["set", "drop", "add"])), min_size=1, max_size=3
    )

    @staticmethod
    def apply(reply: bytes, changes: list[tuple[float, int, str]]) -> bytes:
        data = bytearray(reply)
        for where, value, how in changes:
            at = min(int(where * len(data)), len(data) - 1)
            if how == "drop":
                del data[at]
            elif how == "add":
                data.insert(at, value)
            else:
                data[at] = value
        return bytes(data)


@settings(max_examples=300)
@given(changes=_Mutation.positions)
def test_a_damaged_token_is_refused_with_the_declared_error_or_says_the_same(
    bench: Bench, changes: list[tuple[float, int, str]]
) -> None:
    """Some bytes of a reply are signed by nobody; none of them changes what it says."""
    good = verify_time_stamp(bench.reply, stamped=STAMPED, authority=bench.authority(), query=bench.query)
    damaged = _Mutation.apply(bench.reply, changes)
    try:
        found = verify_time_stamp(damaged, stamped=STAMPED, authority=bench.authority(), query=bench.query)
    except TimeStampError:
        return
    assert found == good


@given(data=st.binary(max_size=300))
def test_sorting_the_certificates_never_fails_and_loses_no_byte(data: bytes) -> None:
    assert sorted(with_sorted_certificates(data)) == sorted(data)


def test_without_the_library_nothing_is_called_good_or_bad(bench: Bench) -> None:
    """In an interpreter of its own, in which rfc3161-client can't be imported."""
    program = """
import sys
sys.modules["rfc3161_client"] = None
from hashing.time_stamp import Authority, TimeStampsUnavailableError, time_stamp_query, verify_time_stamp
nobody = Authority(name="a", certificates=b"")
for ask in (lambda: time_stamp_query(b"x"), lambda: verify_time_stamp(b"", stamped=b"x", authority=nobody)):
    try:
        ask()
    except TimeStampsUnavailableError as error:
        print(error.exit_code, error.next_step)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (
        done.stdout.splitlines()
        == ["6 " + "Install it into the environment of strongroom: pip install 'strongroom[tsa]'."] * 2
    )
