"""Finding installed providers and extensions from metadata."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_core.errors import ContractMismatchError, InvalidProviderNameError, ManifestError
from dynamo_core.provider.discovery import ProviderCandidate, discover_extensions, discover_providers

if TYPE_CHECKING:
    from .fake_site import FakeSite


def found(distribution: str) -> list[ProviderCandidate]:
    """What discovery says of one distribution."""
    return [candidate for candidate in discover_providers() if candidate.distribution == distribution]


def test_sound_provider_is_found_with_all_its_facts(site: FakeSite) -> None:
    """Name, distribution, version, value, manifest and file are known, and nothing was imported."""
    site.add_provider("sound", "raise RuntimeError")
    (candidate,) = found("dynamo-sound")
    assert (candidate.name, candidate.version, candidate.value) == ("sound", "1.2.3", "dynamo_sound:Target")
    assert candidate.problem is None
    assert candidate.manifest is not None
    assert candidate.manifest.capability("gpu").reason == "there is none"
    assert candidate.file == site.path / "dynamo_sound" / "dynamo-provider.toml"
    assert "dynamo_sound" not in sys.modules


@pytest.mark.parametrize("name", ["../../etc/x", "circus\u200b", "Circus", "1st", "a" * 33, "a b"])
def test_name_outside_the_grammar_is_a_row_with_its_cause(site: FakeSite, name: str) -> None:
    """It is listed, and can never be chosen."""
    site.add_provider(name, distribution="dynamo-odd")
    (candidate,) = found("dynamo-odd")
    assert candidate.name == name
    assert isinstance(candidate.problem, InvalidProviderNameError)


@pytest.mark.parametrize("value", ["os:system", "no_colon", "absent_package:Target", "../x:Y", "dynamo_odd"])
def test_value_that_leads_to_no_provider_package_is_a_row_with_its_cause(site: FakeSite, value: str) -> None:
    """Nothing that a value names is imported to find out."""
    site.add_provider("odd", value=value)
    (candidate,) = found("dynamo-odd")
    assert isinstance(candidate.problem, ManifestError)
    assert candidate.manifest is None


def test_missing_manifest_is_a_row_with_its_cause(site: FakeSite) -> None:
    """A provider without manifest cannot be checked, and so not used."""
    site.add_provider("bare", manifest=None)
    (candidate,) = found("dynamo-bare")
    assert isinstance(candidate.problem, ManifestError)
    assert "has no dynamo-provider.toml" in str(candidate.problem)


def test_manifest_for_another_name_is_a_row_with_its_cause(site: FakeSite) -> None:
    """The entry point and the manifest must agree."""
    site.add_provider("one", manifest='name = "two"\nsummary = "x"\ncontract = ">=1.0,<2"\n')
    (candidate,) = found("dynamo-one")
    assert "is for 'two', its entry point for 'one'" in str(candidate.problem)


@pytest.mark.parametrize(("contract", "upgrade"), [(">=2.0", "dynamo-core"), ("<1.0", "dynamo-dated")])
def test_wrong_contract_says_which_side_to_upgrade(site: FakeSite, contract: str, upgrade: str) -> None:
    """Before anything is imported."""
    site.add_provider("dated", "raise RuntimeError", contract=contract)
    (candidate,) = found("dynamo-dated")
    assert isinstance(candidate.problem, ContractMismatchError)
    assert candidate.problem.upgrade == upgrade
    assert (candidate.problem.wanted, candidate.problem.offered) == (contract, "1.0")


def test_broken_metadata_of_others_hides_nothing(site: FakeSite) -> None:
    """Distributions without a name, with garbage for entry points or not in UTF-8 stay their own trouble."""
    site.add_provider("sound")
    site.add_distribution("nameless", "[dynamo.providers]\nx = y:Z\n", metadata="garbage\n")
    (site.add_distribution("garbled") / "entry_points.txt").write_bytes(
        b"[dynamo.providers]\n\xff\xfe = a:B\n"
    )
    site.add_distribution("lineless", "dynamo.providers\nno section = here\n[dynamo.providers\nbroken\n")
    (site.path / "empty-1.0.dist-info").mkdir()
    latin = site.add_distribution("latin", "[dynamo.providers]\nlatin = y.latin:Z\n")
    (latin / "METADATA").write_bytes(b"Name: latin\nAuthor: \xe9\n")
    assert [candidate.name for candidate in found("dynamo-sound")] == ["sound"]
    (nameless,) = [candidate for candidate in discover_providers() if candidate.value == "y:Z"]
    assert nameless.distribution == "nameless"
    assert nameless.problem is not None
    (unreadable,) = [candidate for candidate in discover_providers() if candidate.value == "y.latin:Z"]
    assert (unreadable.distribution, unreadable.version) == ("latin", "1.2.3")


def test_second_copy_of_a_distribution_is_no_duplicate(
    site: FakeSite, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy that comes first on the import path is the one that counts, as for imports."""
    from .fake_site import FakeSite as Site

    older = Site(tmp_path_factory.mktemp("older"))
    monkeypatch.syspath_prepend(str(older.path))
    monkeypatch.syspath_prepend(str(site.path))
    older.add_provider("twice", version="1.0")
    older.add_provider("gone", version="1.0")
    site.add_provider("twice", version="2.0")
    site.add_distribution("dynamo-gone", version="2.0")
    assert [candidate.version for candidate in found("dynamo-twice")] == ["2.0"]
    assert found("dynamo-gone") == []


