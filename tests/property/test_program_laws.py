"""Programs, whatever they hold: one form in bytes, one answer from every engine, no way out."""

from __future__ import annotations

import dataclasses
import math
import struct
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tamid.adapters.engines.kernel import KernelEngine
from tamid.adapters.engines.lightgbm_trees import LightGBMTrees
from tamid.adapters.engines.plain import PlainEngine
from tamid.core.compiled import codec
from tamid.core.compiled.check import problems
from tamid.core.compiled.interpreter import Interpreter
from tamid.core.compiled.lightgbm_text import boosted
from tamid.core.compiled.program import (
    CATEGORY,
    Linear,
    Op,
    Program,
    Trees,
    indices,
    make_slots,
    numbers,
    plain_slots,
)
from tamid.core.compiled.shap import Explainer
from tamid.core.errors import IntegrityError, MissingExtra, Uncompilable
from tamid.core.learning.model import Feature
from tamid.core.values import Task

SEEDS = st.integers(0, 2**32 - 1)
ODD = (math.nan, math.inf, -math.inf, 0.0, -0.0, -0.5, 1e308, -1e308, 5e-324, 2.0**31, 63.0, 64.0)


def random_program(seed: int) -> Program:
    """Return some valid program with every kind of step, split and link."""
    rng = np.random.default_rng(seed)
    features, width = int(rng.integers(1, 5)), int(rng.integers(1, 9))
    tables = [[math.nan, 1.0, 2.0], [0.5, -1.0, 3.0, math.nan, 7.0]]
    steps = []
    for _ in range(width):
        ops = [Op(int(o)) for o in rng.integers(0, len(Op), rng.integers(0, 4))]
        given = [float(rng.integers(0, 2)) if o == Op.MAP else _argument(rng) for o in ops]
        steps.append((int(rng.integers(0, features)), list(zip(ops, given, strict=True))))
    outputs = int(rng.choice([1, 1, 3]))
    link = "softmax" if outputs > 1 else str(rng.choice(["identity", "sigmoid", "exp", "divide"]))
    model = _linear(rng, width, outputs) if rng.random() < 0.2 else _trees(rng, width, outputs)
    return Program(
        task=Task.MULTICLASS if outputs > 1 else Task.BINARY,
        features=tuple(Feature(name=f"f{i}") for i in range(features)),
        slots=make_slots(steps, tables),
        model=model,
        classes=("a", "b", "c") if outputs > 1 else (),
        outputs=outputs,
        link=link,  # type: ignore[arg-type] # drawn from the words of the type
        factor=float(rng.uniform(0.5, 2.0)),
    )


def _argument(rng: np.random.Generator) -> float:
    return float(rng.choice([0.5, -1.0, 2.0, 1e200, 3.0]))


def _linear(rng: np.random.Generator, width: int, outputs: int) -> Linear:
    return Linear(weights=rng.normal(size=width * outputs), bias=rng.normal(size=outputs))


def _trees(rng: np.random.Generator, width: int, outputs: int) -> Trees:
    """Grow trees by splitting leaves at random: children lie behind their parents."""
    left: list[int] = []
    right: list[int] = []
    root, leaves = [], 0
    # Trees of more than 64 leaves are walked by the kernel, smaller ones scanned.
    most = int(rng.choice([9, 9, 33, 90]))
    for _ in range(int(rng.integers(1, 20)) * outputs):
        first, grown = len(left), int(rng.integers(0, most))
        root.append(first if grown else -1 - leaves)
        open_ends: list[tuple[list[int], int]] = []
        for node in range(first, first + grown):
            if open_ends:
                side, place = open_ends.pop(int(rng.integers(0, len(open_ends))))
                side[place] = node
            left.append(0)
            right.append(0)
            open_ends += [(left, node), (right, node)]
        for side, place in open_ends:
            side[place] = -1 - leaves
            leaves += 1
        leaves += 0 if grown else 1
    nodes, sets = len(left), 4
    members = [np.unique(rng.integers(0, 130, rng.integers(0, 9))) for _ in range(sets)]
    return Trees(
        root=indices(root),
        output=indices(np.arange(len(root)) % outputs),
        slot=indices(rng.integers(0, width, nodes)),
        flags=indices(rng.integers(0, 4 if rng.random() < 0.5 else 2, nodes)),
        threshold=numbers(rng.choice([-1.0, 0.0, 0.5, 1.0, math.inf], nodes)),
        left=indices(left),
        right=indices(right),
        inside=indices(rng.integers(0, sets, nodes)),
        known=indices(rng.integers(-1, sets, nodes)),
        set_begin=indices(np.cumsum([0, *map(len, members)])),
        sets=indices(np.concatenate(members)),
        leaf=rng.normal(size=leaves),
        base=rng.normal(size=outputs),
        cover=np.zeros(0),
        leaf_cover=np.zeros(0),
    )


