"""Rules about `data`, `clean` and `features`: columns, sources, labels, tables, cleaning steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tamid.core.contract.case import Case, row_columns, rule
from tamid.core.contract.model import CleanStep, Column
from tamid.core.contract.problems import did_you_mean, listed, quoted
from tamid.core.contract.rules_shared import (
    ENDINGS,
    MOMENTS,
    SUMMABLE,
    column_limits,
    source_faults,
)

_FILLS: Mapping[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "category": (str, int, float, bool),
    "text": (str, int, float, bool),
}


# Steps that make gaps or take them away: where a row is told by its value, neither means anything.
_GAPS = ("fill", "blank", "number")
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "fill": ("value",),
    "clip": ("low", "high"),
    "blank": ("values", "low", "high"),
    "number": ("decimal", "thousands"),
}
_UNSAID = (None, (), ".", "none")


def _roles_of_columns(case: Case) -> None:
    """One column has one role: entity, time or label."""
    data = case.contract.data
    roles = (("data.entity", data.entity), ("data.time", data.time),
             ("data.label.column", data.label.column))  # fmt: skip
    seen: dict[str, str] = {}
    for path, column in roles:
        if column and column in seen:
            case.problem(path, f"{quoted(column)} is {seen[column]} already", "name another column")
        elif column:
            seen[column] = path


def _moments(case: Case) -> None:
    """A column of moments has a type in which moments stand."""
    data = case.contract.data
    named = [("data.schema", data.schema, data.time), ("data.schema", data.schema,
             data.source.known_at)]  # fmt: skip
    for table, spec in data.tables.items():
        where = f"data.tables.{table}.schema"
        named += [(where, spec.schema, spec.time), (where, spec.schema, spec.known_at)]
    for where, schema, name in named:
        column = schema.get(name) if name else None
        if column and column.type not in MOMENTS:
            message = f"{quoted(name or '')} holds moments, not type {column.type}"
            case.problem(f"{where}.{name}", message, "use type: datetime")


def _forbidden_columns(case: Case) -> None:
    """What must never be read is not used."""
    forbidden = frozenset(case.contract.data.forbidden)
    for path, column in _used_columns(case):
        if column in forbidden:
            case.problem(path, f"{quoted(column)} is used here and forbidden by data.forbidden")


def _known_columns(case: Case) -> None:
    """What slices, protects or is cleaned stands in the schema, if there is one."""
    contract = case.contract
    known = row_columns(contract.data)
    if not known:
        return
    for path, column in _used_columns(case):
        numbered = path.startswith(("gates.slices", "training.reduced"))
        computed = numbered and column in contract.features.aggregates
        named = path.startswith(("gates.", "clean[", "training."))
        if named and not computed and column not in known:
            hint = did_you_mean(column, known) or f"add {quoted(column)} to data.schema"
            case.problem(path, f"the rows have no column {quoted(column)}", hint)


def _used_columns(case: Case) -> Iterator[tuple[str, str]]:
    contract, data = case.contract, case.contract.data
    single = (("data.entity", data.entity), ("data.time", data.time),
              ("data.label.column", data.label.column),
              ("data.source.known_at", data.source.known_at))  # fmt: skip
    yield from ((path, column) for path, column in single if column)
    for name, table in data.tables.items():
        if table.known_at:
            yield f"data.tables.{name}.known_at", table.known_at
    yield from ((f"data.schema.{name}", name) for name in data.schema)
    for path, columns in (
        ("gates.slices.by", contract.gates.slices.by),
        ("gates.fairness.protected", contract.gates.fairness.protected),
        ("training.reduced", contract.training.reduced),
        *((f"clean[{i}].columns", s.columns) for i, s in enumerate(contract.clean)),
    ):
        yield from ((f"{path}[{i}]", column) for i, column in enumerate(columns))


def _columns(case: Case) -> None:
    """A column's limits fit its type."""
    data = case.contract.data
    for name, column in data.schema.items():
        column_limits(case, f"data.schema.{name}", column)
    for table, spec in data.tables.items():
        for name, column in spec.schema.items():
            column_limits(case, f"data.tables.{table}.schema.{name}", column)


