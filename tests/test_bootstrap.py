"""Setting up on a fresh machine: each thing that can be wrong gives one sentence and no traceback."""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name


@pytest.fixture
def fresh(tmp_path, checkout):
    """What the set-up needs of a checkout, in a folder of its own."""
    (tmp_path / "lib").mkdir()
    for name in ("requirements.txt", "requirements-test.txt", "lib/bootstrap.py", "lib/pyproject.toml"):
        shutil.copy(checkout / name, tmp_path / name)
    return tmp_path


def set_up(folder, **environment):
    return subprocess.run(
        [sys.executable, str(folder / "lib" / "bootstrap.py")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_without_a_network_it_says_so_and_can_be_run_again(fresh):
    done = set_up(fresh, PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 1
    assert "is there a network?" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (fresh / ".venv" / "install.log").stat().st_size > 0
    assert not list((fresh / ".venv").glob("installed-*"))


def test_a_folder_that_cannot_be_written(fresh):
    (fresh / ".venv").write_text("in the way")
    done = set_up(fresh)
    assert done.returncode == 1
    assert "cannot be written to" in done.stderr
    assert "Traceback" not in done.stderr


def _module(folder):
    spec = importlib.util.spec_from_file_location("bootstrap", folder / "lib" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_is_refused(fresh, monkeypatch, capsys):
    module = _module(fresh)
    monkeypatch.setattr(module, "OLDEST", (99, 0))
    assert module.main() == 1
    assert "PYTHON=" in capsys.readouterr().err


def test_a_full_disk_is_noticed_before_anything_is_fetched(fresh, monkeypatch, capsys):
    module = _module(fresh)
    monkeypatch.setattr(sys, "argv", ["bootstrap.py"])
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    assert module.main() == 1
    assert "disk is nearly full" in capsys.readouterr().err


def test_what_is_set_up_is_left_alone(checkout):
    done = subprocess.run(
        [sys.executable, str(checkout / "lib" / "bootstrap.py"), "--test"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if (checkout / ".venv" / "installed-requirements-test").exists():
        assert done.stdout == ""


def test_the_pinned_packages_are_what_the_library_asks_for(checkout):
    pinned = {}
    for line in (checkout / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert version, f"{line} is not pinned"
            pinned[canonicalize_name(name)] = version
    project = tomllib.loads((checkout / "lib" / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"] + project["optional-dependencies"]["book"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text


def test_the_pinned_packages_can_be_had_for_the_oldest_python(fresh, checkout):
    """Also for its first release, with which some systems stay for years."""
    texts = [(checkout / name).read_text() for name in ("requirements.txt", "requirements-test.txt")]
    pins = re.findall(r"^([\w.-]+)==", "\n".join(texts), re.MULTILINE)
    assert len(pins) > 100
    oldest = ".".join(map(str, (*_module(fresh).OLDEST, 0)))
    for name in pins:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # for another system
            asked = importlib.metadata.metadata(name).get("Requires-Python")
            assert SpecifierSet(asked or "").contains(oldest), f"{name}: {asked}"
