"""Make the samples again: draw every picture, encode it with ffmpeg, and write down what is true of it.

    python -P sample_media/make_samples.py

replaces ``drops/`` and ``expected/`` beside this file. Wants ``ffmpeg`` and ``ffprobe`` with libx264 on the PATH
(Debian: apt-get install ffmpeg). Another version of the encoder gives other bytes with the same frames and stamps.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sample_media import vendor
from sample_media.exif import Camera as ExifCamera
from sample_media.exif import with_exif
from sample_media.recipes import CLIPS, MAKE, MODEL, SERIAL, STILLS, TICKS_PER_SECOND, Clip, Damage, Still
from sample_media.scene import Camera, Take, yard
from sample_media.truth import SampleError, Truth, plain_truth, probe, still_truth, video_truth, write_truth

_NOISE = 2.5  # standard deviation, of 255
_OWNER = "EXAMPLE OWNER"
# 0.36 seconds = 0.0001 degrees north and east, open ocean: a position to withhold that is nobody's.
_OCEAN = ((0, 0, 36), (0, 0, 36))
_QUIET = ("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "1")
# Without these the encoder writes its own version and random identifiers into the file.
_BIT_EXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1")
# Else ffmpeg rounds uneven stamps to the nominal rate before they reach the encoder.
_FINE_STAMPS = ("-enc_time_base", f"1:{TICKS_PER_SECOND}")

SIDE_FILES = {
    "card-b/INDEX.DAT": "the recorder's index of its recordings (invented format)",
    "card-b/PLAYER.CFG": "settings of the vendor's player",
    "card-b/READ_ME.TXT": "the vendor's text for the buyer",
}
MARKERS = {
    "card-a/SHA256SUMS": "digests of the card's files: the drop settles at once, and is checked",
    "card-b/DONE": "an empty marker: the drop settles at once",
}


def make_all(folder: Path) -> None:
    """Write ``drops/`` and ``expected/`` below the empty ``folder``. Raises SampleError if one is not as drawn."""
    drops = folder / "drops"
    for name in (recipe.name for recipe in (*CLIPS, *STILLS)):
        (drops / name).parent.mkdir(parents=True, exist_ok=True)
    truths = [make_clip(drops, clip) for clip in CLIPS]
    truths += [make_still(drops, still) for still in STILLS]
    truths += make_side_files(drops)
    truths += make_markers(drops)
    for truth in truths:
        write_truth(folder / "expected" / f"{truth['name']}.expected.json", truth)


def make_clip(drops: Path, clip: Clip) -> Truth:
    """Draw, encode and, if the recipe says so, damage one recording. Return what is true of it."""
    camera = Camera(
        width=clip.width,
        height=clip.height,
        takes=clip.takes,
        light_steps=clip.light_steps,
        started=clip.device_time,
    )
    path = drops / clip.name
    pictures = (camera.picture(stamp / TICKS_PER_SECOND, noise=_NOISE) for stamp in clip.stamps_90k)
    encode(pictures, clip, path)
    damage = overwrite(path, clip.damage) if clip.damage else None
    return video_truth(path, clip, events=camera.events(), damage=damage)


def encode(pictures: Iterable[bytes], clip: Clip, path: Path) -> None:
    """Pipe raw pictures through ffmpeg into ``path``."""
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{clip.width}x{clip.height}")
    rate = str(clip.frame_rate or 25)
    command = [*_QUIET, *source, "-framerate", rate, "-i", "pipe:0", "-an", *clip.encoder, *_BIT_EXACT]
    if clip.frame_rate is None:
        command += ["-vf", stamp_filter(clip.stamps_90k), "-fps_mode", "passthrough", *_FINE_STAMPS]
    command += ["-map_metadata", "-1", *metadata(clip), *container_options(path), str(path)]
    run(command, pictures)


def stamp_filter(stamps_90k: Sequence[int]) -> str:
    """Return the filter that gives frame n the n-th stamp."""
    # ffmpeg can read stamps from no plain file; a sum with one term a frame is the shortest way to state them.
    terms = "+".join(f"eq(N\\,{number})*{stamp}" for number, stamp in enumerate(stamps_90k))
    return f"settb=1/{TICKS_PER_SECOND},setpts={terms}"


def metadata(clip: Clip) -> list[str]:
    """Return what a recorder writes about itself. RIFF (AVI) has no creation_time, only a date in free text."""
    moment = clip.device_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {"creation_time": moment, "make": MAKE, "model": MODEL, "serial_number": SERIAL}
    if clip.name.endswith(".AVI"):
        fields = {"date": clip.device_time.strftime("%Y-%m-%d %H:%M:%S"), "title": f"{MAKE} {MODEL} {SERIAL}"}
    return [argument for name, value in fields.items() for argument in ("-metadata", f"{name}={value}")]


def container_options(path: Path) -> list[str]:
    """Return the options of the container that the name asks for."""
    match path.suffix:
        case ".MP4":
            return ["-video_track_timescale", str(TICKS_PER_SECOND), "-movflags", "use_metadata_tags", "-f", "mp4"]
        case ".MKV":
            return ["-f", "matroska"]
        case ".AVI":
            return ["-f", "avi"]
        case other:
            raise SampleError(f"{path.name}: no container is known for {other!r}")


def overwrite(path: Path, damage: Damage) -> dict[str, int]:
    """Overwrite the frames that the recipe names, as a dying card does. Return where, and how many bytes."""
    packets = probe(path).packets[damage.first_frame : damage.first_frame + damage.frames]
    offset, size_bytes = packets[0].offset, sum(packet.size_bytes for packet in packets)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * size_bytes)
    return {"offset": offset, "size_bytes": size_bytes}


def make_still(drops: Path, still: Still) -> Truth:
    """Draw one photograph and put the EXIF block into it. Return what is true of it."""
    large = jpeg(still, width=still.width, height=still.height)
    width, height = still.thumbnail
    thumbnail = jpeg(still, width=width, height=height)
    camera = ExifCamera(make=MAKE, model=MODEL, serial=SERIAL, owner=_OWNER, position=_OCEAN)
    path = drops / still.name
    path.write_bytes(with_exif(large, camera=camera, taken=still.device_time, thumbnail=thumbnail))
    who = {"make": MAKE, "model": MODEL, "serial": SERIAL, "owner": _OWNER}
    exif = {**who, "latitude": "0.0001", "longitude": "0.0001"}
    return still_truth(path, still, exif=exif, thumbnail=thumbnail)


def jpeg(still: Still, *, width: int, height: int) -> bytes:
    """Return the photograph in this size."""
    take = Take(view=yard, movers=still.movers)
    camera = Camera(width=width, height=height, takes=[take], light_steps=[], started=still.device_time)
    picture = camera.picture(still.moment_s, noise=_NOISE)
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "pipe:0"]
    return run([*_QUIET, *source, "-pix_fmt", "yuvj420p", "-q:v", "4", *_BIT_EXACT, "-f", "mjpeg", "pipe:1"], [picture])


def make_side_files(drops: Path) -> list[Truth]:
    """Write the vendor's files of card B. Return what is true of them."""
    clips = [clip for clip in CLIPS if clip.name.startswith("card-b/")]
    (drops / "card-b/INDEX.DAT").write_bytes(vendor.index_dat(clips))
    (drops / "card-b/PLAYER.CFG").write_bytes(vendor.player_cfg())
    (drops / "card-b/READ_ME.TXT").write_bytes(vendor.read_me_txt())
    return [plain_truth(drops / name, name, kind="side-file", what=what) for name, what in SIDE_FILES.items()]