def random_rows(seed: int, width: int, count: int = 6) -> list[list[float]]:
    """Return rows with all that a double can be."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice([*ODD, *range(12)], size=(count, width))
    return [[float(v) for v in row] for row in drawn]


def explained(program: Program) -> Program:
    """Return the program as one that tells SHAP values, if its trees can."""
    model = program.model
    if not isinstance(model, Trees) or model.width != 1:
        return program
    width = program.slots.width
    rng = np.random.default_rng(len(model.slot))
    return dataclasses.replace(
        program,
        features=tuple(Feature(name=f"f{i}") for i in range(width)),
        slots=plain_slots(width),
        model=dataclasses.replace(
            model,
            cover=rng.uniform(1, 9, len(model.slot)),
            leaf_cover=rng.uniform(1, 9, model.leaves),
        ),
        explain="shap",
    )


def in_c(program: Program, row: list[float]) -> list[float] | None:
    """Return the kernel's answers; None if it refuses sets that would take too much memory."""
    try:
        return KernelEngine(program).many(struct.pack(f"<{len(row)}d", *row), 1)
    except MissingExtra as error:
        if "too large" in error.what:
            return None
        raise


def same(one: float, two: float) -> bool:
    """Say whether two answers are the same to the last digits of a logarithm."""
    return one == two or (one != one and two != two) or math.isclose(one, two, rel_tol=1e-12)


@settings(max_examples=150)
@given(seed=SEEDS)
def test_every_engine_gives_the_answers_of_the_reference(seed: int) -> None:
    """One row or many, in C or in Python: missing, infinite and absurd numbers among them."""
    program = random_program(seed)
    rows = random_rows(seed, len(program.features))
    packed = b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)
    reference = Interpreter(program)
    wanted = [v for row in rows for v in reference.row(row)]
    kernel, plain = KernelEngine(program), PlainEngine(program)
    for found in (kernel.many(packed, len(rows)), plain.many(packed, len(rows))):
        assert all(map(same, found, wanted))
    if program.outputs == 1:
        size = 8 * len(program.features)
        alone = [kernel.one(packed[i : i + size]) for i in range(0, len(packed), size)]
        assert all(map(same, alone, wanted))


@given(seed=SEEDS)
def test_the_kernel_explains_as_the_reference_does(seed: int) -> None:
    """The parts of the features are the same numbers in C and in Python."""
    program = explained(random_program(seed))
    if program.explain != "shap":
        return
    row = random_rows(seed, len(program.features), 1)[0]
    best = 0
    if program.outputs > 1:
        sums = Interpreter(program).sums(row)
        best = sums.index(max(sums))
    found = KernelEngine(program).shap(struct.pack(f"<{len(row)}d", *row), best)
    wanted = Explainer(program).contributions(row)
    assert found is not None
    assert np.allclose(found, list(wanted.values()), rtol=1e-9, atol=1e-9)


@given(seed=SEEDS)
def test_one_program_has_one_form_in_bytes(seed: int) -> None:
    """What is written is read back as it was, with the same bytes."""
    content = codec.write(random_program(seed))
    assert codec.write(codec.read(content)) == content


