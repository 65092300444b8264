"""Worker processes: answers in order, whoever is faster; a death is an error; nobody is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from base.workers import WorkerDiedError, Workers

MODULE = "ledger.check_stretches"  # a real one: what it is asked here is not a stretch, and it ends


class EchoWorkers(Workers):
    """Workers of a module that only this test has."""

    def __init__(self, folder: Path, count: int) -> None:
        (folder / "echo_worker.py").write_text(
            "import os, sys, time\n"
            f"sys.path[:0] = [{str(Path(__file__).parents[2])!r}]\n"
            "from base.workers import serve\n"
            "def answer(request):\n"
            "    if request == b'die': os._exit(3)\n"
            "    if request == b'who': return str(os.getpid()).encode()\n"
            "    time.sleep(float(request))\n"
            "    return request\n"
            "serve(answer)\n"
        )
        super().__init__(str(folder / "echo_worker.py"), count)


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    import subprocess

    real = subprocess.Popen

    def as_script(command: list[str], **options: object) -> object:
        return real([part for part in command if part != "-m"], **options)  # type: ignore[call-overload]

    monkeypatch.setattr("base.workers.subprocess.Popen", as_script)
    with EchoWorkers(tmp_path, 2) as made:
        yield made


def test_answers_come_in_the_order_of_the_requests(workers: Workers) -> None:
    requests = [b"0.3", *(b"0.00%d" % n for n in range(9)), b"0.1", b"0"]
    assert list(workers.answers(requests)) == requests


def test_no_requests_no_answers(workers: Workers) -> None:
    assert list(workers.answers([])) == []


def test_a_request_is_drawn_late(workers: Workers) -> None:
    """What it says may depend on the answers that were given before."""
    drawn: list[int] = []

    def requests() -> Iterator[bytes]:
        for n in range(100):
            drawn.append(n)
            yield b"0"

    answers = workers.answers(requests())
    for _ in range(10):
        next(answers)
    assert len(drawn) < 40
    assert sum(1 for _ in answers) == 90


def test_a_worker_that_dies_is_an_error_with_its_status(workers: Workers) -> None:
    with pytest.raises(WorkerDiedError, match="status 3"):
        list(workers.answers([b"0", b"die", b"0.01", b"0"]))


def test_workers_end_with_the_block_whatever_they_are_doing(tmp_path: Path, workers: Workers) -> None:
    (first,) = {int(answer) for answer in workers.answers([b"who"])}
    os.kill(first, 0)
    workers.__exit__(None, None, None)
    assert not Path(f"/proc/{first}").exists()


def test_a_request_that_a_module_cannot_read_ends_it_and_is_an_error() -> None:
    with Workers(MODULE, 1) as made, pytest.raises(WorkerDiedError):
        list(made.answers([b"not a request"]))