def make_markers(drops: Path) -> list[Truth]:
    """Write what tells the watcher that a card is complete. Return what is true of it."""
    card = drops / "card-a"
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(card.iterdir())]
    (card / "SHA256SUMS").write_text("".join(lines), encoding="ascii")
    (drops / "card-b/DONE").write_bytes(b"")
    return [plain_truth(drops / name, name, kind="marker", what=what) for name, what in MARKERS.items()]


def run(command: Sequence[str], pictures: Iterable[bytes]) -> bytes:
    """Feed the pictures to ``command`` and return what it writes. Raises SampleError with its complaint."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        try:
            for picture in pictures:
                process.stdin.write(picture)
        except BrokenPipeError:
            pass  # it ended early; what it says tells why
        written, complaint = process.communicate()
    if process.returncode != 0:
        raise SampleError(f"{command[0]} failed: {complaint.decode(errors='replace').strip()}")
    return written


def replace(folder: Path, fresh: Path) -> None:
    """Put what was just made into the place of what stands there."""
    for name in ("drops", "expected"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (fresh / name).rename(folder / name)


def main() -> int:
    """Make everything again beside this file."""
    missing = [tool for tool in ("ffmpeg", "ffprobe") if shutil.which(tool) is None]
    if missing:
        print(f"{' and '.join(missing)} wanted. On Debian or Ubuntu:  sudo apt-get install -y ffmpeg", file=sys.stderr)
        return 8
    folder = Path(__file__).resolve().parent
    try:
        with TemporaryDirectory(dir=folder, prefix=".making-") as fresh:
            make_all(Path(fresh))
            replace(folder, Path(fresh))
    except SampleError as problem:
        print(f"{problem}. The samples are as they were.", file=sys.stderr)
        return 1
    total_bytes = sum(path.stat().st_size for path in (folder / "drops").rglob("*") if path.is_file())
    print(f"samples made: {total_bytes:,} bytes below {folder / 'drops'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
