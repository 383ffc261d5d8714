"""Rows from JSON, strictly: types made from what a version says of its inputs, nothing guessed.

Refused: what is no JSON (NaN, infinities, single surrogates, bytes that are no UTF-8), numbers that
no float64 can hold, texts and booleans in place of numbers, the same key twice, unknown keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from tamid.core.errors import UsageError
from tamid.core.pseudonym import pseudonym
from tamid.serving.outside import OutsideContract, told_of
from tamid.serving.plain_json import Malformed, strictly
from tamid.serving.values import Input, Row, Served, Value

__all__ = [
    "ENTITY", "ID", "LONGEST_ID", "UNSET", "Codec", "Decoded", "Malformed", "OutsideContract",
    "TooMany", "strictly",
]  # fmt: skip
ID, ENTITY = "_id", "_entity"
# What stands in a decoded row for a key that did not come.
UNSET = msgspec.UNSET
_MOST_PROBLEMS = 10
LONGEST_ID = 200
# Integers travel to the model as 64 bits.
_LARGEST = 2**63 - 1
_TYPES: Mapping[str, Any] = {
    "number": float,
    "integer": int,
    "category": str,
    "text": str,
    "boolean": bool,
    "datetime": Annotated[datetime, msgspec.Meta(tz=True)],
}


_astuple = msgspec.structs.astuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Rows with the ids that the caller gave them (None where it gave none)."""

    rows: Sequence[Row]
    ids: Sequence[str | None]


