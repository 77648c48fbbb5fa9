"""The code behind a name is found exactly: neither less than what runs, nor comments, nor what merely lies beside."""

import pytest

from layerlab.lab.fingerprint import closure, fingerprint, significant


@pytest.fixture
def package(tmp_path, monkeypatch):
    top = tmp_path / "fakelib"
    files = {
        "__init__.py": "",
        "room/__init__.py": "from fakelib.room.a import alpha\nfrom fakelib.room.b import beta\n",
        "room/a.py": "def alpha():\n    return 1\n",
        "room/b.py": "from ..deep import gamma\n\ndef beta():\n    return gamma()\n",
        "deep.py": "def gamma():\n    return 3\n",
        "one.py": "from fakelib.room import alpha\n\ndef run():\n    return alpha()\n",
        "two.py": "def run():\n    from fakelib.room import beta as b\n    return b()\n\ndef plot():\n    return 0\n",
        "all.py": "import fakelib.room\n",
        "star.py": "from fakelib.room import *\n",
        "module.py": "from fakelib import deep\n",
        "attribute.py": "from fakelib import room\n\ndef run():\n    return room.alpha()\n",
        "whole.py": "from fakelib import room as r\n\ndef run(name):\n    return getattr(r, name)()\n",
    }
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return top


def names(modules):
    return [m.removeprefix("fakelib.") for m in closure(modules, package="fakelib")]


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ("fakelib.one", ["one", "room.a"]),
        ("fakelib.two", ["deep", "room.b", "two"]),
        ("fakelib.two:plot", ["two"]),
        ("fakelib.all", ["all", "deep", "room", "room.a", "room.b"]),
        ("fakelib.star", ["deep", "room", "room.a", "room.b", "star"]),
        ("fakelib.module", ["deep", "module"]),
        ("fakelib.attribute", ["attribute", "room.a"]),
        ("fakelib.attribute:run", ["attribute", "room.a"]),
        ("fakelib.whole:run", ["deep", "room", "room.a", "room.b", "whole"]),
    ],
)
def test_imports_are_followed_to_where_the_code_is(package, start, found):
    assert names(start) == found


def test_a_change_is_seen_only_by_what_uses_it(package):
    one, two = fingerprint("fakelib.one", package="fakelib"), fingerprint("fakelib.two", package="fakelib")
    (package / "deep.py").write_text("def gamma():\n    return 33\n")
    assert fingerprint("fakelib.one", package="fakelib") == one
    assert fingerprint("fakelib.two", package="fakelib") != two


def test_within_a_module_only_what_is_reached_counts(package):
    path = package / "two.py"
    before = fingerprint("fakelib.two:run", package="fakelib")
    path.write_text(path.read_text().replace("return 0", "return 00"))
    assert fingerprint("fakelib.two:run", package="fakelib") == before
    path.write_text(path.read_text().replace("return b()", "return b() + 1"))
    assert fingerprint("fakelib.two:run", package="fakelib") != before


def test_a_constant_that_a_function_uses_counts(package):
    path = package / "two.py"
    text = "LIMIT = 1\nOTHER = 1\n\ndef run():\n    return helper()\n\ndef helper():\n    return LIMIT\n"
    path.write_text(text)
    before = fingerprint("fakelib.two:run", package="fakelib")
    path.write_text(text.replace("OTHER = 1", "OTHER = 2"))
    assert fingerprint("fakelib.two:run", package="fakelib") == before
    path.write_text(text.replace("LIMIT = 1", "LIMIT = 2"))
    assert fingerprint("fakelib.two:run", package="fakelib") != before


def test_decorators_count_and_imports_of_other_things_do_not(package):
    path = package / "two.py"
    text = (
        "from fakelib.room import alpha, beta\nimport functools\n\n@functools.cache\ndef run():\n    return alpha()\n"
    )
    path.write_text(text)
    before = fingerprint("fakelib.two:run", package="fakelib")
    assert closure("fakelib.two:run", package="fakelib") == ["fakelib.room.a", "fakelib.two"]
    path.write_text(text.replace(", beta", ""))
    assert fingerprint("fakelib.two:run", package="fakelib") == before
    path.write_text(text.replace("cache", "wraps"))
    assert fingerprint("fakelib.two:run", package="fakelib") != before


def test_words_do_not_count():
    plain = "def f(x):\n    y = 'a # b'\n    return x\n"
    wordy = (
        '"""Module."""\n\n# note\ndef f(x):  # why\n    """Doc\n\n    string."""\n\n    y = \'a # b\'\n    return x\n'
    )
    assert significant(wordy) == significant(plain)
    assert significant(plain.replace("a # b", "a # c")) != significant(plain)


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        fingerprint("fakelib.nowhere", package="fakelib")
