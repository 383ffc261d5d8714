"""From one text of the file to one value: numbers, shares, truths, durations, money, words."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import timedelta
from typing import Final

from tamid.core.contract.fields import Limits
from tamid.core.contract.kinds import GRAMMARS, holds_password
from tamid.core.contract.node import Plain, Scalar, resolve
from tamid.core.contract.problems import did_you_mean, listed, quoted
from tamid.core.values import Money, parse_duration


class Misfit(Exception):
    """A text that does not fit; `hint` says what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# No contract looks further ahead than a working life.
_LONGEST: Final = timedelta(days=365 * 100)
_PERCENT = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ?%\Z")
_MONEY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ([A-Z]{3})\Z")
_MONEY_TURNED = re.compile(r"([A-Z]{3}) ?([0-9]+(?:\.[0-9]+)?)\Z")
_YES_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_UNITS = {"sec": "s", "min": "m", "hour": "h", "day": "d", "week": "w", "year": "y"}

# Digits of a number that are repeated in what to write instead.
_MOST_DIGITS: Final = 40


def text(node: Scalar, limits: Limits) -> str:
    """Return the text itself, composed (NFC), if it keeps the grammar of its kind."""
    value = unicodedata.normalize("NFC", node.text)
    grammar = GRAMMARS[limits.kind]
    fault = grammar.fault(value)
    if not fault:
        return value
    shown = "the value" if grammar.secret or holds_password(value) else quoted(value)
    raise Misfit(f"{shown} {fault}", f"expected {grammar.expects}")


def number(node: Scalar, limits: Limits) -> float:
    """Return a finite number within its limits; a share may be written as "15%"."""
    meaning = resolve(node)
    percent = _PERCENT.match(node.text.strip())
    if percent and limits.share:
        # Not divided by 100: 99.9 / 100 is not 0.999.
        return _within(float(percent[1] + "e-2"), node, limits)
    if isinstance(meaning, bool) or not isinstance(meaning, (int, float)):
        raise Misfit(f"{quoted(node.text)} is not a number", _number_hint(node, limits))
    try:
        value = float(meaning)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise Misfit(f"{quoted(node.text)} is not a finite number")
    return _within(value, node, limits)


def whole(node: Scalar, limits: Limits) -> int:
    """Return a whole number within its limits."""
    value = number(node, limits)
    if value != int(value):
        raise Misfit(f"{quoted(node.text)} is not a whole number")
    meaning = resolve(node)
    return meaning if isinstance(meaning, int) else int(value)


def truth(node: Scalar) -> bool:
    """Return true or false."""
    meaning = resolve(node)
    if isinstance(meaning, bool):
        return meaning
    hint = "write true or false"
    if word := _YES_NO.get(node.text.lower()):
        hint = f"write {word} (`{node.text}` is a word in YAML 1.2)"
    raise Misfit(f"{quoted(node.text)} is neither true nor false", hint)


def plain(node: Scalar) -> Plain:
    """Return what the text means, whatever its type; a number must be finite."""
    meaning = resolve(node)
    if isinstance(meaning, float) and not math.isfinite(meaning):
        raise Misfit(f"{quoted(node.text)} is not a finite number")
    return text(node, Limits()) if isinstance(meaning, str) else meaning


def duration(node: Scalar, limits: Limits) -> timedelta:
    """Return a duration such as 30s, 12h, 7d or 13w."""
    written = node.text.strip()
    try:
        span = parse_duration(written)
    except ValueError:
        raise Misfit(f"{quoted(node.text)} is not a duration", _duration_hint(written)) from None
    except OverflowError:
        span = timedelta.max
    if span > _LONGEST:
        raise Misfit(f"{quoted(node.text)} is longer than a hundred years")
    seconds, low = span.total_seconds(), limits.low
    if low is not None and (seconds < low or (limits.above and seconds == low)):
        least = "longer than nothing" if low == 0 else f"at least {low:g} seconds"
        raise Misfit(f"{quoted(node.text)} is too short", f"it must be {least}")
    return span


def money(node: Scalar) -> Money:
    """Return an amount such as "400 ILS"."""
    written = node.text.strip()
    if match := _MONEY.match(written):
        amount = float(match[1])
        if math.isfinite(amount):
            return Money(amount=amount, currency=match[2])
    hint = 'write the amount, a space and the currency, such as "400 ILS"'
    if turned := _MONEY_TURNED.match(written):
        hint = f'did you mean "{turned[2]} {turned[1]}"?'
    raise Misfit(f"{quoted(node.text)} is not an amount of money", hint)


def one_of(node: Scalar, options: tuple[str | int, ...]) -> str | int:
    """Return the option that the text names."""
    meaning = resolve(node)
    for option in options:
        same_number = isinstance(option, int) and type(meaning) is int and meaning == option
        if same_number or (isinstance(option, str) and node.text == option):
            return option
    words = [str(o) for o in options]
    near = did_you_mean(node.text, words) if len(words) > 1 else ""
    allowed = f"expected {listed(words)}"
    hint = f"{near} ({allowed})" if near else allowed
    raise Misfit(f"{quoted(node.text)} is not known here", hint)


def _within(value: float, node: Scalar, limits: Limits) -> float:
    low, high = limits.low, limits.high
    too_low = low is not None and (value < low or (limits.above and value == low))
    if not too_low and (high is None or value <= high):
        return value
    if limits.share and high == 1.0 and 1.0 < value <= 100.0 and "%" not in node.text:
        raise Misfit(f"{quoted(node.text)} is more than everything", f"did you mean {value:g}%?")
    bounds = []
    if low is not None:
        bounds.append(f"{'above' if limits.above else 'at least'} {_bound(low, limits)}")
    if high is not None:
        bounds.append(f"at most {_bound(high, limits)}")
    raise Misfit(f"{quoted(node.text)} is out of range", f"it must be {' and '.join(bounds)}")


def _bound(value: float, limits: Limits) -> str:
    return f"{value:.0%}" if limits.share and limits.high == 1.0 else f"{value:.15g}"


def _number_hint(node: Scalar, limits: Limits) -> str:
    bare = node.text.strip().replace(",", "").replace("_", "").replace(" ", "")
    if len(bare) > _MOST_DIGITS:
        return f"write at most {_MOST_DIGITS} digits"
    if not node.plain and re.match(r"-?[0-9.]+\Z", bare):
        return "remove the quotes"
    if re.match(r"-?[0-9]+(\.[0-9]+)?\Z", bare):
        return f"write {bare}"
    if limits.share:
        return "write a share such as 0.15 or 15%"
    return "it cannot be written in percent here" if bare.endswith("%") else ""


def _duration_hint(written: str) -> str:
    if re.match(r"[0-9]+\Z", written):
        return f"add a unit, such as {written[:6]}d"
    if match := re.match(r"([0-9]{1,6}) ?(sec|min|hour|day|week|year)", written):
        return f"did you mean {match[1]}{_UNITS[match[2]]}?"
    return "write a number and one of s, m, h, d, w, y, such as 12h, 7d or 13w"
