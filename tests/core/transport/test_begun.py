"""The begun page that a caller shares with a worker."""

from __future__ import annotations

import os
import sys

import pytest

from dynamo_core.transport.begun import ENTRIES, PAGE_BYTES, BegunMarks, BegunPage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")


@pytest.fixture(name="page")
def page_fixture():
    page = BegunPage.create()
    assert page is not None
    yield page
    page.close()


def test_the_caller_sees_what_the_worker_stores(page):
    """Exactly the stored numbers have begun, in whatever order they were stored."""
    marks = BegunMarks.open(os.dup(page.fd))
    assert marks is not None
    for number in (3, 1, 2**32 - 1):
        marks.table[number % ENTRIES] = number
    assert [number for number in (1, 2, 3, 4, 2**32 - 1) if page.has_begun(number)] == [1, 3, 2**32 - 1]
    marks.close()


def test_the_place_of_a_former_call_says_nothing_about_the_next(page):
    """Two calls with one place are told apart by their number."""
    marks = BegunMarks.open(os.dup(page.fd))
    assert marks is not None
    marks.table[5] = 5
    assert not page.has_begun(5 + ENTRIES)
    marks.close()


def test_it_outlives_its_descriptor_and_the_worker(page):
    """What was stored is there after the worker has closed everything."""
    marks = BegunMarks.open(os.dup(page.fd))
    assert marks is not None
    page.passed()
    marks.table[7] = 7
    marks.close()
    marks.close()
    assert page.has_begun(7)


def test_its_size_is_sealed(page):
    """A caller that could cut it could end the worker with a bus error."""
    with pytest.raises(PermissionError):
        os.ftruncate(page.fd, 0)


@pytest.mark.parametrize("size", [PAGE_BYTES, 1])
def test_memory_that_is_not_sealed_is_no_page(size):
    """The descriptor is closed nevertheless."""
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    assert BegunMarks.open(fd) is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_descriptor_of_something_else_is_no_page():
    """A pipe, a file, a socket: refused."""
    reader, writer = os.pipe()
    os.close(writer)
    assert BegunMarks.open(reader) is None
