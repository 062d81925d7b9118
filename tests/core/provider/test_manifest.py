"""Reading ``dynamo-provider.toml`` without importing anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_core.provider.manifest import find_manifest, package_folders, read_manifest, split_value

if TYPE_CHECKING:
    from pathlib import Path

    from .fake_site import FakeSite

RAISES = "raise RuntimeError('imported')"


def test_manifest_of_a_package_is_found_without_importing_it(site: FakeSite) -> None:
    """The package's own folder has it, and the package did not run."""
    site.add_provider("quiet", RAISES)
    assert find_manifest("dynamo_quiet") == site.path / "dynamo_quiet" / "dynamo-provider.toml"
    assert "dynamo_quiet" not in sys.modules


def test_manifest_of_an_inner_package_wins_over_an_outer_one(site: FakeSite) -> None:
    """The innermost package on the way to the class is looked at first."""
    site.write("outer/__init__.py", RAISES)
    site.write("outer/inner/__init__.py", RAISES)
    site.write("outer/inner/target.py", RAISES)
    outer = site.write("outer/dynamo-provider.toml", "")
    assert find_manifest("outer.inner.target") == outer
    inner = site.write("outer/inner/dynamo-provider.toml", "")
    assert find_manifest("outer.inner.target") == inner
    assert find_manifest("outer.inner") == inner
    assert not [name for name in sys.modules if name.startswith("outer")]


def test_namespace_packages_are_walked(site: FakeSite) -> None:
    """A package without ``__init__.py`` on the way is no obstacle."""
    site.write("spacious/real/__init__.py", RAISES)
    wanted = site.write("spacious/real/dynamo-provider.toml", "")
    assert find_manifest("spacious.real") == wanted


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("absent_module_of_test", "is not on the import path"),
        ("os", "is no package"),
        ("sys", "is no package"),
        ("__main__", "no dynamo-provider.toml|is no package|cannot be looked up|not on the import path"),
        ("json.absent", "module 'json.absent' does not exist"),
        ("json.decoder.deeper", "is no package"),
        ("json.decoder", "has no dynamo-provider.toml"),
    ],
)
def test_what_has_no_manifest_says_why(module: str, message: str) -> None:
    """A missing module, a plain module and a package without manifest are told apart."""
    with pytest.raises(LookupError, match=message):
        find_manifest(module)


def test_folders_are_innermost_first() -> None:
    """That is the order in which they are searched."""
    folders = package_folders("dynamo_core.provider.manifest")
    assert [folder.name for folder in folders] == ["provider", "dynamo_core"]


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("a:B", ("a", "B")),
        ("a.b : C.D", ("a.b", "C.D")),
        (" a.b:C [extra] ", ("a.b", "C")),
    ],
)
def test_value_is_split(value: str, parts: tuple[str, str]) -> None:
    """Module and attribute, with blanks and extras left out."""
    assert split_value(value) == parts


@pytest.mark.parametrize("value", ["", "a", "a:", ":B", "a-b:C", "../x:Y", "a:B()", "1a:B", "a..b:C", "a:é"])
def test_value_of_another_form_is_refused(value: str) -> None:
    """Nothing but a dotted module and a dotted attribute will do."""
    with pytest.raises(ValueError, match="entry point must be 'package:Class'"):
        split_value(value)


def test_module_alone_will_do_for_an_extension() -> None:
    """The attribute is empty then."""
    assert split_value("a.b", may_be_module=True) == ("a.b", "")


def read(tmp_path: Path, text: str) -> Path:
    """Write a manifest."""
    path = tmp_path / "dynamo-provider.toml"
    path.write_text(text, "utf-8")
    return path


def test_sound_manifest_is_read(tmp_path: Path) -> None:
    """Levels come with or without a reason; what is not mentioned is refused."""
    manifest = read_manifest(
        read(
            tmp_path,
            'name = "a"\nsummary = "b"\ncontract = ">=1.0,<2"\n'
            '[capabilities]\nstreams = "native"\ngpu = {level = "ignored", reason = "no GPU here"}\n',
        )
    )
    assert (manifest.name, manifest.summary, manifest.contract.text) == ("a", "b", ">=1.0,<2")
    assert manifest.capability("streams").level == "native"
    assert manifest.capability("gpu").reason == "no GPU here"
    assert manifest.capability("scale").level == "refused"
    assert manifest.notes == ()


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    """One reading reports them all, with the file."""
    path = read(
        tmp_path,
        'name = 3\ncontract = "1"\n[capabilities]\nstreams = "yes"\ngpu = {level = "native", reason = 1}\n',
    )
    with pytest.raises(ValueError, match="name must be a text") as caught:
        read_manifest(path)
    for fact in (
        "got 3",
        "summary",
        "it is missing",
        "'1'",
        "capabilities.streams",
        "'yes'",
        "gpu.reason",
        str(path),
    ):
        assert fact in str(caught.value)


def test_what_a_newer_contract_may_have_added_is_passed_over_and_noted(tmp_path: Path) -> None:
    """Unknown names break nothing, and are not lost either."""
    text = 'name = "a"\nsummary = "b"\ncontract = ">=1.0,<2"\ncolour = 1\n[capabilities]\nstream = "native"\n'
    manifest = read_manifest(read(tmp_path, text))
    assert manifest.capabilities == {}
    assert manifest.notes == (
        "unknown field 'colour'",
        "unknown capability 'stream', did you mean 'streams'?",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not TOML"),
        ("capabilities = 3\nname='a'\nsummary='b'\ncontract='>=1'", "capabilities must be a table"),
        ("#" * 70_000, "is longer than"),
        ('name = "a\\nb"', "name must be a text of one line"),
    ],
)
def test_broken_file_is_an_error_with_its_path(tmp_path: Path, text: str, message: str) -> None:
    """Each kind of damage says what it is."""
    with pytest.raises(ValueError, match=message):
        read_manifest(read(tmp_path, text))


def test_unreadable_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    """A folder in the file's place is reported as it is."""
    with pytest.raises(ValueError, match="cannot be read"):
        read_manifest(tmp_path)