class Codec:
    """Decodes rows for one version. `lower`: a row outside the contract goes to a lower rung."""

    def __init__(self, served: Served, *, lower: bool = False, most_rows: int = 10_000) -> None:
        self._served, self._lower, self.most_rows = served, lower, most_rows
        self._names = served.names
        extra = [(ID, str | None), (ENTITY, str | int | None)]
        if served.entity and served.entity not in self._names:
            extra.append((served.entity, str | int | None))
        self._entities = len(self._names) + len(extra)
        self._timed = served.moment is not None and served.moment not in self._names
        # Where a row says what it is about: among its inputs, behind all else, or nowhere.
        self._at = self._names.index(served.time) if served.time in self._names else None
        if served.moment is not None and self._timed:
            self._at = len(self._names) + len(extra)
            extra.append((served.moment, _TYPES["datetime"] | None))
        # A row of so few keys may name its entity alone, whose features are looked up.
        self._lean = len(extra)
        fields = [(i.name, _TYPES[i.kind] | None) for i in served.inputs]
        beside = [(i.name, _TYPES[i.kind] | None) for i in served.beside]
        # Behind all else what the version does not read: whoever is quick leaves such rows alone.
        self._behind, self._beside = len(fields) + len(extra), tuple(i.name for i in served.beside)
        self._struct = _struct([*fields, *extra, *beside])
        self._keys = [name for name, _ in (*fields, *extra, *beside)]
        self._one = msgspec.json.Decoder(self._struct)
        # From bytes to a struct, whose fields are the inputs and so many more behind them.
        self.decode, self.extras = self._one.decode, len(extra) + len(beside)
        self._many = msgspec.json.Decoder(list[self._struct])  # type: ignore[name-defined]
        self._moments = [i.name for i in served.inputs if i.kind == "datetime"]
        self._rules = [i for i in served.inputs if _ruled(i)]
        # What need not come is held to its rules where it came.
        self._rules += [replace(i, nullable=True) for i in served.beside if _ruled(i)]

    def one(self, body: bytes) -> Decoded:
        """Decode the object of one row. Raises Malformed, OutsideContract."""
        found = self._decoded(self._one, body)
        values = msgspec.structs.astuple(found)
        if body.count(b":") != len(values) - values.count(msgspec.UNSET):
            strictly(body)
        return self._checked([found])

    def quick(self, body: bytes) -> tuple[Any, ...] | None:
        """Return the values of one row with its ids behind them; None where anything is odd.

        Only types were looked at: the rules of the contract are for whoever reads the values.
        """
        try:
            values = _astuple(self.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self.counted(values, body)

    def counted(self, values: tuple[Any, ...], body: bytes) -> tuple[Any, ...] | None:
        """Return what was read of one row if each of its keys came once; else None."""
        given = len(values) - values.count(UNSET)
        if given <= self._lean and self._sought(values):
            return None
        plain = body.count(b":") == given and not self._more(values)
        return values if plain else None

    def quick_many(self, body: bytes) -> list[tuple[Any, ...]] | None:
        """Return the values of many rows, each as :meth:`quick` does; None where one is odd."""
        try:
            found = [_astuple(struct) for struct in self._many.decode(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        each = [len(values) - values.count(UNSET) for values in found]
        if each and min(each) <= self._lean and any(map(self._sought, found)):
            return None
        plain = body.count(b":") == sum(each) and 0 < len(found) <= self.most_rows
        plain = plain and not (self._beside and any(map(self._more, found)))
        return found if plain else None

    def row(self, values: tuple[Any, ...]) -> Row:
        """Return a row that :meth:`quick` read, as the ordinary road has it."""
        return Row(
            values=self._named(values), entity=self._entity(values), moment=self._moment(values)
        )

    def many(self, body: bytes) -> Decoded:
        """Decode an array of rows. Raises Malformed, OutsideContract."""
        found = self._decoded(self._many, body)
        self._refuse_many(len(found))
        _refuse_twice(body, sum(map(_given, found)))
        return self._checked(found)

    def plain(self, rows: Sequence[Mapping[str, Any]]) -> Decoded:
        """Check rows that another protocol has brought in plain Python values."""
        self._refuse_many(len(rows))
        try:
            found = [msgspec.convert(dict(row), self._struct) for row in rows]
        except msgspec.ValidationError as error:
            why = told_of(error, self._keys)
            raise OutsideContract("a row does not keep the contract", why=why) from None
        return self._checked(found)

    def _decoded(self, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            why = told_of(error, self._keys)
            raise OutsideContract("the rows do not keep the contract", why=why) from None
        except UnicodeDecodeError:
            raise Malformed("the body is not UTF-8") from None
        except msgspec.DecodeError as error:
            raise Malformed("the body is not JSON", why=str(error)) from None
        except RecursionError:
            raise Malformed("the body is nested too deeply") from None

    def _refuse_many(self, count: int) -> None:
        if count > self.most_rows:
            raise TooMany(f"{count} rows in one request", why=f"at most {self.most_rows} may come")

    def _checked(self, found: Sequence[Any]) -> Decoded:
        rows, ids, problems = [], [], []
        for number, struct in enumerate(found):
            values = msgspec.structs.astuple(struct)
            sought = self._sought(values)
            named = self._named(values)
            faults = {} if sought else self._broken(named)
            broken = list(faults.values())
            partly = bool(faults) and faults.keys() <= self._served.spared
            if broken and not partly and not self._lower:
                where = f"row {number}: " if len(found) > 1 else ""
                problems += [where + text for text in broken]
            rows.append(
                Row(
                    values=named,
                    entity=self._entity(values),
                    broken="; ".join(broken[:3]),
                    partly=partly,
                    moment=self._moment(values),
                    sought=sought,
                )
            )
            ids.append(_id(values[len(self._names)]))
        if problems:
            raise OutsideContract(
                f"{len(problems)} values do not keep the contract",
                why="; ".join(problems[:_MOST_PROBLEMS]),
                problems=problems[:_MOST_PROBLEMS],
            )
        return Decoded(rows=rows, ids=ids)

    def _named(self, values: Sequence[Any]) -> dict[str, Value]:
        # What follows the inputs in the struct are the ids: the shorter of the two ends it.
        named = dict(zip(self._names, values, strict=False))
        if msgspec.UNSET in values:
            named = {k: None if v is msgspec.UNSET else v for k, v in named.items()}
        # Rows of tensors end before it, or with what is unset.
        for name, value in zip(self._beside, values[self._behind :], strict=False):
            if value is not UNSET:
                named[name] = value.isoformat() if isinstance(value, datetime) else value
        for name in self._moments:
            moment = named[name]
            if isinstance(moment, datetime):
                named[name] = moment.isoformat()
            elif name == self._served.time:
                named[name] = datetime.now(UTC).isoformat()
        return named

    def _entity(self, values: Sequence[Any]) -> str | None:
        for value in values[len(self._names) + 1 : self._entities]:
            if value is not msgspec.UNSET and value is not None:
                key = self._served.key
                return pseudonym(str(value), key) if key else str(value)
        return None

    def _moment(self, values: Sequence[Any]) -> str | None:
        """Return what a row is about, where it says so."""
        value = None if self._at is None else values[self._at]
        return value.isoformat() if isinstance(value, datetime) else None

    def _more(self, values: Sequence[Any]) -> bool:
        """Say whether a column came that the version does not read."""
        return any(value is not UNSET for value in values[self._behind :])

    def _sought(self, values: Sequence[Any]) -> bool:
        """Say whether a row names its entity and no input: then its features are looked up."""
        if any(value is not UNSET for value in values[: len(self._names)]):
            return False
        return self._entity(values) is not None

    def _broken(self, values: Mapping[str, Value]) -> dict[str, str]:
        """Name by input the rule that it breaks, never the value that breaks it."""
        found = dict[str, str]()
        for rule in self._rules:
            value = values.get(rule.name)
            if value is None:
                if not rule.nullable and rule.name != self._served.time:
                    found[rule.name] = f"{rule.name!r} is missing"
            elif isinstance(value, str):
                if rule.allowed is not None and value not in rule.allowed:
                    found[rule.name] = f"{rule.name!r} is none of the allowed categories"
            elif rule.min is not None and value < rule.min:
                found[rule.name] = f"{rule.name!r} is below its least value {rule.min:g}"
            elif rule.max is not None and value > rule.max:
                found[rule.name] = f"{rule.name!r} is above its largest value {rule.max:g}"
            elif rule.kind == "integer" and abs(value) > _LARGEST:
                found[rule.name] = f"{rule.name!r} does not fit into 64 bits"
        return found


class TooMany(UsageError):
    """The request asks for too much at once."""

    fix = "Send it in parts."


def _id(value: Any) -> str | None:
    if value is msgspec.UNSET or value is None:
        return None
    if not 0 < len(value) <= LONGEST_ID:
        raise OutsideContract(f"an id may have 1 to {LONGEST_ID} signs")
    return str(value)


def _ruled(given: Input) -> bool:
    bounded = given.min is not None or given.max is not None or given.allowed is not None
    return bounded or not given.nullable or given.kind == "integer"


def _struct(fields: Sequence[tuple[str, Any]]) -> type[msgspec.Struct]:
    made: list[tuple[str, Any, Any]] = []
    for i, (name, kind) in enumerate(fields):
        made.append((f"f{i}", kind | msgspec.UnsetType, _field(name)))
    return msgspec.defstruct("Row", made, kw_only=True, forbid_unknown_fields=True, gc=False)


def _field(name: str) -> Any:
    return msgspec.field(name=name, default=msgspec.UNSET)


def _given(struct: Any) -> int:
    """Count the keys that came."""
    return sum(value is not msgspec.UNSET for value in msgspec.structs.astuple(struct))


def _refuse_twice(body: bytes, keys: int) -> None:
    """Refuse the same key twice: each key has a colon, so as many colons as keys means none."""
    if body.count(b":") == keys:
        return
    strictly(body)
