"""Which intra frames are kept as pictures, and why: first, last, cut, activity-peak, coverage.

One pass: a frame is offered once, in stored order, and is gone afterwards, so that the choice is made on the way.
Coverage is planned from the list of packets before the first frame is decoded; of the cuts the strongest stay; each of
some equal spans of time keeps its strongest change, and those that stand out become peaks. ``last`` is the last intra
frame that could be decoded: what the recording shows behind it is tier 2's to say.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_low

from media.child.activity import Difference
from media.child.decoder import IntraFrame, Packets
from media.child.pictures import KeptPicture, encoded, original_jpeg
from media.report import Reason

_COVERAGE_INTERVAL_S = 2  # never closer
_COVERAGE_LEAST = 12
_PEAK_LUMA = Fraction(1)  # a weaker change than this is noise
_PEAK_OVER_MEDIAN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A frame that stays, with its picture."""

    pts: int
    reason: Reason
    difference: Difference | None
    picture: KeptPicture


@dataclass(frozen=True, slots=True)
class _Candidate:
    frame: IntraFrame
    difference: Difference


class Keeper:
    """Chooses among the frames it is offered; holds a bounded number of pictures."""

    def __init__(self, packets: Packets, *, most: int, most_bytes: int) -> None:
        self._packets = packets
        self._most_bytes = most_bytes
        self._most_cuts = most // 3
        self._spans = max(1, most // 5)
        self._planned = _coverage(packets, most=most - 2 - self._most_cuts - self._spans)
        self._kept: list[Kept] = []
        self._cuts: list[Kept] = []
        self._peaks: list[Kept] = []
        self._strongest: dict[int, _Candidate] = {}
        self._lumas: list[Fraction] = []
        self._last: tuple[IntraFrame, Difference | None] | None = None
        self.dropped = 0  # pictures given up because the reply is bounded

    def offer(self, frame: IntraFrame, difference: Difference | None) -> None:
        """Look at the next frame; ``difference`` is that from the frame before, None for the first."""
        first = self._last is None
        self._last = frame, difference
        if difference is not None:
            self._lumas.append(difference.luma)
        if first:
            self._keep(self._kept, frame, "first", difference)
        elif difference is not None and difference.is_cut:
            self._keep_cut(frame, difference)
        elif frame.pts in self._planned:
            self._keep(self._kept, frame, "coverage", difference)
        elif difference is not None:
            self._remember_peak(frame, difference)

    def close(self) -> list[Kept]:
        """Return what is kept, in order of presentation."""
        for span in sorted(self._strongest):
            self._render_peak(self._strongest[span])
        threshold = self._threshold()
        peaks = [kept for kept in self._peaks if kept.difference and kept.difference.luma >= threshold]
        chosen = {kept.pts: kept for kept in [*peaks, *self._kept, *self._cuts]}
        self._add_last(chosen)
        return self._within_bytes([chosen[pts] for pts in sorted(chosen)])

    def _keep(self, to: list[Kept], frame: IntraFrame, reason: Reason, difference: Difference | None) -> None:
        if frame.packet is None:
            picture = encoded(frame.picture, rotation=self._packets.rotation)
        else:
            picture = original_jpeg(frame.packet, rotation=self._packets.rotation)
        if picture is not None:
            to.append(Kept(pts=frame.pts, reason=reason, difference=difference, picture=picture))

    def _keep_cut(self, frame: IntraFrame, difference: Difference) -> None:
        self._keep(self._cuts, frame, "cut", difference)
        if len(self._cuts) > self._most_cuts:
            self._cuts.remove(min(self._cuts, key=_strength))
            self.dropped += 1

    def _remember_peak(self, frame: IntraFrame, difference: Difference) -> None:
        """Keep the strongest change of each span; the frames of a span lie together, so that few wait unencoded."""
        if difference.luma < _PEAK_LUMA:
            return
        span = self._span_of(frame.pts)
        held = self._strongest.get(span)
        if held is None or difference.luma > held.difference.luma:
            self._strongest[span] = _Candidate(frame, difference)
        for finished in [other for other in self._strongest if other < span - 1]:
            self._render_peak(self._strongest.pop(finished))

    def _threshold(self) -> Fraction:
        """Return the least change that stands out among those seen so far."""
        return max(_PEAK_LUMA, _PEAK_OVER_MEDIAN * median_low(self._lumas)) if self._lumas else _PEAK_LUMA

    def _render_peak(self, candidate: _Candidate) -> None:
        if candidate.difference.luma >= self._threshold():
            self._keep(self._peaks, candidate.frame, "activity-peak", candidate.difference)

    def _span_of(self, pts: int) -> int:
        keys = self._packets.keys
        length = keys[-1] - keys[0] + 1 if keys else 1
        return (pts - (keys[0] if keys else 0)) * self._spans // length

    def _add_last(self, chosen: dict[int, Kept]) -> None:
        if self._last is None:
            return
        frame, difference = self._last
        held = chosen.get(frame.pts)
        if held is None or held.reason in ("coverage", "activity-peak"):
            last: list[Kept] = []
            self._keep(last, frame, "last", difference)
            chosen.update({kept.pts: kept for kept in last})

    def _within_bytes(self, kept: list[Kept]) -> list[Kept]:
        """Give up coverage first, then the weakest peaks and cuts, until the pictures fit into the reply."""
        size_bytes = sum(len(one.picture.data) for one in kept)
        expendable = sorted(kept, key=lambda one: (_RANK[one.reason], _strength(one)))
        given_up = set()
        while size_bytes > self._most_bytes and expendable:
            one = expendable.pop(0)
            size_bytes -= len(one.picture.data)
            given_up.add(one.pts)
        self.dropped += len(given_up)
        return [one for one in kept if one.pts not in given_up]


_RANK: dict[Reason, int] = {"coverage": 0, "activity-peak": 1, "cut": 2, "thumbnail": 3, "last": 4, "first": 5}


def _strength(kept: Kept) -> Fraction:
    return kept.difference.luma if kept.difference else Fraction(0)


def _coverage(packets: Packets, *, most: int) -> frozenset[int]:
    """Return the stamps of those intra frames that show the recording at regular intervals, quiet hours included."""
    keys = packets.keys
    if not keys or most < 1:
        return frozenset()
    length = packets.seconds(keys[-1] - keys[0])
    number = min(most, _COVERAGE_LEAST + int(length / 60))  # a dozen, and one more for every minute
    interval = max(Fraction(_COVERAGE_INTERVAL_S), length / number)
    step = max(1, int(interval / packets.unit))
    wanted = range(keys[0] + step, keys[-1], step)
    return frozenset(keys[bisect_left(keys, pts)] for pts in wanted[:number])
