"""`verify` and time stamps: a good one is told, a bad one is damage but not to the log, an unreadable one is open."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store_of_log import copied
from time_stamper import TimeStamper

from catalog.audit.report import audit
from catalog.rebuild import rebuild
from catalog.verification import verify_store
from hashing.time_stamp import Authority
from ledger.history import ALWAYS
from ledger.layout import StoreLayout
from ledger.lodging import lodge_copy
from ledger.store_reader import StoreReader
from ledger.succession import succeed
from ledger.time_stamps import keep_reply, query_newest

pytestmark = pytest.mark.needs("openssl")

BY = "actor_0123456789ABC"


@pytest.fixture(scope="module")
def stamper(tmp_path_factory: pytest.TempPathFactory) -> TimeStamper:
    return TimeStamper(tmp_path_factory.mktemp("authority") / "one")


@pytest.fixture
def layout(tmp_path: Path, stamper: TimeStamper) -> StoreLayout:
    """A store whose newest checkpoint but one is stamped by the authority that is set."""
    layout = copied(tmp_path / "store")
    put_authority(layout, stamper.ca)
    query = query_newest(layout)
    authority = Authority(name="one", certificates=stamper.ca.read_bytes())
    keep_reply(layout, authority, query, stamper.reply(query.data), where=None)
    rebuild(layout)
    return layout


def put_authority(layout: StoreLayout, certificate: Path) -> None:
    layout.settings.write_text(f'[[tsa]]\nname = "one"\ncertificate = "{certificate}"\n')


def told(layout: StoreLayout) -> list[dict[str, object]]:
    log = verify_store(layout).as_json()["log"]
    assert isinstance(log, dict)
    stamps = log["timestamps"]
    assert isinstance(stamps, list)
    return stamps


def test_a_good_time_stamp_is_told(layout: StoreLayout) -> None:
    result = verify_store(layout)
    assert result.exit_code == 0
    (stamp,) = told(layout)
    assert (stamp["tsa"], stamp["verdict"], stamp["found"]) == ("one", "ok", "")
    assert str(stamp["time"]).startswith("20")
    assert any(name == "stamped by one" and "existed at 20" in words for name, words in result.summary())


def test_a_changed_token_is_named_and_the_log_is_not_blamed(layout: StoreLayout) -> None:
    (token,) = layout.lodged.rglob("*.tsr")
    data = token.read_bytes()
    token.unlink()
    token.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    result = verify_store(layout)
    assert result.exit_code == 20
    (finding,) = result.findings
    assert finding.code == "time-stamp-invalid"
    assert finding.object == f"private/lodged/{token.parent.name}/{token.name}"
    assert "time stamp" in result.headline
    assert told(layout)[0]["verdict"] == "bad"


@pytest.mark.parametrize("settings", ["", "broken = ["])
def test_without_its_authority_it_could_not_be_checked(layout: StoreLayout, settings: str) -> None:
    layout.settings.write_text(settings)
    result = verify_store(layout)
    assert result.exit_code == 6
    assert [sentence.split(":")[0] for sentence in result.not_checked] == ["1 time stamp on checkpoints"]
    assert told(layout)[0]["verdict"] == "unchecked"


def test_without_the_library_it_could_not_be_checked(layout: StoreLayout) -> None:
    program = f"""
import sys
sys.modules["rfc3161_client"] = None
sys.argv = ["strongroom", "verify", "--store", {str(layout.root)!r}]
import cli
sys.exit(cli.main())
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    assert "pip install 'strongroom[tsa]'" in " ".join(done.stdout.split())


def lodging(layout: StoreLayout) -> list[str]:
    with StoreReader(layout) as log:
        report = audit(
            layout,
            log,
            period=ALWAYS,
            classes=set(),
            users={},
            now=datetime.now(UTC),
            progress=lambda done, total: None,
        )
    (section,) = (section for section in report.sections if section.code == "lodging")
    return list(section.says)


def test_an_audit_does_not_take_a_stamp_for_a_memory(layout: StoreLayout) -> None:
    """The authority has a digest at most: it would not notice that the log was put back."""
    says = lodging(layout)
    assert says[0].startswith("No lodged checkpoint is kept here")
    assert says[-1].startswith("1 checkpoint was time-stamped")
    size = lodge_copy(layout, where=None).checkpoint.size
    assert lodging(layout)[0].startswith(f"The largest covers {size:,} entries")


def test_stamps_of_a_closed_log_are_checked_with_it(layout: StoreLayout) -> None:
    succeed(layout, origin="strongroom/TESTSTORE0001", ended="closed", reason="year", by=BY, role="custodian")
    rebuild(layout)
    result = verify_store(layout)
    assert result.exit_code == 0
    assert [one.log.time_stamps[0].verdict for one in result.earlier] == ["ok"]
    (token,) = layout.closed.rglob("*.tsr")
    token.unlink()
    token.write_bytes(b"garbage")
    (finding,) = verify_store(layout).findings
    assert finding.object == str(token.relative_to(layout.root))
