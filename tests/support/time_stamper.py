"""A time-stamp authority, made fresh: its certificates by cryptography, its tokens and their checks by OpenSSL.

`reply` is what `openssl ts -reply` answers now. `reply_at` signs a token that states any time, which no clock allows:
the same TSTInfo with another genTime, signed by `openssl cms`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LONG_AGO, FAR_AHEAD = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
POLICY, OTHER_POLICY = "1.3.6.1.4.1.55555.1", "1.3.6.1.4.1.55555.2"
TIME_STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
_POLICY_DER = bytes.fromhex("06092b0601040183b20301")
_IMPRINT_BYTES = 51
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_CONFIG = """
[tsa]
default_tsa = one
[one]
serial = serial
signer_cert = signer.pem
{certs}
signer_key = signer.key
signer_digest = sha256
default_policy = {policy}
digests = {digests}
accuracy = {accuracy}
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class TimeStamper:
    """An authority in a folder: `ca.pem` is what others believe, `signer.pem` signs the tokens."""

    def __init__(
        self,
        folder: Path,
        *,
        not_before: datetime = LONG_AGO,
        not_after: datetime = FAR_AHEAD,
        usage: Sequence[x509.ObjectIdentifier] = TIME_STAMPING,
        is_critical: bool = True,
        root: str = "Root",
    ) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root_name, name = _name(f"{root} of {folder.name}"), _name(f"Signer of {folder.name}")
        anchor = _certificate(root_name, root_name, ca_key.public_key(), LONG_AGO, FAR_AHEAD)
        anchor = anchor.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        leaf = _certificate(name, root_name, key.public_key(), not_before, not_after)
        leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if usage:
            leaf = leaf.add_extension(x509.ExtendedKeyUsage(usage), critical=is_critical)
        self.ca.write_bytes(anchor.sign(ca_key, SHA256()).public_bytes(Encoding.PEM))
        (folder / "signer.pem").write_bytes(leaf.sign(ca_key, SHA256()).public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "signer.key").write_bytes(pem)
        (folder / "serial").write_text("0A")

    def reply(
        self,
        query: bytes,
        *,
        policy: str = POLICY,
        digests: str = "sha256",
        accuracy: str = "secs:1, millisecs:500",
        with_chain: bool = False,
    ) -> bytes:
        """Return the answer of OpenSSL's authority to ``query``, granted or not."""
        certs = "certs = ca.pem" if with_chain else ""
        config = _CONFIG.format(policy=policy, digests=digests, accuracy=accuracy, certs=certs)
        (self.folder / "tsa.cnf").write_text(config)
        (self.folder / "query.tsq").write_bytes(query)
        run(self.folder, "ts", "-reply", "-queryfile", "query.tsq", "-config", "tsa.cnf", "-out", "reply.tsr")
        return (self.folder / "reply.tsr").read_bytes()

    def reply_at(self, query: bytes, time: datetime) -> bytes:
        """Return an answer to ``query`` that states ``time``; it asks nobody whether the certificate allows it."""
        (self.folder / "info.der").write_bytes(_info(query, time))
        signed = ["-sign", "-binary", "-nodetach", "-cades", "-md", "sha256", "-econtent_type", _TST_INFO]
        signer = ["-signer", "signer.pem", "-inkey", "signer.key"]
        run(self.folder, "cms", *signed, *signer, "-in", "info.der", "-outform", "DER", "-out", "token.der")
        return _der(0x30, bytes.fromhex("3003020100") + (self.folder / "token.der").read_bytes())

    @contextmanager
    def listening(self, answer: Callable[[bytes], tuple[int, bytes]] | None = None) -> Iterator[str]:
        """Answer over HTTP on the loopback, as `reply` does or as ``answer`` says; yields the url."""
        server = _Server(answer or (lambda query: (200, self.reply(query))))
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsr"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def openssl_accepts(
    folder: Path, reply: bytes, *, stamped: bytes, ca: Path, query: bytes | None = None, at: datetime | None = None
) -> bool:
    """Return whether `openssl ts -verify` accepts ``reply``, its chain judged ``at`` some time, by default now."""
    (folder / "reply.tsr").write_bytes(reply)
    (folder / "stamped").write_bytes(stamped)
    when = [] if at is None else ["-attime", str(int(at.timestamp()))]
    command = ["openssl", "ts", "-verify", "-in", "reply.tsr", "-CAfile", str(ca), *when]
    verdicts = [subprocess.run([*command, "-data", "stamped"], cwd=folder, capture_output=True, check=False)]
    if query is not None:
        (folder / "query.tsq").write_bytes(query)
        verdicts.append(
            subprocess.run([*command, "-queryfile", "query.tsq"], cwd=folder, capture_output=True, check=False)
        )
    return all(verdict.returncode == 0 for verdict in verdicts)


def run(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)


class _Server(ThreadingHTTPServer):
    def __init__(self, answer: Callable[[bytes], tuple[int, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:  # the name that http.server calls
        assert self.headers["Content-Type"] == "application/timestamp-query"
        status, body = self.server.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.end_headers()
        with suppress(OSError):  # who asked may have left
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


def _certificate(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(not_before).not_valid_after(not_after)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _info(query: bytes, time: datetime) -> bytes:
    """Return the TSTInfo for a query as the product writes it: version, imprint of SHA-256, nonce, certReq TRUE."""
    imprint, nonce = query[5 : 5 + _IMPRINT_BYTES], query[5 + _IMPRINT_BYTES : -3]
    when = _der(0x18, time.strftime("%Y%m%d%H%M%SZ").encode())
    return _der(0x30, b"\x02\x01\x01" + _POLICY_DER + imprint + b"\x02\x01\x07" + when + nonce)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    head = bytes([size]) if size < 0x80 else bytes([0x81, size]) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + head + content
