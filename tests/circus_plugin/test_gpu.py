"""Devices: what the mask lets through, who gets what, and what is said when there are too few."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dynamo_circus.gpu.devices import parse_devices, visible_devices
from dynamo_circus.gpu.leases import DevicePool, TooFewDevicesError
from dynamo_core.errors import ConfigError

UUIDS = ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "MIG-5c6b1d8f-6b1c-5b1e-8d1f-0123456789ab")


@pytest.mark.parametrize("mask", ["", "-1", "NoDevFiles", "none"])
def test_empty_mask_hides_every_device(mask: str) -> None:
    """A user who has hidden the devices keeps them hidden."""
    assert visible_devices({"CUDA_VISIBLE_DEVICES": mask}, ("0", "1")) == ()


def test_mask_keeps_order_and_names() -> None:
    """Indices, UUIDs and MIG names come out as they went in."""
    mask = ",".join(("3", *UUIDS, "1"))
    assert visible_devices({"CUDA_VISIBLE_DEVICES": mask}, None) == ("3", *UUIDS, "1")


def test_mask_ends_at_minus_one() -> None:
    """As CUDA reads it."""
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "2,-1,0"}, None) == ("2",)


def test_mask_outside_of_the_listed_devices_is_refused() -> None:
    """The message names both."""
    with pytest.raises(
        ConfigError, match=r"CUDA_VISIBLE_DEVICES names device '7', the list of devices is 0, 1"
    ):
        visible_devices({"CUDA_VISIBLE_DEVICES": "0,7"}, ("0", "1"))


def test_mask_outside_of_the_machines_devices_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as nvidia-smi can tell; without it, the mask is taken at its word."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "0,7"}, None) == ("0", "7")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 0\necho 1\n")
    program.chmod(0o755)
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "1,0"}, None) == ("1", "0")
    with pytest.raises(ConfigError, match=r"CUDA_VISIBLE_DEVICES names device '7', this machine has 0, 1"):
        visible_devices({"CUDA_VISIBLE_DEVICES": "0,7"}, None)


@pytest.mark.parametrize(("names", "message"), [(["0", "x"], "names 'x'"), (["0", "0"], "'0' twice")])
def test_wrong_names_are_refused(names: list[str], message: str) -> None:
    """Before anything starts."""
    with pytest.raises(ConfigError, match=message):
        parse_devices(names, source="the option devices")


def test_whole_devices_are_held_alone() -> None:
    """In the order of the mask."""
    pool = DevicePool(["0", "1", "2"])
    assert pool.lease(("A", 0), 2).devices == ("0", "1")
    assert pool.lease(("B", 0), 1).devices == ("2",)
    with pytest.raises(TooFewDevicesError) as caught:
        pool.lease(("B", 1), 1)
    assert (caught.value.service, caught.value.slot) == ("B", 1)
    assert "  0: A/0\n  1: A/0\n  2: B/0" in str(caught.value)


def test_fractions_share_the_fullest_device_that_fits() -> None:
    """So that whole devices stay free for those who need them."""
    pool = DevicePool(["0", "1"])
    assert [pool.lease(("A", slot), 0.4).devices for slot in range(3)] == [("0",), ("0",), ("1",)]
    assert pool.lease(("B", 0), 0.2).devices == ("0",)
    with pytest.raises(TooFewDevicesError, match=r"0 of 2 visible devices are free"):
        pool.lease(("C", 0), 1)


def test_thirds_fill_a_device() -> None:
    """Rounding keeps nobody out."""
    pool = DevicePool(["0"])
    assert [pool.lease(("A", slot), 1 / 3).devices for slot in range(3)] == [("0",)] * 3


def test_what_is_given_back_can_be_had_again() -> None:
    """And asking twice gives the same."""
    pool = DevicePool(["0"])
    first = pool.lease(("A", 0), 1)
    assert pool.lease(("A", 0), 1) is first
    pool.give_back(("A", 0))
    pool.give_back(("A", 0))
    assert pool.lease(("B", 0), 1).devices == ("0",)


def test_more_than_one_must_be_whole() -> None:
    """A share of a second device has no meaning."""
    with pytest.raises(ConfigError, match=r"services\.A\.resources\.gpu must be below 1 or whole, got 1\.5"):
        DevicePool(["0", "1"]).lease(("A", 0), 1.5)
