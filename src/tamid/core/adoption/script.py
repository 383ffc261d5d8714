"""What builds a pipeline is taken out of a script, with all that it needs and nothing else.

Looked for, in this order: a function that needs no argument and has one of the names that such
functions have, is declared to return a Pipeline, or returns one; a pipeline or estimator that the
script makes at its top level. Whatever reads data stays behind.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tamid.core.errors import UserCodeError

ENTRY = "build"
_VERBS, _THINGS = "build|make|create|get|new", "model|pipeline|pipe|classifier|regressor|estimator"
_FUNCTION = re.compile(rf"_?(?:{ENTRY}|(?:{_VERBS})_(?:\w+_)?(?:{_THINGS})|{_THINGS})\Z")
_VARIABLE = re.compile(rf"(?:\w+_)?(?:{_THINGS}|clf|reg)(?:_\w+)?\Z")
_MAKES = re.compile(
    r"(?:make_)?(?:imb)?pipeline\Z|\w+(?:classifier|regressor|regression|svc|svr)\Z|"
    r"(?:ridge|lasso|elasticnet|gaussiannb)\Z",
    re.IGNORECASE,
)
_READS = re.compile(
    r"(?:read|scan|load|fetch|connect|query|open|input|loadtxt|genfromtxt)(?:_\w+)?\Z"
)
# What a script does with a pipeline and leaves it what it is.
_USES = (
    "fit predict predict_proba decision_function score transform fit_transform fit_predict "
    "get_params get_feature_names_out"
)
_HARMLESS = frozenset(_USES.split())
_FIX = (
    f"Write a function {ENTRY}() in the script that takes nothing and returns the pipeline, with "
    "its columns named in the code."
)
Definition = (
    ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """The text of model.py, where its pipeline stood, and the modules that it imports."""

    text: str
    found: str
    modules: tuple[str, ...]


def taken_over(source: str, file: str) -> Takeover:
    """Return a module whose function `build` makes the script's pipeline.

    >>> script = "from x import Pipeline, read_csv\\nd = read_csv('a')\\nC = 2\\n"
    >>> print(taken_over(script + "pipe = Pipeline(C)\\npipe.fit(d)", "t.py").text)
    \"\"\"The pipeline of t.py, taken over by `tamid adopt`.\"\"\"
    <BLANKLINE>
    from x import Pipeline, read_csv
    <BLANKLINE>
    C = 2
    <BLANKLINE>
    <BLANKLINE>
    def build():
        pipe = Pipeline(C)
        return pipe
    <BLANKLINE>

    Raises:
        UserCodeError: it is no Python, has no pipeline that can be told, or makes it out of data.
    """
    try:
        tree = ast.parse(source, file)
    except (SyntaxError, ValueError) as error:
        raise UserCodeError(
            f"{file} is no Python: {error}", fix="Correct the line named, or leave out --script."
        ) from None
    body = [n for n in tree.body if isinstance(n, Definition)]
    function = _function(body)
    made = None if function is not None else _variable(body, tree.body)
    if function is None and made is None:
        raise UserCodeError(
            f"no pipeline was found in {file}",
            why="neither a function such as build_pipeline() nor a line such as "
            "`pipeline = Pipeline(...)` stands at its top level",
            fix=_FIX,
        )
    entry = function if function is not None else made
    assert entry is not None
    needed = _needed(entry, body, file)
    _refuse_changes(tree, needed, file)
    return Takeover(
        text=_module(source, file, needed, function, made),
        found=f"{_names(entry)[0]} in line {entry.lineno}",
        modules=tuple(dict.fromkeys(m for n in needed for m in _modules(n))),
    )


def imported(source: str) -> list[str]:
    """Return the modules that a file imports at its top level; none if it is no Python."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return []
    return [m for n in body if isinstance(n, (ast.Import, ast.ImportFrom)) for m in _modules(n)]


def _function(body: Sequence[Definition]) -> ast.FunctionDef | None:
    """Return the function that makes the pipeline: by name first, then by what it returns."""
    free = [n for n in body if isinstance(n, ast.FunctionDef) and _needs_nothing(n)]
    named = [n for n in free if _FUNCTION.match(n.name)]
    named.sort(key=lambda n: n.name != ENTRY)
    declared = [n for n in free if n.returns and "Pipeline" in ast.unparse(n.returns)]
    returning = [n for n in free if any(_returns(n))]
    return next(iter([*named, *declared, *returning]), None)


def _needs_nothing(node: ast.FunctionDef) -> bool:
    a = node.args
    given = len(a.defaults)
    bare = len(a.posonlyargs) + len(a.args) - given
    return bare == 0 and all(d is not None for d in a.kw_defaults)


def _returns(node: ast.FunctionDef) -> Iterator[bool]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Call):
            yield bool(re.match(r"(?:make_)?pipeline\Z", _called(inner.value), re.IGNORECASE))


