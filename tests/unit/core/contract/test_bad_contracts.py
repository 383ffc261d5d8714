"""What users get wrong: each case has exactly one problem, in the marked line, with its hint.

A case replaces one line of the base contract, or adds lines after it; `<<` marks the line at which
the problem must be told.
"""

from __future__ import annotations

import pytest

from tamid.adapters.yaml import read
from tamid.core.contract.parse import parse
from tamid.core.errors import ContractError

BASE = """\
tamid: 1
name: churn
task: binary
goal: {value_per_saved: 400 ILS, offer_cost: 30 ILS}
calendar: {timezone: Asia/Jerusalem}
data:
  source: {path: rows.parquet}
  entity: customer_id
  time: week
  label: {column: churned, positive: true, horizon: 7d}
  tables: {pay: {path: p.csv, entity: id, time: at, schema: {amount: number, kind: text}}}
  schema:
    tenure: {type: number, min: 0}
    plan: {type: category, allowed: [basic, plus]}
    gender: {type: category, feature: false}
    note: text
  forbidden: [national_id]
  pii: [phone]
clean: [drop_duplicates]
features: {aggregates: {paid: {table: pay, sum: amount, window: 28d}}}
training: {model: lightgbm}
gates: {minimum: {f1: 0.75}}
release: {path: [shadow, live]}
service: {fallback: [previous]}
monitoring: {every: 1d}
retraining: {on: [quality, age]}
delivery: {every: 7d, control_group: 10%}
"""
REGRESSION = (
    BASE.replace("binary", "regression")
    .replace(", positive: true", "")
    .replace("f1: 0.75", "mae: 9")
)
MULTICLASS = (
    BASE.replace("binary", "multiclass").replace(", positive: true", "").replace("f1:", "macro_f1:")
)
SECOND = BASE.replace("fallback: [previous]", "fallback: [previous, reduced]")
STATIC = """\
tamid: 1
name: churn
task: binary
data:
  source: rows.csv
  label: {column: churned, positive: true}
training: {model: lightgbm}
"""  # fmt: skip

