"""What crosses the view is noticed when it is to be seen, and the same moment always gives the same picture."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pytest

from sample_media.scene import Camera, Figure, LightStep, Take, Van, direction, gate, position, yard

WIDTH, HEIGHT = 160, 90
STARTED = datetime(2031, 3, 14, 22, 10, tzinfo=UTC)
WALKER = Figure(what="a walker", path=((2, -1.0), (4, 0.6), (5, 0.6), (7, -1.0)))


def camera(*takes: Take, light_steps: tuple[LightStep, ...] = ()) -> Camera:
    return Camera(width=WIDTH, height=HEIGHT, takes=takes, light_steps=light_steps, started=STARTED)


def seen(subject: Camera, at_s: float, *, noise: float = 0) -> npt.NDArray[np.float32]:
    pixels = np.frombuffer(subject.picture(at_s, noise=noise), dtype=np.uint8).reshape(HEIGHT, WIDTH, 3)
    return pixels.astype(np.float32)


def test_an_event_lasts_while_something_is_to_be_seen_not_while_it_is_on_its_way() -> None:
    subject = camera(Take(view=yard, movers=(WALKER,)))
    for tenths in range(100):
        subject.picture(tenths / 10, noise=0)
    (event,) = subject.events()
    assert 2.9 < event.start_s < 3.5  # x = 0 is reached at 3.25 s
    assert 3.5 < event.peak_s < 5.6
    assert 5.5 < event.end_s < 6.1
    assert event.what == "a walker"


def test_two_passages_with_a_quiet_moment_between_them_are_two_events() -> None:
    later = replace(WALKER, what="another", path=tuple((moment + 10, x) for moment, x in WALKER.path))
    subject = camera(Take(view=yard, movers=(WALKER, later)))
    for halves in range(40):
        subject.picture(halves / 2, noise=0)
    assert [event.what for event in subject.events()] == ["a walker", "another"]


def test_neither_noise_nor_the_clock_nor_a_step_of_light_nor_a_cut_is_an_event() -> None:
    steps = (LightStep(at_s=2, gain=1.5),)
    subject = camera(Take(view=yard), Take(view=gate, starts_s=4), light_steps=steps)
    for second in range(8):
        subject.picture(second, noise=5)
    assert subject.events() == []


def test_a_cut_and_a_step_of_light_change_the_picture_from_their_moment_on() -> None:
    subject = camera(Take(view=yard), Take(view=gate, starts_s=4), light_steps=(LightStep(at_s=2, gain=1.5),))
    lit = {at_s: seen(subject, at_s)[:60].mean() for at_s in (1.9, 2.0, 3.9, 4.0)}
    assert lit[2.0] == pytest.approx(1.5 * lit[1.9], rel=0.03)
    assert lit[3.9] == lit[2.0]
    assert lit[4.0] > lit[3.9] + 30


def test_the_clock_changes_with_the_second_and_stands_in_the_lower_left_corner() -> None:
    subject = camera(Take(view=yard))
    first, same, next_second = seen(subject, 0), seen(subject, 0.9), seen(subject, 1)
    assert np.array_equal(first, same)
    rows, columns, _ = np.nonzero(first != next_second)
    assert rows.min() >= HEIGHT - 9
    assert columns.max() <= 19 * 6 + 2


def test_two_frames_differ_by_their_noise_and_two_cameras_do_not() -> None:
    one, other = camera(Take(view=yard)), camera(Take(view=yard))
    first, second = seen(one, 0, noise=4), seen(one, 0, noise=4)
    assert 2 < np.abs(first - second).mean() < 8
    assert np.array_equal(first, seen(other, 0, noise=4))


@pytest.mark.parametrize(
    ("at_s", "x", "heading"),
    [
        (2, -1.0, 1),
        (3, -0.2, 1),
        (4.5, 0.6, 1),  # whoever stands looks where he went
        (6, -0.2, -1),
        (7, -1.0, -1),
    ],
)
def test_position_and_heading(at_s: float, x: float, heading: int) -> None:
    assert position(WALKER.path, at_s) == pytest.approx(x)
    assert direction(WALKER.path, at_s) == heading


def test_a_van_that_drives_the_other_way_is_the_mirror_picture() -> None:
    to_the_right = Van(what="", path=((0, 0.0), (2, 16 / 9)))
    to_the_left = Van(what="", path=((0, 16 / 9), (2, 0.0)))
    blank = camera(Take(view=lambda canvas: None))
    assert seen(blank, 1)[:60].max() == 0
    pictures = [
        seen(camera(Take(view=lambda canvas: None, movers=(van,))), 1)[:80] for van in (to_the_right, to_the_left)
    ]
    assert pictures[0].max() > 100
    assert np.abs(pictures[0] - pictures[1][:, ::-1]).max() <= 1
