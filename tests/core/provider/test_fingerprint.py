"""What the files of a distribution are, as one hash."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from dynamo_core.provider.fingerprint import hash_distribution, hash_package

if TYPE_CHECKING:
    from .fake_site import FakeSite

VALUE = "dynamo_one:Target"


def record(site: FakeSite, *lines: str) -> None:
    (next(site.path.glob("dynamo_one-*")) / "RECORD").write_text("\n".join(lines))


def test_hash_is_about_files_as_they_are(site: FakeSite) -> None:
    """One that is not what was installed is named."""
    site.add_provider("one", "x = 1\n")
    digest = urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).rstrip(b"=").decode()
    record(site, f"dynamo_one/__init__.py,sha256={digest},6")
    before = hash_distribution("dynamo-one", VALUE)
    assert (before.files, before.changed) == (1, ())
    site.write("dynamo_one/__init__.py", "x = 2\n")
    after = hash_distribution("dynamo-one", VALUE)
    assert after.digest != before.digest
    assert after.changed == ("dynamo_one/__init__.py",)


def test_editable_installation_is_hashed_where_its_sources_are(site: FakeSite) -> None:
    """What its installer has recorded leads there only."""
    site.add_provider("one", "x = 1\n")
    site.write("__editable___dynamo_one_finder.py", "")
    record(site, "__editable___dynamo_one_finder.py,,")
    before = hash_distribution("dynamo-one", VALUE)
    assert before.files == 3
    site.write("dynamo_one/__init__.py", "x = 2\n")
    assert hash_distribution("dynamo-one", VALUE).digest != before.digest


def test_distribution_that_is_not_there_has_no_hash() -> None:
    """And is no error."""
    assert hash_distribution("absent-distribution") == ("", 0, ())


def test_bytecode_and_hidden_files_do_not_count(site: FakeSite) -> None:
    """They come and go by themselves."""
    site.write("package/__init__.py", "")
    site.write("package/inner/data.txt", "x")
    before = hash_package(site.path / "package")
    site.write("package/__pycache__/x.pyc", "")
    site.write("package/.swap", "")
    site.write("package/report.json", "{}")
    assert hash_package(site.path / "package", without="report.json") == before
    assert list(before) == ["__init__.py", "inner/data.txt"]