# (line that is replaced, by what, part of the message, part of the hint)
KEYS = [
    ("tamid: 1", "tamid: 2 <<", "`2` is not known here", "expected 1"),
    ("tamid: 1", "tamid: '1' <<", "is not known here", "expected 1"),
    ("task: binary", "task: Binary <<", "`Binary` is not known", "did you mean `binary`?"),
    ("task: binary", "task: <<", "is empty", "give it a value"),
    ("name: churn", "name: churn model <<", "is not a name", "at most 100 Latin"),
    ("name: churn", "name: ../etc <<", "is not a name", "Latin letters"),
    ("training:", "trainig: {model: lightgbm} <<", "unknown key", "did you mean `training`?"),
    ("training:", "training: {epochs: 3} <<", "unknown key `epochs`", ""),
    ("training:", "training: lightgbm <<", "expected keys and values", "such as model"),
    ("training:", "training: [lightgbm] <<", "expected keys and values", "such as model"),
    ("training:", "training: <<", "is empty", "remove the key"),
    ("release:", "release: {path: live} <<", "expected a list", "write [live]"),
    ("release:", "max_drop: 3 <<", "unknown key", "`max_drop` belongs under gates.slices"),
    ("monitoring:", "monitoring: {every: [1d]} <<", "expected one value here, not a list", ""),
    ("  forbidden:", "  forbidden: [a, a] <<", "`a` stands twice", ""),
]
VALUES = [
    ("training:", "training: {seed: 7.5} <<", "not a whole number", ""),
    ("training:", "training: {seed: '7'} <<", "is not a number", "remove the quotes"),
    ("training:", f"training: {{seed: {'9' * 500}}} <<", "is not a", "at most 40 digits"),
    ("training:", "training: {seed: -1} <<", "out of range", "at least 0"),
    ("training:", "training: {search: {trials: 50_000}} <<", "is not a number", "write 50000"),
    ("training:", "training: {search: {trials: 20%}} <<", "is not a number", "percent"),
    ("training:", "training: {threads: 0} <<", "out of range", "at least 1"),
    ("training:", "training: {timeout: 90} <<", "is not a duration", "add a unit, such as 90d"),
    ("training:", "training: {timeout: 2 hours} <<", "not a duration", "did you mean 2h?"),
    ("training:", "training: {timeout: 1mo} <<", "not a duration", "12h, 7d or 13w"),
    ("training:", "training: {timeout: 0h} <<", "too short", "longer than nothing"),
    ("training:", "training: {timeout: 99999999999y} <<", "longer than a hundred years", ""),
    ("training:", "training: {timeout: -1h} <<", "is not a duration", ""),
    ("training:", "training: {calibrate: plat} <<", "not known", "did you mean `platt`?"),
    ("training:", "training: {model: lightgmb} <<", "neither a built-in", "lightgbm, logistic"),
    ("training:", "training: {model: model.py} <<", "does not name a function", "model.py:build"),
    ("training:", "training: {model: '/m.py:f'} <<", "is absolute", ""),
    ("training:", "training: {model: ../m.py:f} <<", "leaves the contract's folder", ""),
    ("training:", "training: {params: {depth: .inf}} <<", "not a finite number", ""),
    ("goal:", "goal: {value_per_saved: 400} <<", "not an amount of money", "such as"),
    ("goal:", "goal: {value_per_saved: ILS 400} <<", "amount", 'did you mean "400 ILS"?'),
    ("goal:", "goal: {reduce: x, by: 15} <<", "more than everything", "did you mean 15%?"),
    ("goal:", "goal: {reduce: x, by: 115%} <<", "out of range", "at most 100%"),
    ("    gender:", "    gender: {type: category, feature: no} <<", "neither true", "write false"),
    ("    gender:", "    gender: {type: string} <<", "is not known", "expected number, integer"),
    ("    gender:", "    gender: {min: 3} <<", "is missing", "it says: type"),
    ("    note:", "    _note: text <<", "begins with an underscore", ""),
    ("    note:", '    "a\\u200bb": text <<', "invisible character U+200B", ""),
    ("    note:", '    "a\\u202eb": text <<', "invisible character U+202E", ""),
    ("    note:", '    " a": text <<', "begins or ends with a space", ""),
    ("    tenure:", "    tenure: {type: number, min: .nan} <<", "not a finite number", ""),
    ("service:", "service: {log: {max_disk: 5 gigabytes}} <<", "is not a size", "5GB"),
    ("service:", "service: {throughput: 2000} <<", "is not a rate", "2000/s"),
    ("service:", "service: {availability: 99.9} <<", "more than everything", "99.9%?"),
    ("service:", "service: {p99_ms: 0} <<", "out of range", "above 0"),
    ("monitoring:", "monitoring: {every: 1s} <<", "too short", "60 seconds"),
    ("retraining:", "retraining: {per_year: 0} <<", "out of range", "at least 1"),
    ("retraining:", "retraining: {on: [qualty]} <<", "not known", "did you mean `quality`?"),
    ("retraining:", "retraining: {on: [new_data: {rows: 5}]} <<", "not under", "matured_rows"),
    ("delivery:", "delivery: {by: Sun 6am} <<", "not a moment", "Sunday 06:00"),
    ("delivery:", "delivery: {by: Sunday 24:00} <<", "not a moment", "Sunday 06:00"),
    ("release:", "release: {path: [shadow, canary 5, live]} <<", "not a stage", "canary 5%"),
]
DATA = [
    ("  time: week", "  time: customer_id <<", "is data.entity already", "another column"),
    ("  label:", "  label: {column: week, positive: 1} <<", "is data.time already", ""),
    ("  label:", "  label: {column: churned} <<", "needs its positive value", "positive: true"),
    ("  label:", "  label: {positive: true} <<", "is missing", "column of the label"),
    ("  label:", "  label: {colum: churned, positive: true} <<", "unknown key", "`column`"),
    ("  label:", "  label: {column: national_id, positive: 1} <<", "forbidden by data.f", ""),
    ("  label:", "  label: {column: plan, positive: gold} <<", "not among the allowed", ""),
    ("  label:", "  label: {column: tenure, positive: yes} <<", "has type number", ""),
    ("  label:", "  label: {column: y, positive: 1, event_time: at} <<", "needs data.label.so", ""),
    ("  label:", "  label: {column: y, positive: 1, mature_at: 0%} <<", "out of", "above 0%"),
    ("  source:", "  source: {path: rows.xlsx} <<", ".xlsx files are not read", "Parquet"),
    ("  source:", "  source: {path: rows.csv, format: delta} <<", "does not fit", "remove"),
    ("  source:", "  source: {pth: rows.csv} <<", "unknown key", "did you mean `path`?"),
    ("  source:", "  source: {path: ''} <<", "is empty", ""),
    ("    tenure:", "    tenure: {type: number, min: 5, max: 1} <<", "above max", ""),
    ("    tenure:", "    tenure: {type: number, allowed: [1]} <<", "allowed means", "category"),
    ("    plan:", "    plan: {type: category, min: 0} <<", "min and max mean", "number"),
    ("    plan:", "    plan: {type: category, allowed: []} <<", "no value is allowed", ""),
    ("    plan:", "    national_id: category <<", "forbidden by data.forbidden", ""),
    ("    plan:", "    phone: {type: text, feature: true} <<", "personal column", "feature: f"),
    ("    plan:", "    churned: {type: boolean, feature: true} <<", "label itself", "false"),
    (
        "features:",
        "features: {aggregates: {a: {table: payy, count: true}}} <<",
        "no table",
        "`pay`",
    ),
    (
        "features:",
        "features: {aggregates: {a: {table: pay, sum: amont}}} <<",
        "no column",
        "`amount`",
    ),
    ("features:", "features: {aggregates: {a: {table: pay, sum: true}}} <<", "no column", "name a"),
    (
        "features:",
        "features: {aggregates: {a: {table: pay, mean: kind}}} <<",
        "mean of type text",
        "",
    ),
    (
        "features:",
        "features: {aggregates: {plan: {table: pay, count: true}}} <<",
        "already",
        "anew",
    ),
    (
        "features:",
        "features: {aggregates: {a: {table: pay, count: true, sum: amount}}} <<",
        "stand together",
        "one item for each",
    ),
    (
        "features:",
        "features: {aggregates: {a: {table: pay, cuont: true}}} <<",
        "unknown key",
        "`count`",
    ),
    (
        "features:",
        "features: {aggregates: {a: {table: pay, count: true, window: 0d}}} <<",
        "short",
        "",
    ),
    ("features:", "features: {code: features.build} <<", "does not name a function", ".py:build"),
    ("clean:", "clean: [drop_duplicate] <<", "not known", "`drop_duplicates`"),
    ("clean:", "clean: [{fill: {columns: [plam], value: x}}] <<", "no column `plam`", "`plan`"),
    ("clean:", "clean: [{fill: {columns: [plan]}}] <<", "fill needs value", "write fill"),
    ("clean:", "clean: [{fill: {columns: [tenure], value: none}}] <<", "cannot fill", ""),
    ("clean:", "clean: [{fill: {columns: [churned], value: 0}}] <<", "no value", ""),
    ("clean:", "clean: [{clip: {columns: [tenure], low: 9, high: 1}}] <<", "above high", ""),
    ("    plan:", "    week: number <<", "holds moments", "type: datetime"),
    (
        "  tables:",
        "  tables: {pay: {path: p.csv, entity: id, time: at, known_at: k, "
        "schema: {k: integer, amount: number}}} <<",
        "holds moments",
        "datetime",
    ),
    (
        "  tables:",
        "  tables: {pay: {path: p.csv, entity: id, time: at, known_at: national_id}} <<",
        "forbidden",
        "",
    ),
    ("clean:", "clean: [{clip: {columns: [plan], low: 1}}] <<", "does not fit type", ""),
    ("clean:", "clean: [{strip: {columns: [plan], value: 1}}] <<", "takes no value", ""),
    ("clean:", "clean: [{blank: {columns: [tenure]}}] <<", "blank needs values", "values: [-999]"),
    ("clean:", "clean: [{blank: {columns: [plan], low: 1}}] <<", "bounds do not fit type", ""),
    ("clean:", "clean: [{blank: {columns: [churned], values: [9]}}] <<", "no value", ""),
    ("clean:", "clean: [{fill: {value: 1, values: [2]}}] <<", "fill takes no values", ""),
    ("clean:", "clean: [number] <<", "number needs columns", "number: [fee]"),
    ("clean:", "clean: [{number: [tenure]}] <<", "number does not fit type", ""),
    (
        "clean:",
        'clean: [{strip: {columns: [plan], decimal: ","}}] <<',
        "strip takes no decimal",
        "",
    ),
    (
        "clean:",
        "clean: [{number: [plan]}, {lower: [plan]}] <<",
        "lower does not fit type number",
        "",
    ),
]
MAKING = [
    ("goal:", "goal: {by: 15%} <<", "but not what", "add reduce"),
    ("goal:", "goal: {value_per_saved: 4 ILS, offer_cost: 30 EUR} <<", "weighed", "one currency"),
    ("goal:", "goal: {value_per_saved: 4 ILS, offer_cost: 30 ILS} <<", "costs as much", ""),
    ("training:", "training: {model: ridge} <<", "does not fit a binary", "lightgbm or logistic"),
    ("training:", "training: {model: m.py:f, params: {a: 1}} <<", "built-in", "in the code"),
    ("training:", "training: {params: {n_estimatrs: 60}} <<", "no parameter", "`n_estimators`?"),
    ("training:", "training: {params: {num_leaves: -5}} <<", "at least 2", ""),
    ("training:", "training: {params: {num_leaves: 7.5}} <<", "a whole number", ""),
    ("training:", "training: {params: {learning_rate: fast}} <<", "is a number", ""),
    ("training:", "training: {params: {feature_fraction: 1.5}} <<", "at most 1", ""),
    ("training:", "training: {params: {objective: rank}} <<", "no parameter", ""),
    ("training:", "training: {model: logistic, params: {n_estimators: 9}} <<", "no parameter",
     "lightgbm has it"),
    ("training:", "training: {model: logistic, params: {C: 0}} <<", "above 0", ""),
    ("training:", "training: {threshold: {maximise: f1, fixed: 0.5}} <<", "at once", "keep"),
    ("training:", "training: {threshold: {maximise: null}} <<", "neither a fixed", "fixed: 0.5"),
    ("training:", "training: {threshold: {maximise: profit}} <<", "not known", "f1 or value"),
    ("training:", "training: {reduced: [tenure]} <<", "does not ask the second", "reduced]"),
    ("gates:", "gates: {minimum: {f1: 75}} <<", "between 0 and 1", "did you mean 75%?"),
    ("gates:", "gates: {minimum: {roc_auc: 0.8}} <<", "no metric `roc_auc`", "`auc`?"),
    ("gates:", "gates: {minimum: {sharpness: 1}} <<", "no metric", "f1, precision, recall"),
    ("gates:", "gates: {minimum: {mae: 3}} <<", "not for a binary task", "use f1"),
    ("gates:", "gates: {champion: {metric: rmse}} <<", "not for a binary task", "use f1"),
    ("gates:", "gates: {champion: {margin: -0.1}} <<", "out of range", "at least 0"),
    ("gates:", "gates: {baselines: [mean]} <<", "no baseline of a binary", "majority or"),
    ("gates:", "gates: {fairness: {protected: [sex]}} <<", "no column `sex`", "data.schema"),
    ("gates:", "gates: {fairness: {protected: [gendr]}} <<", "no column", "`gender`"),
    ("gates:", "gates: {fairness: {max_gap: 1%}} <<", "no protected column", "protected: ["),
    ("gates:", "gates: {fairness: {protected: [tenure]}} <<", "cuts no groups", "category"),
    ("gates:", "gates: {slices: {by: [note]}} <<", "cuts no groups", "category"),
    ("gates:", "gates: {slices: {by: [churned]}} <<", "the label cannot", ""),
    ("gates:", "gates: {slices: {max_drop: 1%}} <<", "no column is named", "by: ["),
    ("monitoring:", "monitoring: {quality: {at_most: 0.8}} <<", "better the higher", "at_least"),
    ("monitoring:", "monitoring: {quality: {at_least: 80}} <<", "between 0 and 1", "80%?"),
]  # fmt: skip
RUNNING = [
    ("release:", "release: {path: [shadow, canary 5%]} <<", "the last stage is live", "add live"),
    ("release:", "release: {path: []} <<", "the last stage is live", "add live"),
    ("release:", "release: {path: [canary 5%, shadow, live]} <<", "comes first", ""),
    ("release:", "release: {path: [canary 9%, canary 5%, live]} <<", "0.05 after", "grow"),
    ("release:", "release: {path: [canary 100%, live]} <<", "less than 100%", ""),
    ("service:", "service: {fallback: [default: 0.2, previous]} <<", "below default", "last"),
    ("service:", "service: {fallback: [previous, previous]} <<", "stands twice", ""),
    ("service:", "service: {fallback: [abstain, default: 0.2]} <<", "below abstain", "last"),
    ("service:", "service: {fallback: [default: 0.2, abstain]} <<", "below default", "last"),
    ("service:", "service: {fallback: [abstain: [0.6, 0.4]]} <<", "lower one first", "[0.45"),
    ("service:", "service: {fallback: [abstain: [0.4]]} <<", "two scores", "[0.45, 0.55]"),
    ("service:", "service: {fallback: [default]} <<", "needs its score", "default: 0.27"),
    ("service:", "service: {fallback: [default: 27]} <<", "between 0 and 1", "27%?"),
    ("service:", "service: {fallback: [rule]} <<", "needs its code", "rules.py:score"),
    ("service:", "service: {fallback: [rule: score]} <<", "does not name a function", ".py:"),
    ("service:", "service: {fallback: [previous, reduced]} <<", "no second model", "[COLUMN]"),
    ("service:", "service: {fallback: [previous: 3]} <<", "takes no value", "- previous"),
    ("service:", "service: {fallback: [lastscore: 3d]} <<", "unknown key", "`last_score`"),
    ("service:", "service: {log: {keep: 3d}} <<", "before their labels", "at least 1w"),
    ("monitoring:", "monitoring: {every: 8d} <<", "cannot deliver every 1w", "1w or less"),
    ("retraining:", "retraining: {on: [new_data]} <<", "how many rows", "matured_rows"),
    ("retraining:", "retraining: {on: [], max_age: 9w} <<", "age is not among", "add age"),
    ("retraining:", "retraining: {on: [quality], equal: release} <<", "may be equal", "to `on`"),
    ("retraining:", "retraining: {on: [age], new_data_rows: 9} <<", "not among the tr", ""),
    ("retraining:", "retraining: {on: [age], cooldown: 20w} <<", "longer than max_age", ""),
    ("retraining:", "retraining: {costs: {run: 9 EUR}} <<", "error is missing", "such as costs"),
    ("retraining:", "retraining: {costs: {run: 9 EUR, error: 1 ILS}} <<", "weighed", "one curr"),
    (
        "retraining:",
        "retraining: {on: [age], costs: {run: 9 ILS, error: 1 ILS}} <<",
        "quality is not among",
        "add quality",
    ),
    (
        "retraining:",
        "retraining: {costs: {run: 9 ILS, error: 0 ILS}} <<",
        "worth no run",
        "above 0",
    ),
    (
        "retraining:",
        "retraining: {costs: {run: 9 ILS, error: 1 ILS, over: 1d}} <<",
        "one period at least",
        "",
    ),
    ("delivery:", "delivery: {every: 36h} <<", "whole days", "1d or 7d"),
    ("delivery:", "delivery: {every: 1d, by: Sunday 06:00} <<", "a weekday means", "alone"),
    ("delivery:", "delivery: {every: 7d, by: 06:00} <<", "on which day", "Sunday 06:00"),
    ("delivery:", "delivery: {control_group: 100%} <<", "nobody is left", "10%"),
    ("delivery:", "delivery: {control_group: 5%, rotate: 3d} <<", "before its outc", "1w"),
    ("delivery:", "delivery: {bands: {high: 0.8, top: 0.8}} <<", "begins where", "own least"),
    ("delivery:", "delivery: {bands: {high: 80}} <<", "between 0 and 1", "80%?"),
    ("delivery:", "delivery: {to: [{csv: a.csv}, {csv: a.csv}]} <<", "same target", ""),
    ("delivery:", "delivery: {to: [out.csv]} <<", "expected keys and values", "kind, target"),
    ("delivery:", "delivery: {to: {csv: a.csv}} <<", "expected a list", ""),
    ("delivery:", "delivery: {to: [{csv: 'a-{week}.csv'}]} <<", "not replaced", "{period}"),
    ("delivery:", "delivery: {to: [{sql: env:DB}]} <<", "needs its table", "table: scores"),
    ("delivery:", "delivery: {to: [{sql: scores.db, table: t}]} <<", "no database", "sqlite"),
    ("delivery:", "delivery: {to: [{csv: a.csv, table: t}]} <<", "takes no table", ""),
    ("delivery:", "delivery: {to: [{webhook: out.csv}]} <<", "neither an http", ""),
    ("delivery:", "delivery: {to: [{webhook: 'env:1 X'}]} <<", "not env:NAME", "variable"),
    ("delivery:", "delivery: {to: [{webhook: env:A, secret: abc}]} <<", "env:NAME", "environ"),
    ("delivery:", "delivery: {to: [{csvv: a.csv}]} <<", "unknown key", "`csv`"),
    ("calendar:", "calendar: {timezone: Asia/Jerusalm} <<", "no time zone", "Asia/Jerusalem"),
]
OTHER_TASKS = [
    (REGRESSION, "  label:", "  label: {column: y, positive: 1} <<", "no positive", "binary"),
    (REGRESSION, "  label:", "  label: {column: y, absence: negative} <<", "not negative", ""),
    (REGRESSION, "    plan:", "    churned: {type: category, feature: false} <<", "numbers", ""),
    (REGRESSION, "training:", "training: {threshold: 0.5} <<", "has no threshold", "remove"),
    (REGRESSION, "training:", "training: {calibrate: platt} <<", "has none", "none"),
    (REGRESSION, "training:", "training: {model: logistic} <<", "does not fit", "ridge"),
    (REGRESSION, "gates:", "gates: {minimum: {f1: 0.7}} <<", "not for a regr", "mae"),
    (REGRESSION, "gates:", "gates: {calibration: {max_ece: 1%}} <<", "calibration", "remove"),
    (REGRESSION, "gates:", "gates: {baselines: [majority]} <<", "no baseline", "mean or ridge"),
    (REGRESSION, "gates:", "gates: {fairness: {protected: [gender]}} <<", "has none", "slices"),
    (REGRESSION, "monitoring:", "monitoring: {quality: {at_least: 3}} <<", "lower", "at_most"),
    (MULTICLASS, "gates:", "gates: {minimum: {f1: 0.7}} <<", "not for a multic", "macro_f1"),
    (MULTICLASS, "    plan:", "    churned: {type: category} <<", "must be named", "allowed"),
    (SECOND, "training:", "training: {reduced: [tenures]} <<", "no column `tenures`", "`tenure`"),
    (SECOND, "training:", "training: {reduced: [churned]} <<", "without the label", ""),
    (SECOND, "training:", "training: {reduced: [customer_id]} <<", "without the entity", ""),
    (SECOND, "training:", "training: {reduced: [tenure, plan, note, paid]} <<", "nothing is left",
     "leave a column"),
    (MULTICLASS, "service:", "service: {fallback: [default: 0.2]} <<", "one number", "rule"),
    (BASE, "delivery:", "delivery: {bands: {low: 0.9, high: 0.2}} <<", "above `high`", "higher"),
    (MULTICLASS, "delivery:", "delivery: {bands: {high: 0.2}} <<", "bands need one", ""),
    (STATIC, "training:", "monitoring: {every: 1d} <<", "data.time is missing", "gates.minimum"),
    (STATIC, "training:", "retraining: {on: [code]} <<", "data.time is missing", "tamid train"),
    (STATIC, "training:", "delivery: {every: 7d} <<", "data.time is missing", "set data.time"),
    (STATIC, "  label:", "  label: {column: y, positive: 1, horizon: 7d} <<", "data.time", ""),
    (STATIC, "training:", "release: {path: [canary 5%, live]} <<", "cut by entity", "entity"),
    (STATIC, "training:", "service: {fallback: [last_score: 3d]} <<", "to an entity", "entity"),
    (STATIC, "training:", "training: {threshold: value} <<", "without goal.value", "offer_cost"),
    (STATIC, "training:", "goal: {reduce: churn, by: 15%} <<", "control group", "before"),
    (STATIC, "  source:", "  tables: {t: {path: a.csv, entity: e, time: at}} <<\n  source: a.csv",
     "data.entity and data.time", "set data.entity"),
]  # fmt: skip
CASES = [(BASE, *case) for case in (*KEYS, *VALUES, *DATA, *MAKING, *RUNNING)] + OTHER_TASKS