def _feature_columns(case: Case) -> None:
    """The label and personal columns are not offered to the model."""
    data = case.contract.data
    for name, column in data.schema.items():
        if not (column.feature and case.given(f"data.schema.{name}.feature")):
            continue
        path = f"data.schema.{name}.feature"
        if name == data.label.column:
            case.problem(path, "the label itself is offered to the model", "write feature: false")
        if name in data.pii:
            case.problem(
                path, "a personal column (data.pii) is never stored, so it cannot be a feature",
                "write feature: false, or take it from data.pii",
            )  # fmt: skip


def _sources(case: Case) -> None:
    """A source's ending and its declared format agree."""
    data = case.contract.data
    sources = [("data.source", data.source.path, data.source.format)]
    if data.label.source:
        sources.append(("data.label.source", data.label.source.path, data.label.source.format))
    sources += [(f"data.tables.{n}", t.path, t.format) for n, t in data.tables.items()]
    for where, path, declared in sources:
        source_faults(case, where, path, declared)


def _csv_forms(case: Case) -> None:
    """How CSV files are written is said of CSV files, and can be told apart."""
    data = case.contract.data
    sources = [("data.source", data.source.path, data.source.format, data.source.csv)]
    if (label := data.label.source) is not None:
        sources.append(("data.label.source", label.path, label.format, label.csv))
    sources += [(f"data.tables.{n}", t.path, t.format, t.csv) for n, t in data.tables.items()]
    for where, path, declared, form in sources:
        if form is None:
            continue
        if (ENDINGS.get(path.rpartition(".")[2].lower()) or declared) in ("parquet", "delta"):
            case.problem(f"{where}.csv", "is said of files that are no CSV", "remove it")
        if form.decimal == form.thousands:
            message = f"{quoted(form.decimal)} stands for fractions and for thousands"
            case.problem(f"{where}.csv.thousands", message, "name one mark for each")


def _label_source(case: Case) -> None:
    """What is said about a label source needs one."""
    label = case.contract.data.label
    if label.event_time and label.source is None:
        case.problem("data.label.event_time", "needs data.label.source", "name the label source")


def _tables(case: Case) -> None:
    """Point-in-time joins need an entity and a time in rows and tables."""
    contract, data = case.contract, case.contract.data
    missing = [k for k in ("entity", "time") if getattr(data, k) is None]
    own = data.tables.keys() - contract.views
    path = "data.tables" if own else "features.aggregates"
    if missing and (own or any(case.own(a) for a in contract.features.aggregates.values())):
        keys = listed(f"data.{k}" for k in missing).replace(" or ", " and ")
        case.problem(path, f"events can be joined only to rows that name {keys}", f"set {keys}")
    for name, table in data.tables.items():
        if table.entity == table.time:
            case.problem(f"data.tables.{name}.time", "is the same column as entity")


def _aggregates(case: Case) -> None:
    """An aggregate names a table and column that exist, under a name of its own."""
    data = case.contract.data
    for name, spec in case.contract.features.aggregates.items():
        path = f"features.aggregates.{name}"
        if not case.own(spec):
            continue  # judged where the view is declared
        if name in row_columns(data):
            case.problem(path, f"the rows have a column {quoted(name)} already", "name it anew")
        if spec.function != "count" and spec.column is None:
            hint = f"write {spec.function}: COLUMN"
            case.problem(path, f"{spec.function} needs a column", hint)
        table = data.tables.get(spec.table)
        if table is None:
            hint = did_you_mean(spec.table, data.tables) or "declare it under data.tables"
            case.problem(f"{path}.table", f"there is no table {quoted(spec.table)}", hint)
            continue
        if spec.window and spec.window <= table.delay:
            hint = f"make it longer than the delay of {quoted(spec.table)}"
            case.problem(f"{path}.window", "no event is known within this window", hint)
        if spec.column:
            _aggregated_column(case, path, spec.column, table.schema, spec.function)
            if spec.column in data.forbidden:
                message = f"{quoted(spec.column)} is used here and forbidden by data.forbidden"
                case.problem(f"{path}.column", message)


