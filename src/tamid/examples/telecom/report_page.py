"""The page around the report's figures: layout and style, no script, nothing from outside."""

from string import Template

PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #0f172a; --soft: #64748b; --line: #e2e8f0;
  --paper: #fff; --card: #f8fafc; --ours: #0f766e; --manual: #b45309; --never: #9f1239; }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e8f0; --soft: #94a3b8; --line: #263244;
  --paper: #0f172a; --card: #16213a; --ours: #2dd4bf; --manual: #fbbf24; --never: #fb7185; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 20px 60px; max-width: 1080px; color: var(--ink);
  background: var(--paper);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 8px; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 40px 0 10px; }
h3 { font-size: .95rem; margin: 0 0 4px; color: var(--soft); font-weight: 600; }
p { margin: 6px 0; max-width: 72ch; }
.lead { color: var(--soft); }
.tiles, .cards { display: grid; gap: 12px; margin: 22px 0;
  grid-template-columns: repeat(auto-fit, minmax(215px, 1fr)); }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.15; color: var(--ours); }
.tile span { display: block; } .tile small { color: var(--soft); }
.card b { font-size: 1.1rem; } .card p { color: var(--soft); font-size: .92rem; }
.wide { overflow-x: auto; -webkit-overflow-scrolling: touch; }
.wide > svg { width: 100%; min-width: 760px; height: auto; display: block; }
.pair { display: grid; gap: 24px; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); }
.pair svg { width: 100%; height: auto; }
svg.bars { width: 100%; max-width: 560px; height: auto; }
.year.bars { font: 13px system-ui, sans-serif; --owed: 1; }
.bars text { fill: var(--ink); } .bars .owed { stroke: var(--ink); stroke-width: 1.5; }
.bars .fill.ours { fill: var(--ours); stroke: none; }
.bars .fill.manual { fill: var(--manual); stroke: none; }
.bars .fill.never { fill: var(--never); stroke: none; opacity: .8; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: 7px 10px 7px 0;
  border-bottom: 1px solid var(--line); }
.acts { min-width: 640px; } .day { white-space: nowrap; }
.sign { font-style: normal; font-size: .78rem; padding: 1px 8px; border-radius: 9px;
  border: 1px solid var(--line); color: var(--soft); white-space: nowrap; }
.sign.alarm, .sign.bug, .sign.outage { color: var(--never); border-color: currentColor; }
.sign.release { color: var(--ours); border-color: currentColor; }
.sign.case { color: var(--manual); border-color: currentColor; }
.matrix { font-size: .75rem; width: auto; } .matrix td, .matrix th { padding: 3px 5px;
  text-align: right; white-space: nowrap; } .f1 { color: var(--soft); }
.f1.low { color: var(--never); } .f1.live { font-weight: 700; outline: 1px solid var(--line); }
summary { cursor: pointer; margin: 34px 0 8px; font-weight: 600; }
li { margin: 4px 0; max-width: 80ch; }
</style></head><body>
<h1>$title</h1>
<p class="lead">$lead</p>
<div class="tiles">
$tiles
</div>
<h2>Quality of the scores, week by week</h2>
<div class="wide">
$picture
</div>
<p class="lead">Shaded: the market had changed and the live version did not know it yet. The band
is the 95 % interval of the measured weeks.</p>
$estimates
$releases
$policies
<div class="pair">
<div><h2>Churn against the goal</h2>$churn<p class="lead">$churn_words</p></div>
<div><h2>What the year was worth</h2>$money<p class="lead">$money_words</p></div>
</div>
$campaign
<h2>What each role had to do</h2>
<div class="cards">
$roles
</div>
<h2>Decisions and their reasons</h2>
<div class="wide"><table class="acts">
<tr><th>date</th><th></th><th>who did what</th><th>why</th></tr>
$acts
</table></div>
<details><summary>Every version on every week (F1, in hundredths; bold: live)</summary>
<div class="wide">$matrix</div></details>
<details open><summary>How the figures were made</summary><ul>
$facts
</ul></details>
</body></html>
"""
)