def replaced(base: str, line: str, by: str) -> tuple[str, int]:
    """Return the contract with one line replaced, and the number of the marked line."""
    lines = base.splitlines()
    (index,) = [i for i, text in enumerate(lines) if text.startswith(line)]
    lines[index : index + 1] = by.splitlines()
    for block in (t.partition(":")[0] for t in by.splitlines()):
        twins = [i for i, t in enumerate(lines) if t.partition(":")[0] == block]
        if len(twins) > 1:
            del lines[next(i for i in twins if not index <= i < index + len(by.splitlines()))]
    (marked,) = [i for i, text in enumerate(lines, start=1) if text.endswith("<<")]
    return "\n".join(lines).replace(" <<", "") + "\n", marked


@pytest.mark.parametrize("base", [BASE, REGRESSION, MULTICLASS, STATIC])
def test_the_base_contracts_have_no_problems(base: str) -> None:
    """Every problem below is the doing of its own case."""
    assert parse(read(base, "c"), zones=frozenset({"UTC", "Asia/Jerusalem"})).name == "churn"


@pytest.mark.parametrize(("base", "line", "by", "message", "hint"), CASES)
def test_one_mistake_gives_one_problem_in_its_line_with_a_hint(
    base: str, line: str, by: str, message: str, hint: str
) -> None:
    """The mistake is named where it stands, with what to write instead, and nothing else is."""
    text, marked = replaced(base, line, by)
    with pytest.raises(ContractError) as caught:
        parse(read(text, "c"), zones=frozenset({"UTC", "Asia/Jerusalem"}))
    problems = caught.value.problems
    assert [p.line for p in problems] == [marked], problems
    assert message in problems[0].message
    assert hint in problems[0].hint
