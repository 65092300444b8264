"""A store is bound to machine, file system and path: a disk with a new number is the same disk, a copy is none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from store_of_log import copied

from ledger import machine
from ledger.layout import StoreLayout
from ledger.machine import MovedError, is_bound, machine_binding, refuse_moved
from ledger.recovery import start

SDA1, SDB1 = os.makedev(8, 1), os.makedev(8, 17)
LARGE = os.makedev(259, 300)  # a minor number of more than 8 bits, as NVMe disks have


class Machine:
    """What this machine says of its disks, as far as a binding asks."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by_uuid = folder / "by-uuid"
        self.by_uuid.mkdir()
        self.device = SDA1
        self.identifier: int | None = None  # None: the number of the device, as on XFS
        (folder / "machine-id").write_text("0123456789abcdef\n")
        monkeypatch.setattr(machine, "_BY_UUID", self.by_uuid)
        monkeypatch.setattr(machine, "_MACHINE_ID", folder / "machine-id")
        monkeypatch.setattr(machine, "_numbers_of", self._numbers)
        self.id_file = folder / "machine-id"

    def _numbers(self, _root: Path) -> tuple[int, int]:
        identifier = machine._encoded(self.device) if self.identifier is None else self.identifier
        return identifier, self.device

    def udev_says(self, **devices: int) -> None:
        """Let /dev/disk/by-uuid hold exactly these."""
        for path in self.by_uuid.iterdir():
            path.unlink()
        for uuid, device in devices.items():
            os.mknod(self.by_uuid / uuid, stat.S_IFBLK | 0o600, device)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "machine").mkdir()
    return Machine(tmp_path / "machine", monkeypatch)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.mark.needs("root")
@pytest.mark.parametrize("device", [SDB1, LARGE])
def test_a_disk_with_another_number_is_the_same_disk(here: Machine, root: Path, device: int) -> None:
    here.udev_says(ours=SDA1, other=SDB1)
    founded = machine_binding(root)
    here.device = device
    here.udev_says(ours=device, other=SDA1)
    refuse_moved(root, founded)
    assert machine_binding(root) == founded


@pytest.mark.needs("root")
def test_another_disk_with_the_number_that_ours_had_is_another_disk(here: Machine, root: Path) -> None:
    here.udev_says(ours=SDA1)
    founded = machine_binding(root)
    here.udev_says(copy=SDA1, ours=SDB1)
    with pytest.raises(MovedError):
        refuse_moved(root, founded)


@pytest.mark.needs("root")
def test_another_path_and_another_machine_are_refused_whatever_the_disk_is_called(
    here: Machine, root: Path, tmp_path: Path
) -> None:
    here.udev_says(ours=SDA1)
    founded = machine_binding(root)
    elsewhere = root.rename(tmp_path / "elsewhere")
    assert not is_bound(elsewhere, founded)
    elsewhere.rename(root)
    assert is_bound(root, founded)
    here.id_file.write_text("fedcba9876543210\n")
    assert not is_bound(root, founded)


@pytest.mark.needs("root")
def test_where_the_file_system_names_itself_the_device_does_not_matter(here: Machine, root: Path) -> None:
    """ext4, btrfs, ZFS: nothing there depends on udev, which may come later than the recorder."""
    here.identifier = 0x1234567890ABCDEF
    here.udev_says(ours=SDA1)
    founded = machine_binding(root)
    here.device = SDB1
    here.udev_says()
    assert is_bound(root, founded)
    here.identifier = 0xFEDCBA0987654321
    assert not is_bound(root, founded)


@pytest.mark.needs("root")
def test_a_store_that_was_bound_to_the_number_of_its_device_stays_bound(here: Machine, root: Path) -> None:
    founded = machine_binding(root)  # udev says nothing
    here.udev_says(ours=SDA1)
    assert machine_binding(root) != founded
    assert is_bound(root, founded)
    here.device = SDB1
    here.udev_says(ours=SDB1)
    assert not is_bound(root, founded), "nobody can tell any more that it is the same disk"


@pytest.mark.needs("root")
def test_after_an_accepted_move_the_disk_may_change_its_number(here: Machine, tmp_path: Path) -> None:
    layout: StoreLayout = copied(tmp_path / "log")
    here.device = SDB1
    here.udev_says(ours=SDB1)
    with pytest.raises(MovedError):
        start(layout).close()
    with start(layout, accept_move=True) as recorder:
        size = recorder.end()[0]
    here.device = SDA1
    here.udev_says(ours=SDA1)
    with start(layout, accept_move=True) as recorder:
        assert recorder.end()[0] == size, "it is no move, so none is recorded"


def test_a_directory_without_udev_has_a_binding_all_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_BY_UUID", root / "not-there")
    assert is_bound(root, machine_binding(root))


def test_the_number_of_a_device_is_encoded_as_the_kernel_does() -> None:
    """Source: new_encode_dev in include/linux/kdev_t.h."""
    assert [machine._encoded(device) for device in (SDA1, SDB1, LARGE)] == [0x801, 0x811, 0x11032C]
