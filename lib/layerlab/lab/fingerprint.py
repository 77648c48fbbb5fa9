"""Fingerprints of code: which source a result came from.

The code behind a name is found by reading the source, not by importing it: the import statements of a module,
followed through the package. `from layerlab.projection import distortion` is followed to the module that defines
`distortion`, not to everything that the room re-exports. Comments, docstrings and blank lines do not count,
so a mended sentence does not make a stored run stale.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "layerlab"


def closure(modules: Iterable[str] | str, *, package: str = PACKAGE) -> list[str]:
    """The names of all modules of `package` that the code of `modules` can reach through imports, sorted.

    A name may be `module` or `module:function` (then only what that top-level definition reaches counts
    within the module itself). ModuleNotFoundError if a start module does not exist.
    """
    todo = _split(modules)
    seen: set[tuple[str, str]] = set()
    while todo:
        module, wanted = todo.pop()
        if (module, wanted) in seen:
            continue
        seen.add((module, wanted))
        tree, is_package = _tree(module)
        nodes = _parts(tree, wanted.split(",")) if wanted else tree.body
        todo += [(target, "") for target in _imports(nodes, module, is_package, package)]
    return sorted({module for module, _ in seen})


def fingerprint(modules: Iterable[str] | str, *, package: str = PACKAGE) -> str:
    """Sixteen hexadecimal digits that change when the code behind `modules` changes (see `closure`).

    For `module:name,name` only what these top-level definitions reach within the module is counted:
    the fingerprint of `experiment:run,Config` does not change when its drawing changes.
    """
    partial = {module: wanted.split(",") for module, wanted in _split(modules) if wanted}
    digest = hashlib.sha256()
    for module in closure(modules, package=package):
        source = _source(module)
        if module in partial:
            source = "\n".join(_text(part, source) for part in _parts(_tree(module)[0], partial[module]))
        digest.update(f"{module}\n{significant(source)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def significant(source: str) -> str:
    """Python source without comments, docstrings, blank lines and trailing spaces."""
    lines = source.splitlines()
    blank: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                blank.update(range(value.lineno - 1, value.end_lineno or value.lineno))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    kept = (line.rstrip() for i, line in enumerate(lines) if i not in blank)
    return "\n".join(line for line in kept if line)


def _split(modules: Iterable[str] | str) -> list[tuple[str, str]]:
    names = [modules] if isinstance(modules, str) else modules
    return [(module, wanted) for module, _, wanted in (name.partition(":") for name in names)]


def _file(module: str) -> tuple[Path, bool]:
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"there is no package {module.partition('.')[0]}")
    for top in spec.submodule_search_locations:
        base = Path(top, *module.split(".")[1:])
        if (base / "__init__.py").is_file():
            return base / "__init__.py", True
        if base.with_suffix(".py").is_file():
            return base.with_suffix(".py"), False
    raise ModuleNotFoundError(f"there is no module {module}")


def _exists(module: str) -> bool:
    try:
        _file(module)
    except ModuleNotFoundError:
        return False
    return True


def _source(module: str) -> str:
    return _file(module)[0].read_text(encoding="utf-8")


@cache
def _parsed(path: Path, stamp: tuple[int, int]) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _tree(module: str) -> tuple[ast.Module, bool]:
    path, is_package = _file(module)
    stat = path.stat()
    return _parsed(path, (stat.st_mtime_ns, stat.st_size)), is_package


def _imports(nodes: Iterable[ast.AST], module: str, is_package: bool, package: str) -> set[str]:
    """The modules of the package whose code the statements in `nodes` bring in."""
    found: set[str] = set()
    rooms: dict[str, str] = {}  # names bound to a package, of which perhaps only some attributes are used
    everything = [sub for node in nodes for sub in ast.walk(node)]
    for sub in everything:
        if isinstance(sub, ast.Import):
            found |= {a.name for a in sub.names if a.name.partition(".")[0] == package and _exists(a.name)}
        elif isinstance(sub, ast.ImportFrom):
            base = _base(sub, module, is_package)
            if base.partition(".")[0] != package or not _exists(base):
                continue
            for alias in sub.names:
                whole = f"{base}.{alias.name}"
                if alias.name != "*" and _exists(whole) and _file(whole)[1]:
                    rooms[alias.asname or alias.name] = whole
                else:
                    found |= _resolve(base, alias.name)
    return (found | _used(everything, rooms)) - {module}


def _used(nodes: Iterable[ast.AST], rooms: dict[str, str]) -> set[str]:
    """The modules behind the attributes that are taken of packages; the whole package where it is used as such."""
    found: set[str] = set()
    attributes = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
    taken = {id(n.value) for n in attributes}
    for use in attributes:
        if isinstance(use.value, ast.Name) and use.value.id in rooms:
            found |= _resolve(rooms[use.value.id], use.attr)
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in taken and node.id in rooms:
            found.add(rooms[node.id])
    return found


def _base(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def _resolve(module: str, name: str, depth: int = 0) -> set[str]:
    """The modules that `from module import name` really takes its code from."""
    if name != "*" and _exists(f"{module}.{name}"):
        return {f"{module}.{name}"}
    tree, is_package = _tree(module)
    if not is_package or name == "*" or depth > 8:
        return {module}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    base = _base(node, module, is_package)
                    return _resolve(base, alias.name, depth + 1) if _exists(base) else {module}
    return {module}


def _parts(tree: ast.Module, wanted: list[str]) -> list[ast.stmt]:
    """The top-level statements of a module that the definitions of `wanted` need; of imports only the needed names."""
    names = _reachable(tree, wanted)
    parts: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            kept = [a for a in node.names if (a.asname or a.name).partition(".")[0] in names]
            parts += [ast.Import(kept)] if kept else []
        elif isinstance(node, ast.ImportFrom):
            kept = [a for a in node.names if (a.asname or a.name) in names or a.name == "*"]
            parts += [ast.ImportFrom(node.module, kept, node.level)] if kept else []
        elif _binds(node) & names or _always(node):
            parts.append(node)
    return parts


def _text(node: ast.stmt, source: str) -> str:
    """The source of a statement with its decorators; imports, which may have been trimmed, as Python writes them."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return ast.unparse(node)
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def _binds(node: ast.stmt) -> set[str]:
    """The names that a top-level statement defines."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).partition(".")[0] for a in node.names}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _always(node: ast.stmt) -> bool:
    """Statements that count whatever is asked for: they may act on anything (if, for, with, bare calls)."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    return isinstance(node, (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Delete))


def _reachable(tree: ast.Module, wanted: Iterable[str]) -> set[str]:
    """The top-level names of a module that the definitions of `wanted` use, directly or through each other."""
    definitions: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for name in _binds(node):
            definitions.setdefault(name, []).append(node)
    reached: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name in reached or name not in definitions:
            continue
        reached.add(name)
        for node in definitions[name]:
            todo += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    return reached