@settings(max_examples=300)
@given(seed=SEEDS, changes=st.lists(st.tuples(SEEDS, st.integers(0, 255)), min_size=1, max_size=6))
@example(seed=0, changes=[(8, 255)])
def test_altered_bytes_are_refused_or_answer_like_any_program(
    seed: int, changes: list[tuple[int, int]]
) -> None:
    """Whatever the bytes: they are refused, or every engine runs them to the same answer."""
    content = bytearray(codec.write(random_program(seed)))
    for place, value in changes:
        content[place % len(content)] = value
    try:
        program = codec.read(bytes(content))
    except IntegrityError:
        return
    assert problems(program) == []
    row = random_rows(seed, len(program.features), 1)[0]
    wanted = Interpreter(program).row(row)
    found = in_c(program, row)
    assert found is None or all(map(same, found, wanted))
    assert set(Explainer(program).contributions(row)) == {f.name for f in program.features}


@settings(max_examples=300)
@given(seed=SEEDS, name=st.sampled_from([f.name for f in dataclasses.fields(Trees)]), value=SEEDS)
def test_an_array_with_any_number_in_it_is_refused_or_harmless(
    seed: int, name: str, value: int
) -> None:
    """One number of a tree's arrays may be anything: no engine leaves the arrays for it."""
    program = random_program(seed)
    part = getattr(program.model, name, None)
    if not isinstance(program.model, Trees) or not isinstance(part, np.ndarray) or not len(part):
        return
    changed = part.copy()
    changed[value % len(part)] = np.int32(value - 2**31 if value % 2 else value % 40 - 20)
    model: Any = dataclasses.replace(program.model, **{name: changed})  # type: ignore[arg-type] # by name
    altered = dataclasses.replace(program, model=model)
    if problems(altered):
        return
    row = random_rows(seed, len(program.features), 1)[0]
    found = in_c(altered, row)
    assert found is None or all(map(same, found, Interpreter(altered).row(row)))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_lightgbm_answers_for_the_trees_of_any_program_that_it_takes(seed: int) -> None:
    """What its library is told of a program gives the reference's answers, one row or many."""
    program = random_program(seed)
    model = program.model
    if isinstance(model, Trees) and seed % 4:
        usual = np.isfinite(model.threshold) & (model.threshold != 0)
        plain = np.where(model.flags & CATEGORY, CATEGORY, model.flags)
        model = dataclasses.replace(
            model,
            threshold=np.where(usual, model.threshold, 0.25),
            flags=indices(plain),
            known=indices(np.full(len(plain), -1)),
        )
    program = dataclasses.replace(
        program,
        model=model,
        features=tuple(
            dataclasses.replace(f, kind="category" if i % 2 else "number")
            for i, f in enumerate(program.features)
        ),
    )
    try:
        engine = LightGBMTrees(program)
    except MissingExtra:
        return
    rows = random_rows(seed, len(program.features))
    packed = [struct.pack(f"<{len(row)}d", *row) for row in rows]
    wanted = [a for row in rows for a in Interpreter(program).row(row)]
    alone = [a for one in packed for a in engine.many(one, 1)]
    together = engine.many(b"".join(packed), len(rows))
    for found in (alone, together, [a for one in packed for a in engine.many(one, 1)]):
        assert all(
            same(f, w) or abs(f - w) <= 1e-12 * abs(w) for f, w in zip(found, wanted, strict=True)
        )


@given(text=st.text(max_size=300), head=st.booleans())
def test_any_text_is_a_model_or_refused(text: str, head: bool) -> None:
    """A text that is no model is refused in one way only."""
    whole = f"tree\nnum_class=1\nnum_tree_per_iteration=1\nTree=0\n{text}\nend of trees\n"
    try:
        found = boosted(whole if head else text)
    except Uncompilable:
        return
    assert found.trees.leaves >= 1


def test_random_programs_hold_categories() -> None:
    """The programs that the laws are tried on split by categories and by numbers."""
    flags = np.concatenate([
        program.model.flags
        for program in map(random_program, range(40))
        if isinstance(program.model, Trees)
    ])  # fmt: skip
    assert {0, CATEGORY} <= set((flags & CATEGORY).tolist())
