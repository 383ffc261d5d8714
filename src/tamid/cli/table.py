"""The table of commands: what exists, where it lives and what it is for. It imports nothing heavy.

A command `name` with target `module:function` is `function(args, out) -> int` in that module, with
its arguments declared by `add_<function>(parser)` beside it (`add(parser)` for a function `run`).
A name of two words is a command of a group.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One row of the table."""

    name: str
    target: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Commands that belong together, under a heading that says when one needs them."""

    title: str
    commands: tuple[Command, ...]


TABLE: tuple[Group, ...] = ()


def commands(table: tuple[Group, ...] = TABLE) -> dict[str, Command]:
    """Return the commands by name, in the order of the table."""
    return {command.name: command for group in table for command in group.commands}
