"""What a technician reads: names beside the drop, and the page behind them."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.escape import shown
from ingest.receipt_names import MAX_DROP_NAME_BYTES, Part, State, legal_name, receipt_names
from ingest.receipts import MAX_LISTED, ReceiptState, facts, text
from ingest.receipts import html as page
from ledger.events.item import REFUSAL_REASONS

DROP_ID = "drop_7K3M9QZV2D8HN"
WORDS = ("abandon", "ability", "able", "about", "above", "absent", "absorb")
HELD = ReceiptState(
    drop_id=DROP_ID,
    name=b"CAM-07",
    state=State.HELD,
    files_seen=26,
    bytes_seen=12_345_678,
    files_sealed=26,
    bytes_sealed=12_345_678,
    checkpoint_words=WORDS,
    checkpoint_size=1041,
    checkpoint_root="ab" * 32,
    settled_by="marker",
    source_manifest="matched",
    software="strongroom 0.1.0",
)


def first_name(
    drop_name: bytes, state: State = State.HELD, part: Part = Part.PAGE, drop_id: str | None = DROP_ID
) -> bytes:
    return next(receipt_names(drop_name, state, part, drop_id=drop_id, files_sealed=26, files_seen=26))


# ----------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (State.RECEIVED, b"CAM-07  1-COPYING  DO-NOT-WIPE.html"),
        (State.COPYING, b"CAM-07  1-COPYING  DO-NOT-WIPE.html"),
        (State.HELD, b"CAM-07  2-HELD  DO-NOT-WIPE.html"),
        (State.SAFE, b"CAM-07  3-SAFE-TO-WIPE  26 of 26.html"),
        (State.PROBLEM, b"X-PROBLEM  KEEP-THE-CARD.html"),
    ],
)
def test_the_name_is_the_answer(state: State, name: bytes) -> None:
    assert first_name(b"CAM-07", state).endswith(name)
    assert first_name(b"CAM-07", state).startswith(b"CAM-07  ")


def test_the_parts_of_a_receipt_differ_by_extension_and_look_alikes_by_number() -> None:
    names = list(receipt_names(b"CAM", State.HELD, Part.PROOF, drop_id=DROP_ID, files_sealed=1, files_seen=1))
    assert names[:3] == [
        b"CAM  2-HELD  DO-NOT-WIPE.tlog-proof",
        b"CAM  2-HELD  DO-NOT-WIPE (2).tlog-proof",
        b"CAM  2-HELD  DO-NOT-WIPE (3).tlog-proof",
    ]
    assert first_name(b"CAM", part=Part.ENTRY) == b"CAM  2-HELD  DO-NOT-WIPE.entry.json"


@pytest.mark.parametrize(
    ("raw", "legal"),
    [
        (b"CAM 07 (2)", "CAM 07 (2)"),
        ("Müller".encode(), "Müller"),
        (b".hidden", "%2Ehidden"),  # its receipt must not be hidden too
        (b"ends. ", "ends.%20"),
        (b"dots..", "dots.%2E"),
        (b".", "%2E"),
        (b"a\nb\x1b[31m", "a%0Ab%1B[31m"),
        (b'\\:*?"<>|%', "%5C%3A%2A%3F%22%3C%3E%7C%25"),
        ("\u202egpj".encode(), "%E2%80%AEgpj"),
        (b"\xff\xfe", "%FF%FE"),
        ("e\u0301".encode(), "e\u0301"),  # not normalised: NFC and NFD are two drops
        ("\u00a0".encode(), "%C2%A0"),
        (b"-rf", "-rf"),
        (b"x" * 120, "x" * 120),
        (b"x" * 121, "x" * 120 + "… " + DROP_ID),
        ("ü".encode() * 61, "ü" * 60 + "… " + DROP_ID),
        (b"x" * 119 + b"\n", "x" * 119 + "… " + DROP_ID),  # an escape is not torn
    ],
)
def test_a_hostile_drop_name_becomes_a_legal_one(raw: bytes, legal: str) -> None:
    assert legal_name(raw, drop_id=DROP_ID) == legal


def test_a_cut_name_without_an_identifier_ends_with_an_ellipsis() -> None:
    assert legal_name(b"x" * 255, drop_id=None) == "x" * 120 + "…"


raw_names = st.binary(min_size=1, max_size=255) | st.text(min_size=1, max_size=85).map(
    lambda name: name.encode("utf-8", "surrogatepass")[:255]
)


@given(
    raw=raw_names,
    state=st.sampled_from(State),
    part=st.sampled_from(Part),
    drop_id=st.sampled_from([None, DROP_ID]),
    count=st.sampled_from([0, 1, 2**53]),
)
def test_every_name_is_legal_everywhere(raw: bytes, state: State, part: Part, drop_id: str | None, count: int) -> None:
    for name in receipt_names(raw, state, part, drop_id=drop_id, files_sealed=count, files_seen=count):
        assert len(name) <= 255
        shown = name.decode("utf-8")
        assert not re.search(r'[\\/:*?"<>|\x00-\x1f\x7f]', shown)
        assert shown[0] not in " ."
        assert shown.endswith(f".{part}")


@given(first=raw_names, second=raw_names)
def test_two_drops_of_short_names_never_share_a_name(first: bytes, second: bytes) -> None:
    names = {legal_name(raw, drop_id=None) for raw in (first, second)}
    if first != second and all(len(name.encode()) <= MAX_DROP_NAME_BYTES for name in names):
        assert len(names) == 2


# ------------------------------------------------------------------------------------------------------------ page


class Words(html.parser.HTMLParser):
    """The visible text, and every tag with its attributes."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.visible: list[str] = []
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self._in_style = False
        self.feed(data.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.visible.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.visible).split())


