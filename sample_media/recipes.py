"""What is on the two cards: one recipe a file. A new sample is one more entry here and a line in SOURCES.md.

The stamps of a clip are what the generator intends; ``truth.py`` checks them against what the encoder wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from sample_media.scene import Figure, LightStep, Mover, Take, Van, gate, yard

TICKS_PER_SECOND = 90_000

MAKE, MODEL, SERIAL = "EXAMPLE OPTICS", "MODEL-0", "SAMPLE-0000"

# The device's own clock, far from any real event. Whether it runs right is not for the card to say.
NIGHT = datetime(2031, 3, 14, 22, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Stored frames that are overwritten, whole, after encoding; counted from 0 in the order of storage."""

    first_frame: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording."""

    name: str
    device_time: datetime
    width: int
    height: int
    stamps_90k: tuple[int, ...]  # when each frame is shown, in 1/90000 s from the start
    takes: tuple[Take, ...]
    encoder: tuple[str, ...]  # arguments of ffmpeg
    light_steps: tuple[LightStep, ...] = ()
    frame_rate: Fraction | None = None  # None: the stamps are not even
    damage: Damage | None = None

    @property
    def cuts_s(self) -> list[float]:
        """Return the first moment of every take but the first."""
        return [take.starts_s for take in self.takes[1:]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """One photograph with EXIF fields and the thumbnail that cameras put beside them."""

    name: str
    device_time: datetime
    width: int
    height: int
    movers: tuple[Mover, ...]
    moment_s: float
    thumbnail: tuple[int, int] = (160, 90)


def even_stamps(frame_rate: Fraction, *, seconds: int) -> tuple[int, ...]:
    """Return the stamps of a recording with a fixed frame rate."""
    return tuple(int(n * TICKS_PER_SECOND / frame_rate) for n in range(int(seconds * frame_rate)))


def uneven_stamps(*, seconds: int, busy_from_s: int, busy_to_s: int) -> tuple[int, ...]:
    """Return the stamps of a camera that takes 2 frames a second, and 10 while it believes that something moves.

    No two neighbouring gaps of the busy part are equal: a reader that multiplies frame numbers by a rate is wrong.
    """
    stamps = [0]
    while True:
        busy = busy_from_s * TICKS_PER_SECOND <= stamps[-1] < busy_to_s * TICKS_PER_SECOND
        gap = (9_000 if busy else 45_000) + len(stamps) * 7 % 5 * 450 - 900
        if stamps[-1] + gap >= seconds * TICKS_PER_SECOND:
            return tuple(stamps)
        stamps.append(stamps[-1] + gap)


def h264(*, key_frame_every: int, quality: int = 26, b_frames: int = 0) -> tuple[str, ...]:
    """Return encoder arguments. Nothing is left to scene detection: key frames stand where they are wanted."""
    fixed = f"keyint={key_frame_every}:min-keyint={key_frame_every}:scenecut=0:b-adapt=0:bframes={b_frames}:threads=1"
    return ("-c:v", "libx264", "-preset", "slow", "-crf", str(quality), "-x264-params", fixed, "-pix_fmt", "yuv420p")


MJPEG = ("-c:v", "mjpeg", "-q:v", "7", "-pix_fmt", "yuvj420p", "-huffman", "default")

CLIPS = (
    Clip(
        name="card-a/CLIP0001.MP4",
        device_time=NIGHT,
        width=640,
        height=360,
        frame_rate=Fraction(10),
        stamps_90k=even_stamps(Fraction(10), seconds=28),
        encoder=h264(key_frame_every=40, b_frames=2),
        takes=(
            Take(
                view=yard,
                movers=(
                    Van(
                        what="a van comes from the left, stands, and leaves to the right",
                        path=((8, -0.8), (11.5, 0.85), (16, 0.85), (19.5, 2.8)),
                    ),
                ),
            ),
        ),
    ),
    Clip(
        name="card-a/CLIP0002.MKV",
        device_time=NIGHT + timedelta(minutes=14),
        width=640,
        height=360,
        frame_rate=Fraction(12),
        stamps_90k=even_stamps(Fraction(12), seconds=25),
        encoder=h264(key_frame_every=36),
        light_steps=(LightStep(at_s=16, gain=1.45),),
        takes=(
            Take(
                view=yard,
                movers=(
                    Figure(
                        what="a figure with a torch crosses from the right", path=((7, 2.3), (14, -0.5)), torch=True
                    ),
                ),
            ),
            Take(view=gate, starts_s=20),
        ),
    ),
    Clip(
        name="card-a/CLIP0003.MP4",
        device_time=NIGHT + timedelta(minutes=31),
        width=640,
        height=360,
        frame_rate=Fraction(15),
        stamps_90k=even_stamps(Fraction(15), seconds=5),
        encoder=h264(key_frame_every=15),
        takes=(
            Take(
                view=gate,
                movers=(
                    Figure(
                        what="a figure with a box passes close to the camera",
                        path=((1, -0.4), (4, 2.2)),
                        height=0.72,
                        ground=1.02,
                        box=True,
                    ),
                ),
            ),
        ),
    ),
    Clip(
        name="card-b/REC_0001.AVI",
        device_time=NIGHT + timedelta(hours=1),
        width=480,
        height=272,
        frame_rate=Fraction(8),
        stamps_90k=even_stamps(Fraction(8), seconds=10),
        encoder=MJPEG,
        takes=(
            Take(
                view=gate,
                movers=(
                    Figure(what="a figure comes from the left", path=((3, -0.3), (5, 0.75), (6, 0.75), (8, -0.4))),
                    Figure(what="another from the right", path=((3, 2.1), (5, 1.0), (6, 1.0), (8, 2.2)), box=True),
                ),
            ),
        ),
    ),
    Clip(
        name="card-b/REC_0002.MP4",
        device_time=NIGHT + timedelta(hours=1, minutes=9),
        width=640,
        height=360,
        stamps_90k=uneven_stamps(seconds=24, busy_from_s=9, busy_to_s=15),
        encoder=h264(key_frame_every=20, quality=30),
        takes=(
            Take(
                view=yard,
                movers=(Van(what="a van crosses from the right", path=((9, 2.6), (14, -0.8)), body=(72, 88, 112)),),
            ),
        ),
    ),
    Clip(
        name="card-b/REC_0003.MP4",
        device_time=NIGHT + timedelta(hours=1, minutes=20),
        width=640,
        height=360,
        frame_rate=Fraction(10),
        stamps_90k=even_stamps(Fraction(10), seconds=12),
        encoder=h264(key_frame_every=20),
        # The last frames before a key frame: all decoders lose these five and no more.
        damage=Damage(first_frame=55, frames=5),
        takes=(
            Take(
                view=yard,
                movers=(
                    Figure(what="a figure crosses from the left", path=((3, -0.3), (9, 2.2)), coat=(128, 118, 96)),
                ),
            ),
        ),
    ),
)

STILLS = (
    Still(
        name="card-b/IMG_0001.JPG",
        device_time=NIGHT + timedelta(hours=1, minutes=9, seconds=12),
        width=1280,
        height=720,
        movers=(Van(what="a van stands in the yard", path=((0, 0.95), (2, 0.9)), body=(72, 88, 112)),),
        moment_s=1,
    ),
)
