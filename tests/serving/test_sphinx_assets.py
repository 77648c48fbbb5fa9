"""The files that the pages load: installed once, patched loudly, and one sentence where that fails."""

import json
import re
import subprocess

import pytest

from layerlab.serving import assets


def bundle(**changed):
    """A stand-in for Thebe's bundle with every address that the patches expect."""
    lines = [f"f({old})" for old, (_, count) in assets.PATCHES.items() for _ in range(changed.get(old, count))]
    return "\n".join(["(()=>{", *lines, "})()", "//# sourceMappingURL=index.js.map"])


@pytest.fixture
def modules(tmp_path):
    """A node_modules folder with a small file in the place of each that is needed."""
    root = tmp_path / "node_modules"
    for pattern, _ in assets.FILES:
        path = root / pattern.replace("*", "x")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("'small'")
    (root / "thebe/lib/index.js").write_text(bundle())
    return root


@pytest.fixture
def top(tmp_path):
    (tmp_path / "package-lock.json").write_text("{}")
    return tmp_path


def answer(monkeypatch, code, stderr="", calls=None):
    """Put an npm in place that answers so."""

    def npm(arguments, top):
        if calls is not None:
            calls.append(arguments)
        if code == 0:
            (top / "node_modules").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(arguments, code, "", stderr)

    monkeypatch.setattr(assets, "_npm", lambda: npm)


def test_copying_patches_thebe_and_is_done_once(modules, tmp_path):
    written = assets.copy(modules, tmp_path / "out")
    text = (tmp_path / "out/_static/vendor/thebe/index.js").read_text()
    assert text.startswith(assets.HEAD)
    assert "cdnjs" not in text and "jsdelivr" not in text and "sourceMappingURL" not in text
    assert text.count('layerlabVendor+"mathjax/hub.js"') == 2
    assert len(written) >= len(assets.FILES)
    assert assets.copy(modules, tmp_path / "out") == []


@pytest.mark.parametrize("old", list(assets.PATCHES))
def test_another_version_of_thebe_is_refused(modules, tmp_path, old):
    (modules / "thebe/lib/index.js").write_text(bundle(**{old: 0}))
    with pytest.raises(assets.AssetsError, match="another version"):
        assets.copy(modules, tmp_path / "out")


@pytest.mark.parametrize("text", ['fetch("https://cdn.example.org/x.js")', "import('//unpkg.com/y')"])
def test_a_file_that_names_another_host_is_refused(modules, tmp_path, text):
    (modules / "requirejs/require.js").write_text(text)
    with pytest.raises(assets.AssetsError, match=r"other hosts \((cdn\.example\.org|unpkg\.com)\)"):
        assets.copy(modules, tmp_path / "out")


def test_a_missing_file_is_named(modules, tmp_path):
    (modules / "mathjax/es5/core.js").unlink()
    with pytest.raises(assets.AssetsError, match=r"core\.js is missing: delete"):
        assets.copy(modules, tmp_path / "out")


def test_installing_is_done_once_for_one_lock_file(top, monkeypatch):
    calls = []
    answer(monkeypatch, 0, calls=calls)
    assets.install(top)
    assets.install(top)
    assert len(calls) == 1
    (top / "package-lock.json").write_text('{"other": 1}')
    assets.install(top)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("stderr", "sentence"),
    [
        ("npm error code ENOTFOUND\nnpm error network request failed", "the npm registry cannot be reached"),
        ("npm error code EACCES", "cannot be written"),
        ("npm error code EUSAGE\nnpm error the lock file is odd", "could not install .*the lock file is odd"),
    ],
)
def test_what_npm_says_at_length_becomes_one_sentence(top, monkeypatch, stderr, sentence):
    answer(monkeypatch, 1, stderr)
    with pytest.raises(assets.AssetsError, match=sentence) as caught:
        assets.install(top)
    assert "\n" not in str(caught.value)
    calls = []
    answer(monkeypatch, 0, calls=calls)
    assets.install(top)
    assert len(calls) == 1  # a failed installation does not count


def test_outside_a_checkout_there_is_nothing_to_install(tmp_path):
    with pytest.raises(assets.AssetsError, match="build the book in a checkout"):
        assets.install(tmp_path)


def test_the_lock_file_pins_everything_and_records_no_addresses(checkout):
    package = json.loads((checkout / "package.json").read_text())
    versions = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    lock = json.loads((checkout / "package-lock.json").read_text())["packages"]
    for name, version in versions.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    assert not any("resolved" in entry for entry in lock.values())
    assert all("integrity" in entry for name, entry in lock.items() if name)
