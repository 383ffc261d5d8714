"""Files and functions stay small, ports narrow, values frozen."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any, Protocol

import pytest

import tamid
from tamid import ports

PACKAGE = Path(tamid.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE_LINES = 300
MAX_BODY_LINES = 50
MAX_PORT_METHODS = 5
# Files that one idea makes longer than the limit, with the reason.
LONGER = {
    "ports.py": "what the stages need of the world is read as one list",
    "core/events.py": "the ledger's vocabulary is read as one list",
}
VALUE = {"frozen", "slots", "kw_only"}


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_holds_one_idea(path: Path) -> None:
    """No file is longer than a reader can hold in mind."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES or _name(path) in LONGER


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    """No function body is longer than the limit; its docstring is not counted."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, kinds)]
    sizes = {function.name: _body_lines(function) for function in functions}
    assert not {name: size for name, size in sizes.items() if size > MAX_BODY_LINES}


@pytest.mark.parametrize(
    "path", [f for f in FILES if _name(f).startswith(("core/", "ports"))], ids=_name
)
def test_values_are_frozen(path: Path) -> None:
    """Every dataclass of core and ports is frozen and slotted; a public one is built by keyword."""
    loose = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            marks = [m for m in node.decorator_list if ast.unparse(m).startswith("dataclass")]
            wanted = VALUE - {"kw_only"} if node.name.startswith("_") else VALUE
            loose += [node.name for mark in marks if not _marked_true(mark) >= wanted]
    assert not loose


def test_a_longer_file_has_a_reason_that_still_holds() -> None:
    """An exception for a file that became short, or vanished, is taken back."""
    for name in LONGER:
        path = PACKAGE / name
        assert path.is_file()
        assert len(path.read_text(encoding="utf-8").splitlines()) > MAX_FILE_LINES


@pytest.mark.parametrize(
    "port", [v for v in vars(ports).values() if Protocol in getattr(v, "__bases__", ())]
)
def test_a_port_is_narrow(port: type[Any]) -> None:
    """A port asks for at most five methods, each with its law in a docstring."""
    methods = [m for n, m in vars(port).items() if inspect.isfunction(m) and n[0] != "_"]
    assert 1 <= len(methods) <= MAX_PORT_METHODS
    assert not [method.__name__ for method in methods if not method.__doc__]


def _marked_true(mark: ast.expr) -> set[str | None]:
    keywords = mark.keywords if isinstance(mark, ast.Call) else []
    return {keyword.arg for keyword in keywords if ast.unparse(keyword.value) == "True"}


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