@pytest.mark.parametrize(
    ("state", "headline"),
    [
        (State.RECEIVED, "DO NOT WIPE THE CARD YET"),
        (State.COPYING, "DO NOT WIPE THE CARD YET"),
        (State.HELD, "DO NOT WIPE THE CARD YET"),
        (State.SAFE, "THE CARD MAY BE WIPED"),
        (State.PROBLEM, "KEEP THE CARD"),
    ],
)
def test_every_state_says_what_to_do_with_the_card(state: State, headline: str) -> None:
    receipt = replace(HELD, state=state)
    for words in (Words(page(receipt)).text, text(receipt).decode()):
        assert headline in words
        assert ("MAY BE WIPED" in words) == (state is State.SAFE)


def test_page_and_text_say_the_same_counts_words_and_checkpoint() -> None:
    for words in (Words(page(HELD)).text, " ".join(text(HELD).decode().split())):
        assert words.count("26 files, 12,345,678 bytes") == 2
        assert " ".join(WORDS) in words
        assert f"1,041 entries, root {'ab' * 32}" in words
        assert DROP_ID in words
        assert "a marker file lay in it" in words
        assert "all files match it" in words
        assert "strongroom 0.1.0" in words


def test_one_file_and_one_byte_are_singular() -> None:
    assert b"1 file, 1 byte\r\n" in text(replace(HELD, files_seen=1, bytes_seen=1))


def test_a_page_carries_nothing_that_runs_or_loads() -> None:
    receipt = replace(
        HELD,
        state=State.PROBLEM,
        name=b"<script>alert(1)</script>\x1b[31m\xff",
        refused=((b'"><img src=x onerror=alert(1)>', "not-a-file"), ("\u202egnp.exe".encode(), "<b>")),
        problems=("<i>odd</i>",),
    )
    words = Words(page(receipt))
    assert not {"script", "img", "link", "iframe", "b", "i", "a"} & {tag for tag, _ in words.tags}
    assert not [
        name for _, attrs in words.tags for name, _ in attrs if name.startswith("on") or name in ("src", "href")
    ]
    assert "<script>alert(1)</script>\\u001b[31m\\xff" in words.text
    assert "\\u202egnp.exe" in words.text
    for data in (page(receipt), text(receipt)):
        assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e]", data.decode("utf-8"))


def test_the_page_allows_its_own_style_and_nothing_else() -> None:
    shown = page(HELD).decode()
    style = re.search(r"<style>(.*)</style>", shown, re.DOTALL)
    policy = re.search(r"default-src 'none'; style-src 'sha256-([A-Za-z0-9+/=]+)'\"", shown)
    assert style is not None and policy is not None
    assert policy[1] == base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()


def test_what_was_refused_is_listed_with_its_reason_and_the_rest_is_counted() -> None:
    refused = tuple((b"DCIM/%05d  x.mp4" % number, "no-permission") for number in range(MAX_LISTED + 3))
    receipt = replace(HELD, state=State.PROBLEM, refused=refused, problems=("refused",))
    shown = text(receipt).decode()
    assert shown.count("the recorder has no right to read it") == MAX_LISTED
    assert "DCIM/00000  x.mp4\r\n" in shown  # blanks stay as they are
    assert "and 3 more" in shown
    assert "Not taken    203\r\n" in shown
    assert "and 3 more" in Words(page(receipt)).text


def test_a_drop_of_one_refused_file_is_listed_under_its_own_name() -> None:
    receipt = replace(HELD, state=State.PROBLEM, name=b"pipe", refused=((b"", "not-a-file"),))
    assert "  - pipe\r\n" in text(receipt).decode()


def test_every_reason_of_a_refusal_has_a_sentence() -> None:
    for reason in REFUSAL_REASONS:
        shown = text(replace(HELD, state=State.PROBLEM, refused=((b"x", reason),))).decode()
        assert f"  - x\r\n    {reason}\r\n" not in shown


def test_the_same_state_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from ingest.receipts import ReceiptState, html, text\n"
        "from ingest.receipt_names import State\n"
        f"state = {HELD!r}\n".replace("<State.HELD: 'held'>", "State.HELD")
        + "sys.stdout.buffer.write(html(state) + text(state))"
    )
    written = {
        subprocess.run(
            [sys.executable, "-P", "-c", program, *sys.path],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert written == {page(HELD) + text(HELD)}


def test_the_template_and_its_style_are_part_of_the_package() -> None:
    import ingest.receipts

    folder = Path(ingest.receipts.__file__).parent
    assert {"receipt.html.jinja", "receipt.css"} <= {path.name for path in folder.iterdir()}


# ------------------------------------------------------------------------------------------------------- programs


def test_for_programs_everything_missing_is_listed_and_no_number_is_too_large() -> None:
    refused = tuple((b"\xff%d" % n, "read-error") for n in range(MAX_LISTED + 1))
    state = replace(HELD, state=State.PROBLEM, refused=refused, problems=("refusals",), bytes_seen=3 * 2**63)
    told = json.loads(facts(state))
    assert len(told["missing"]) == MAX_LISTED + 1
    assert told["missing"][0] == {"path": shown(refused[0][0]), "reason": "read-error"}
    assert (told["state"], told["problems"], told["bytes"]) == ("problem", ["refusals"], 3 * 2**63)
    assert told["checkpoint"] == {"size": 1041, "root": "ab" * 32, "words": list(WORDS)}


def test_before_a_drop_is_complete_there_is_no_checkpoint_for_programs() -> None:
    state = replace(HELD, state=State.COPYING, checkpoint_words=None, checkpoint_size=None, checkpoint_root=None)
    assert json.loads(facts(state))["checkpoint"] is None