def _aggregated_column(
    case: Case, path: str, name: str, schema: Mapping[str, Column], function: str
) -> None:
    column = schema.get(name)
    if schema and column is None:
        table = case.contract.features.aggregates[path.removeprefix("features.aggregates.")].table
        spec = case.contract.data.tables[table]
        if name not in (spec.entity, spec.time):
            hint = did_you_mean(name, schema)
            case.problem(f"{path}.column", f"the table has no column {quoted(name)}", hint)
    elif column and function in ("sum", "mean") and column.type not in SUMMABLE:
        case.problem(f"{path}.column", f"a {function} of type {column.type} does not exist")


def _clean_steps(case: Case) -> None:
    """A step has the settings it needs and no others."""
    turned: set[str] = set()
    for index, step in enumerate(case.contract.clean):
        path = f"clean[{index}]"
        wanted = _SETTINGS.get(step.step, ())
        for key in ("value", "values", "low", "high", "decimal", "thousands"):
            if getattr(step, key) not in _UNSAID and key not in wanted:
                case.problem(f"{path}.{key}", f"{step.step} takes no {key}")
        if step.step == "number" and not step.columns:
            case.problem(path, "number needs columns", "write number: [fee]")
        elif (
            wanted
            and step.step != "number"
            and all(getattr(step, key) in (None, ()) for key in wanted)
        ):
            need = listed(wanted)
            some = "[-999]" if wanted[0] == "values" else "0"
            hint = f"write {step.step}: {{{wanted[0]}: {some}}}"
            case.problem(path, f"{step.step} needs {need}", hint)
        if step.low is not None and step.high is not None and step.low > step.high:
            case.problem(f"{path}.low", f"low {step.low:g} is above high {step.high:g}")
        _cleaned_types(case, path, step, turned)
        turned.update(step.columns if step.step == "number" else ())


def _cleaned_types(case: Case, path: str, step: CleanStep, turned: Collection[str]) -> None:
    """What a step does fits its columns, those that are numbers by an earlier step included."""
    data = case.contract.data
    kinds = {"clip": ("number", "integer"), "lower": ("category", "text"),
               "strip": ("category", "text"), "number": ("category", "text")}  # fmt: skip
    for index, name in enumerate(step.columns):
        where, column = f"{path}.columns[{index}]", data.schema.get(name)
        if column and name in turned:
            column = Column(type="number")
        bounded = step.step == "blank" and not (step.low is None and step.high is None)
        if bounded and column and column.type not in ("number", "integer"):
            case.problem(where, f"bounds do not fit type {column.type}")
        elif name in (data.label.column, data.entity, data.time) and step.step in _GAPS:
            case.problem(where, f"{quoted(name)} is label, entity or time: a gap there is no value")
        elif column and step.step in kinds and column.type not in kinds[step.step]:
            case.problem(where, f"{step.step} does not fit type {column.type}")
        elif column and step.step == "fill" and step.value is not None:
            fits = isinstance(step.value, _FILLS.get(column.type, (object,)))
            if not fits or (isinstance(step.value, bool) and column.type in ("number", "integer")):
                value = quoted(str(step.value))
                case.problem(where, f"{value} cannot fill a column of type {column.type}")


RULES = (
    rule(_roles_of_columns, "data.entity", "data.time", "data.label.column"),
    rule(_moments, "data.schema", "data.tables", "data.time", "data.source"),
    rule(_forbidden_columns, "data.forbidden", "data.tables", "data.entity", "data.time",
         "data.label.column", "gates.slices", "gates.fairness", "training.reduced", "clean"),
    rule(_known_columns, "data.schema", "data.entity", "data.time", "data.label.column",
         "gates.slices", "gates.fairness", "training.reduced", "clean", "features.aggregates"),
    rule(_columns, "data.schema", "data.tables"),
    rule(_feature_columns, "data.schema", "data.label.column", "data.pii"),
    rule(_sources, "data.source", "data.label.source", "data.tables"),
    rule(_csv_forms, "data.source", "data.label.source", "data.tables"),
    rule(_label_source, "data.label.source", "data.label.event_time"),
    rule(_tables, "data.tables", "data.entity", "data.time", "features.aggregates"),
    rule(_aggregates, "data.tables", "data.schema", "data.forbidden", "features.aggregates"),
    rule(_clean_steps, "clean", "data.schema", "data.label.column", "data.entity", "data.time"),
)  # fmt: skip