def test_editable_install_is_found_through_its_path_file(site: FakeSite) -> None:
    """The manifest is read where the sources are."""
    from .fake_site import FakeSite as Site

    sources = Site(site.path.parent / "project" / "src")
    sources.write("dynamo_edited/__init__.py", "raise RuntimeError('imported')")
    sources.write(
        "dynamo_edited/dynamo-provider.toml", 'name = "edited"\nsummary = "x"\ncontract = ">=1.0,<2"\n'
    )
    site.add_distribution("dynamo-edited", "[dynamo.providers]\nedited = dynamo_edited:Target\n")
    (site.path / "__editable__.dynamo_edited-1.2.3.pth").write_text(f"{sources.path}\n", "utf-8")
    script = f"""
import json, site, sys
site.addsitedir({str(site.path)!r})
from dynamo_core.provider import discover_providers
print(json.dumps([[c.name, str(c.file), str(c.problem)] for c in discover_providers() if c.name == "edited"]))
assert "dynamo_edited" not in sys.modules
"""
    done = site.run("-c", script)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        ["edited", str(sources.path / "dynamo_edited" / "dynamo-provider.toml"), "None"]
    ]


def test_editable_install_with_a_finder_is_found(site: FakeSite) -> None:
    """So is one whose packages are mapped by an import finder, as setuptools does it."""
    sources = site.path.parent / "odd layout"
    site.add_distribution("dynamo-mapped", "[dynamo.providers]\nmapped = dynamo_mapped.inner:Target\n")
    script = f"""
import importlib.util, sys
from pathlib import Path
folder = Path({str(sources)!r})
(folder / "inner").mkdir(parents=True)
for name in ("__init__.py", "inner/__init__.py"):
    (folder / name).write_text("raise RuntimeError('imported')")
(folder / "dynamo-provider.toml").write_text('name = "mapped"\\nsummary = "x"\\ncontract = ">=1.0,<2"\\n')

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "dynamo_mapped":
            return importlib.util.spec_from_file_location(
                name, folder / "__init__.py", submodule_search_locations=[str(folder)]
            )

sys.meta_path.append(Finder)
from dynamo_core.provider import discover_providers
(found,) = [c for c in discover_providers() if c.name == "mapped"]
assert found.problem is None, found.problem
assert found.file == folder / "dynamo-provider.toml"
"""
    done = site.run("-c", script)
    assert done.returncode == 0, done.stderr


def test_extensions_are_found_too(site: FakeSite) -> None:
    """They have a group of their own, and no manifest."""
    site.add_distribution("dynamo-watch", "[dynamo.plugins]\nwatch = dynamo_watch\n")
    (extension,) = [e for e in discover_extensions() if e.distribution == "dynamo-watch"]
    assert (extension.name, extension.value, extension.version) == ("watch", "dynamo_watch", "1.2.3")
