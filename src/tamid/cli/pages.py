"""What the pages of runs and of next steps share: one look, tables, nothing from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #0f172a; --soft: #64748b; --line: #e2e8f0;
  --paper: #fff; --card: #f8fafc; --good: #0f766e; --try: #b45309; --bad: #9f1239; }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e8f0; --soft: #94a3b8; --line: #263244;
  --paper: #0f172a; --card: #16213a; --good: #2dd4bf; --try: #fbbf24; --bad: #fb7185; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 1.5rem auto;
  padding: 0 1rem 4rem; color: var(--ink); background: var(--paper); }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: var(--ink); }
.grid { stroke: var(--line); } .soft { fill: var(--soft); color: var(--soft); }
.best { fill: none; stroke: var(--good); stroke-width: 1.5; }
.whisker { stroke: var(--ink); stroke-width: 1.5; }
.tried, .experiment { fill: var(--try); } .won, .version, .sure { fill: var(--good); }
.guess { fill: var(--try); opacity: .75; }
.run { fill: var(--soft); } .held { fill: var(--bad); } .unsure { fill: var(--soft); opacity: .6; }
.many { display: grid; gap: 8px; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line);
  white-space: nowrap; vertical-align: top; } .why { white-space: normal; min-width: 11rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0; font-size: .85rem; }
details { border: 1px solid var(--line); border-radius: 8px; padding: .5rem 1rem; margin: .8rem 0;
  background: var(--card); } summary { cursor: pointer; font-weight: 600; }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page of HTML under a title; the parts are HTML already."""
    head = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>",
    ]
    return "\n".join([*head, *parts, "</body></html>"])


def cells(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of texts; a column named "why" may break its lines."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = []
    for row in rows:
        marks = ["" if n != "why" else ' class="why"' for n in head]
        line = "".join(
            f"<td{mark}>{escape(cell)}</td>" for mark, cell in zip(marks, row, strict=True)
        )
        lines.append(f"<tr>{line}</tr>")
    return f"<table><tr>{top}</tr>{''.join(lines)}</table>"