def _variable(body: Sequence[Definition], whole: Sequence[ast.stmt]) -> Definition | None:
    """Return the assignment that makes the pipeline: the last one that is fitted, else named so."""
    makers = [
        n for n in body
        if isinstance(n, (ast.Assign, ast.AnnAssign)) and isinstance(n.value, ast.Call)
        and _MAKES.match(_called(n.value)) and len(_names(n)) == 1
    ]  # fmt: skip
    fitted = {
        c.func.value.id
        for statement in whole
        for c in ast.walk(statement)
        if isinstance(c, ast.Call) and isinstance(c.func, ast.Attribute)
        and c.func.attr == "fit" and isinstance(c.func.value, ast.Name)
    }  # fmt: skip
    used = [n for n in makers if _names(n)[0] in fitted]
    named = [n for n in makers if _VARIABLE.match(_names(n)[0].lower())]
    return next(iter([*used[::-1], *named[::-1]]), None)


def _needed(entry: Definition, body: Sequence[Definition], file: str) -> list[Definition]:
    """Return the definitions that one rests on, in the order of the script."""
    known: dict[str, list[Definition]] = {}
    for node in body:
        for name in _names(node):
            known.setdefault(name, []).append(node)
    chosen, todo = [entry], [entry]
    while todo:
        node = todo.pop()
        _refuse_reading(node, entry, file)
        for name in _loaded(node):
            found = [n for n in known.get(name, ()) if n is not entry]
            if len(found) > 1 and not all(
                isinstance(n, (ast.Import, ast.ImportFrom)) for n in found
            ):
                lines = ", ".join(str(n.lineno) for n in found)
                raise UserCodeError(
                    f"{name!r} of {file} is made more than once (lines {lines})",
                    why="which of them the pipeline needs cannot be told",
                    fix=_FIX,
                )
            new = [n for n in found if n not in chosen]
            chosen += new
            todo += new
    stars = [n for n in body if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"]
    return sorted({id(n): n for n in (*stars, *chosen)}.values(), key=lambda n: n.lineno)


def _refuse_reading(node: Definition, entry: Definition, file: str) -> None:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _READS.match(_called(call)):
            what = _names(entry)[0]
            raise UserCodeError(
                f"{what!r} of {file} is made out of data: {_called(call)}() in line {call.lineno}",
                why="a pipeline is built anew in every run, before there are any rows",
                fix=_FIX,
            )


def _refuse_changes(tree: ast.Module, needed: Sequence[Definition], file: str) -> None:
    """Refuse what is changed after it was made: those lines would be missing."""
    own = {n for d in needed if isinstance(d, (ast.Assign, ast.AnnAssign)) for n in _names(d)}
    for node in tree.body:
        touched = ""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            if isinstance(function, ast.Attribute) and function.attr not in _HARMLESS:
                touched = _root(function)
        elif isinstance(node, ast.AugAssign):
            touched = _root(node.target)
        elif isinstance(node, ast.Assign):
            subtle = [t for t in node.targets if isinstance(t, (ast.Attribute, ast.Subscript))]
            touched = next((_root(t) for t in subtle), "")
        if touched in own:
            raise UserCodeError(
                f"{touched!r} of {file} is changed in line {node.lineno} after it was made",
                why="only what is made in one place can be taken over",
                fix=_FIX,
            )


def _module(
    source: str,
    file: str,
    needed: Sequence[Definition],
    function: ast.FunctionDef | None,
    made: Definition | None,
) -> str:
    imports = [_text(source, n) for n in needed if isinstance(n, (ast.Import, ast.ImportFrom))]
    rest = [n for n in needed if not isinstance(n, (ast.Import, ast.ImportFrom)) and n is not made]
    values = [_text(source, n) for n in rest if isinstance(n, (ast.Assign, ast.AnnAssign))]
    blocks = [_text(source, n) for n in rest if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    if function is None:
        assert made is not None
        inside = "\n".join("    " + line for line in _text(source, made).splitlines())
        blocks.append(f"def {ENTRY}():\n{inside}\n    return {_names(made)[0]}")
    elif function.name != ENTRY:
        blocks.append(f"def {ENTRY}():\n    return {function.name}()")
    head = f'"""The pipeline of {file}, taken over by `tamid adopt`."""'
    # Values may call functions of the script: those that do stand behind them.
    late = [v for v in values if _calls_one(v, rest)]
    early = [v for v in values if v not in late]
    parts = ["\n".join(imports), "\n".join(early)]
    top = "\n\n".join([head, *(p for p in parts if p)])
    tail = [*blocks[:-1], *late, *blocks[-1:]] if late else blocks
    return "\n\n\n".join([top, *tail]) + "\n"


def _calls_one(value: str, rest: Sequence[Definition]) -> bool:
    own = {n.name for n in rest if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    return bool(own & {n.id for n in ast.walk(ast.parse(value)) if isinstance(n, ast.Name)})


def _text(source: str, node: Definition) -> str:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    lines = source.splitlines()[first - 1 : node.end_lineno]
    return "\n".join(lines).strip("; ")


def _names(node: Definition) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(a.asname or a.name).partition(".")[0] for a in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    inner = (n for t in targets for n in ast.walk(t))
    return [n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _modules(node: Definition) -> list[str]:
    if isinstance(node, ast.Import):
        return [a.name.partition(".")[0] for a in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").partition(".")[0]]
    return []


def _loaded(node: Definition) -> list[str]:
    loads = (
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    )
    return list(dict.fromkeys(loads))


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
