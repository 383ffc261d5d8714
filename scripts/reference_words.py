"""The pages of events and ports: what the ledger may say, and what the stages need of the world."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tamid
from tamid import ports
from tamid.core import events
from tamid.core.chain import Recorded
from tamid.core.events import Event
from tamid.core.learning import model

PACKAGE = Path(tamid.__file__).parent


def events_page() -> str:
    """Return the reference of the ledger's events."""
    lines = ["# Events", "", "This page is written by `make docs`.", ""]
    lines += [
        "What can stand in the ledger: one kind of event for each kind of thing that happens.",
        "Frames, models and reports are never in it, only their digests. A field may be added with",
        "a default and is never renamed or removed. `tamid log --kind KIND` lists them in plain",
        "words, `tamid why event N` shows one.",
        "",
        "Each event is recorded in an envelope:",
        "",
        *_fields(Recorded, skip=("event",)),
        "",
        "and has a `key`: an act that is repeated after a crash carries the same key, and is the",
        "same act.",
    ]
    for kind in event_classes():
        lines += ["", f"## {kind.__name__}", "", *_doc(kind)]
        table = _fields(kind, skip=("key", "version"))
        lines += ["", *table] if len(table) > 2 else []
    lines += ["", "## Words", "", "| type | one of |", "|---|---|"]
    for name, kind in vars(events).items():
        if typing.get_origin(kind) is typing.Literal:
            lines.append(f"| {name} | {', '.join(typing.get_args(kind))} |")
    return "\n".join(lines) + "\n"


def event_classes() -> list[type[Event]]:
    """Return every kind of event, in the order of the vocabulary."""
    return [k for k in vars(events).values() if inspect.isclass(k) and k in Event.__subclasses__()]


def ports_page() -> str:
    """Return the reference of the ports."""
    lines = ["# Ports", "", "This page is written by `make docs`.", ""]
    lines += [
        "What the stages need of the world: protocols of at most five methods with their laws",
        "(`tamid.ports`), and those inside a training worker (`tamid.core.learning.model`).",
        "An adapter is any class that has the methods and keeps the laws. The suite named with a",
        "port is shipped in `tamid.testing` and shows the laws over any adapter:",
        "[how-to/adapters.md](../how-to/adapters.md).",
    ]
    suites, adapters = _suites(), list(_adapters())
    for port in port_classes():
        lines += ["", f"## {port.__name__}", "", *_doc(port), ""]
        for name, method in _methods(port):
            lines += [f"### {port.__name__}.{name}", "", "```python", _signature(method), "```", ""]
            lines += [*_doc(method), ""]
        mine = [f"`{path}:{name}`" for path, name, has in adapters if _fits(port, has)]
        lines.append(f"- Adapters: {', '.join(mine) or 'none yet'}")
        if port.__name__ in suites:
            lines.append(f"- Suite: `{suites[port.__name__]}`")
    lines += ["", "## Values that cross ports", ""]
    for kind in vars(ports).values():
        if dataclasses.is_dataclass(kind) and getattr(kind, "__module__", "") == ports.__name__:
            assert isinstance(kind, type)
            lines += [f"### {kind.__name__}", "", *_doc(kind), "", *_fields(kind), ""]
    return "\n".join(lines).rstrip() + "\n"


def port_classes() -> list[type]:
    """Return every port: those of the stages, then those inside a worker."""
    found = []
    for module in (ports, model):
        for kind in vars(module).values():
            mine = inspect.isclass(kind) and kind.__module__ == module.__name__
            if mine and getattr(kind, "_is_protocol", False):
                found.append(kind)
    return found


def _methods(port: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(port).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            yield name, value


def _fields(kind: Any, skip: tuple[str, ...] = ()) -> list[str]:
    lines = ["| field | type | default |", "|---|---|---|"]
    for field in dataclasses.fields(kind):
        if field.name in skip:
            continue
        kept = str(field.type).replace("|", "\\|")
        lines.append(f"| `{field.name}` | {kept} | {_default(field)} |")
    return lines


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    if field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()!r}`"
    return ""


def _doc(thing: Any) -> list[str]:
    """Return a docstring as Markdown: `Raises:` becomes a list."""
    lines: list[str] = []
    listed = False
    for line in (inspect.getdoc(thing) or "").splitlines():
        if line.strip() == "Raises:":
            listed = True
            lines += ["", "Raises:", ""] if lines and lines[-1] else ["Raises:", ""]
            continue
        if listed and line.startswith("    "):
            more = line.startswith("        ")
            lines.append(f"  {line.strip()}" if more else f"- {line.strip()}")
            continue
        listed = False
        lines.append(re.sub(r":(?:meth|func|mod):`([^`]+)`", r"`\1`", line))
    return lines


def _signature(method: Any) -> str:
    source = inspect.cleandoc("\n" + inspect.getsource(method))
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    text = f"{node.name}({ast.unparse(node.args)}){returns}"
    return text.replace("(self, ", "(", 1).replace("(self)", "()", 1)


def _suites() -> dict[str, str]:
    """Return the suite of laws of each port that has one."""
    found = {}
    for path in sorted((PACKAGE / "testing").glob("*_suite.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Suite"):
                port = node.name.removesuffix("Suite")
                names = {p.__name__ for p in port_classes()}
                near = [n for n in names if n == port or n.startswith(port.rstrip("s"))]
                for name in near:
                    found[name] = f"tamid.testing.{path.stem}:{node.name}"
    return found


def _adapters() -> Iterator[tuple[str, str, dict[str, list[str]]]]:
    """Yield every public class of the adapters with its public methods and their arguments."""
    for path in sorted((PACKAGE / "adapters").rglob("*.py")):
        classes: dict[str, dict[str, list[str]]] = {}
        module = path.relative_to(PACKAGE / "adapters").with_suffix("").as_posix()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef):
                continue
            has: dict[str, list[str]] = {}
            for base in node.bases:
                has |= classes.get(base.id, {}) if isinstance(base, ast.Name) else {}
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                    has[item.name] = [a.arg for a in item.args.args + item.args.kwonlyargs]
            classes[node.name] = has
            if not node.name.startswith("_"):
                yield f"tamid.adapters.{module.replace('/', '.')}", node.name, has


def _fits(port: type, has: dict[str, list[str]]) -> bool:
    """Say whether a class has every method of a port, with the same arguments."""
    wanted = {name: list(inspect.signature(method).parameters) for name, method in _methods(port)}
    return all(has.get(name) == arguments for name, arguments in wanted.items())
