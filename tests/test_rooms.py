"""The house is in order: imports go downward only, modules fit in one sitting, light rooms stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import layerlab

ROOT = Path(layerlab.__file__).parent
THEORY = ["projection", "information", "similarity", "kernels", "dimension", "pruning", "trajectory", "ode"]
ORDER = [
    "arrays",  # what the theory accepts: below all of it, so that no room copies it
    *THEORY,
    "data",
    "nets",
    "training",
    "lab",
    "experiments",
    "widgets",
    "grading",
    "serving",
    "cli",
]  # DESIGN.md, "The rooms"
MODULES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path):
    package = ["layerlab", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{a.name}" for a in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "layerlab" and len(parts) > 1 and parts[1] in ORDER:
                yield parts[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_from_rooms_above_it(path):
    room = room_of(path)
    if room not in ORDER:
        assert path.name == "__init__.py"
        assert list(imported_rooms(path)) == []
        return
    for other in imported_rooms(path):
        assert other == room or (ORDER.index(other) < ORDER.index(room) and not {room, other} <= set(THEORY))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_fits_in_one_sitting_and_says_what_it_is(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 330  # about 300: DESIGN.md
    tree = ast.parse(text)
    assert (ast.get_docstring(tree) or "").strip()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


@pytest.mark.parametrize("name", ["layerlab", "layerlab.lab", "layerlab.cli", "layerlab.widgets", "layerlab.data"])
def test_light_rooms_do_not_load_torch(name):
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
