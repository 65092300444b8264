"""What `watch` says while it works: one line that is written over on a terminal, else one each minute."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from program import make_site
from turns import Turns

from commands.progress import HEARTBEAT_S
from commands.watch_progress import WatchProgress, copying_line
from ingest.progress import Underway

LARGE = 192 << 20  # bytes; the reader says how far it is every 64 MiB


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def underway(done: int, total: int, *, name: bytes = b"card", drop: str = "drop_0") -> Underway:
    return Underway(drop_id=drop, name=name, files_done=1, files=3, bytes_done=done, bytes=total)


@pytest.mark.parametrize(
    ("now", "bytes_per_s", "line"),
    [
        (underway(0, 900), 0.0, "copying card: 1 of 3 files, 0 of 900 bytes"),
        (underway(1_000, 2_500), 1e3, "copying card: 1 of 3 files, 1.0 of 2.5 kB, 0.0 MB/s, 0:00:02 left"),
        (underway(4 * 10**9, 8 * 10**9), 1e6, "copying card: 1 of 3 files, 4.0 of 8.0 GB, 1.0 MB/s, 1:06:40 left"),
        (underway(0, 0, name=b"\x1b[31m"), 0.0, "copying \\u001b[31m: 1 of 3 files, 0 of 0 bytes"),
    ],
)
def test_the_line_says_files_bytes_rate_and_time_left(now: Underway, bytes_per_s: float, line: str) -> None:
    assert copying_line(now, bytes_per_s=bytes_per_s) == line


def test_on_a_terminal_the_line_is_written_over_and_taken_away_for_others() -> None:
    stream, now_s = Stream(terminal=True), [0.0]
    with WatchProgress(stream, clock=lambda: now_s[0]) as progress:
        for second in range(1, 4):
            now_s[0] = float(second)
            progress.copying(underway(second * 10**9, 4 * 10**9))
        assert "\n" not in stream.getvalue()
        assert stream.getvalue().endswith("3.0 of 4.0 GB, 1,000.0 MB/s, 0:00:01 left")
        progress.clear()
        assert stream.getvalue().endswith("\r\x1b[K")
        progress.waiting(drops=0, items=0)
        progress.copying(underway(4 * 10**9, 4 * 10**9))  # too soon after the last one
    assert stream.getvalue().count("copying card") == 3


def test_elsewhere_there_is_a_line_each_minute_while_there_is_work() -> None:
    stream, now_s = Stream(terminal=False), [0.0]
    with WatchProgress(stream, clock=lambda: now_s[0]) as progress:
        for second in range(1, int(3 * HEARTBEAT_S)):
            now_s[0] = float(second)
            progress.copying(underway(second, 999))
        now_s[0] += HEARTBEAT_S
        progress.waiting(drops=2, items=0)
        now_s[0] += HEARTBEAT_S
        progress.waiting(drops=0, items=0)
    first, second_line, third = stream.getvalue().splitlines()
    assert first.startswith("copying card: 1 of 3 files, 60 of 999 bytes")
    assert second_line.startswith("copying card")
    assert third == "waiting: 2 drops not finished, 0 items not looked at"


def test_a_drop_that_goes_on_after_a_pause_has_a_rate_of_its_own() -> None:
    stream, now_s = Stream(terminal=True), [0.0]
    with WatchProgress(stream, clock=lambda: now_s[0]) as progress:
        for done, at_s in ((0, 1.0), (10**9, 2.0), (10**9, 3600.0), (2 * 10**9, 3601.0)):
            now_s[0] = at_s
            progress.copying(underway(done, 2 * 10**9))
            if at_s == 2.0:
                progress.waiting(drops=1, items=0)
    assert "2.0 of 2.0 GB, 1,000.0 MB/s" in stream.getvalue()


class Listener:
    """Notes all that it is told."""

    def __init__(self) -> None:
        self.heard: list[Underway] = []
        self.waited: list[tuple[int, int]] = []

    def copying(self, underway: Underway) -> None:
        self.heard.append(underway)

    def waiting(self, *, drops: int, items: int) -> None:
        self.waited.append((drops, items))


def test_the_recorder_says_how_far_it_is_also_in_the_middle_of_one_large_file(tmp_path: Path) -> None:
    site, listener = make_site(tmp_path, settle_s=1), Listener()
    site.drop("card", {"a": b"a" * 1000, "link-target": b""})
    with open(site.share / "card" / "large.mp4", "wb") as large:
        large.truncate(LARGE)
    (site.share / "card" / "link").symlink_to("a")
    turns = Turns(site, audience=listener)
    with turns.watcher:
        turns.after(1)
        assert listener.waited[-1] == (1, 0)
        for _ in range(3):
            turns.after(2)
        assert turns.states("card") == ["received", "copying", "problem"]
    done = [each.bytes_done for each in listener.heard]
    assert done == sorted(done)
    assert len({each for each in done if 1000 < each < LARGE}) >= 2, "said while the large file was being read"
    assert all(each.bytes == LARGE + 1000 and 0 <= each.files_done <= each.files for each in listener.heard)
    assert (done[0], done[-1]) == (0, LARGE + 1000)
    assert listener.waited[-1] == (0, 0)
