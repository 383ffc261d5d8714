"""The workspace file and the environment, as one validated value.

`tamid.toml` names the store and the contracts; a folder with nothing but `contract.yaml` is a
workspace of one model.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from tamid.core.errors import NotFound, UsageError
from tamid.core.values import parse_duration

FILE = "tamid.toml"
SINGLE = "contract.yaml"
STORE = ".tamid"
_KEYS = ("store", "models", "features", "entities")
ENTITIES = ("plain", "pseudonyms")
_SECTIONS = ("workspace", "prices", "retention", "keep", "mlflow")
# What things cost, for replays of policies: amounts in one currency.
_PRICES = ("cpu_hour", "gb_month", "review", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where a workspace lies, which contracts it holds, and what things cost there.

    `entities`: whether the store knows them as they were given ("plain") or by pseudonym.
    `features`: files of feature views. `prices`: amounts by name (`cpu_hour`, `gb_month`, `review`,
    `error`), all in `currency`. `retention`: how long a table keeps what was replaced in it, by its
    name, with or without the model's; `audit`: how long a decision can be repeated (default: both
    for ever). `keep`: how long the rows of a table stay, by their own moment (default: for ever).
    `mlflow`: the tracking server on which the workspace is mirrored, "off" for none whatever the
    environment says, "" for what the environment says.
    """

    root: Path
    store: Path
    contracts: tuple[Path, ...]
    features: tuple[Path, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)
    currency: str = ""
    entities: str = "plain"
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    keep: Mapping[str, timedelta] = field(default_factory=dict)
    mlflow: str = ""


def find(start: Path) -> Config:
    """Return the workspace that a folder lies in, looking upwards.

    Raises:
        NotFound: there is none; UsageError: its file has problems (all are named).
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return read(folder)
        if (folder / SINGLE).is_file() and (folder / STORE).is_dir():
            return Config(root=folder, store=folder / STORE, contracts=(folder / SINGLE,))
    if (here / SINGLE).is_file():
        return Config(root=here, store=here / STORE, contracts=(here / SINGLE,))
    raise NotFound(
        f"no workspace in {start} or above it",
        why=f"neither {FILE} nor {SINGLE} was found",
        fix="Run `tamid init` in your project's folder, or name the folder with -C.",
    )


def reread(config: Config) -> Config:
    """Return an open workspace as its file says now; without one it stays as it is.

    Raises:
        NotFound: its file is gone; UsageError: it has problems, or moves the store.
    """
    if not (config.root / FILE).is_file():
        if config.contracts == (config.root / SINGLE,):
            return config
        raise NotFound(
            f"{config.root / FILE} is gone",
            why="it names the contracts of this workspace",
            fix="Bring it back; until then the contracts that it named are worked on.",
        )
    fresh = read(config.root)
    if (fresh.store, fresh.entities) != (config.store, config.entities):
        raise UsageError(
            f"{config.root / FILE} asks for another store: {fresh.store} ({fresh.entities})",
            why=f"this process works in {config.store} ({config.entities} entities)",
            fix="Start anew to work in the other store, or take the change back.",
        )
    return fresh


def read(root: Path) -> Config:
    """Read and check one workspace file."""
    path = root / FILE
    try:
        content: Mapping[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read", why=str(error), fix="Correct the file."
        ) from None
    table = content.get("workspace", {})
    problems = [_unknown(key) for key in table if key not in _KEYS]
    problems += [f"unknown section [{k}]" for k in content if k not in _SECTIONS]
    problems += _mlflow_problems(content.get("mlflow", {}))
    priced = dict(content.get("prices", {}))
    currency = priced.pop("currency", "")
    problems += [_unknown(key, (*_PRICES, "currency")) for key in priced if key not in _PRICES]
    problems += [f"the price of {k} must be a number of at least 0" for k, v in priced.items()
                 if k in _PRICES and not _is_amount(v)]  # fmt: skip
    if not isinstance(currency, str) or (priced and not currency):
        problems.append('prices need a currency in quotes, such as "EUR"')
    store, models = table.get("store", STORE), table.get("models", [SINGLE])
    if not isinstance(store, str):
        problems.append("store must be a path in quotes")
    if not isinstance(models, list) or not all(isinstance(m, str) for m in models):
        problems.append("models must be a list of paths to contracts")
    features = table.get("features", [])
    if not isinstance(features, list) or not all(isinstance(f, str) for f in features):
        problems.append("features must be a list of paths to files of feature views")
    entities = table.get("entities", ENTITIES[0])
    if entities not in ENTITIES:
        problems.append(f"entities must be one of {', '.join(ENTITIES)}")
    spans = {name: content.get(name, {}) for name in ("retention", "keep")}
    problems += [f"{name} of {k}: {v!r} is no duration such as 90d"
                 for name, kept in spans.items() for k, v in kept.items()
                 if not _is_duration(v)]  # fmt: skip
    if problems:
        raise UsageError(f"{path} has problems", why="; ".join(problems), fix="Correct the file.")
    return Config(
        root=root,
        store=root / store,
        contracts=tuple(root / m for m in models),
        features=tuple(root / f for f in features),
        prices={name: float(amount) for name, amount in priced.items()},
        currency=currency,
        entities=entities,
        retention={name: parse_duration(span) for name, span in spans["retention"].items()},
        keep={name: parse_duration(span) for name, span in spans["keep"].items()},
        mlflow=content.get("mlflow", {}).get("tracking_uri", ""),
    )


def _mlflow_problems(table: object) -> list[str]:
    """Name what is wrong with the section [mlflow]; secrets do not belong into a file."""
    if not isinstance(table, Mapping):
        return ["[mlflow] must be a section with tracking_uri"]
    known = ("tracking_uri",)
    problems = [_unknown(key, known) for key in table if key not in known]
    uri = table.get("tracking_uri", "")
    if not isinstance(uri, str):
        return [*problems, 'tracking_uri must be an address in quotes, or "off"']
    if "@" in uri.partition("://")[2].partition("/")[0]:
        problems.append(
            "tracking_uri must not hold a password: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment"
        )
    return problems


def _is_duration(value: object) -> bool:
    try:
        return parse_duration(str(value)) > timedelta(0) and isinstance(value, str)
    except ValueError:
        return False


def _is_amount(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _unknown(key: str, known: tuple[str, ...] = _KEYS) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
