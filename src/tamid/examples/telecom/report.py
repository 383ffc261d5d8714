"""The report of the year: one HTML file that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from html import escape

from tamid.examples.telecom.demo_campaign import campaign_part
from tamid.examples.telecom.demo_figures import Drift, Figures
from tamid.examples.telecom.demo_story import Act
from tamid.examples.telecom.demo_year import Year
from tamid.examples.telecom.report_bars import Bar, bars
from tamid.examples.telecom.report_estimates import estimates_part
from tamid.examples.telecom.report_page import PAGE
from tamid.examples.telecom.report_picture import Moment, Picture, draw
from tamid.examples.telecom.report_policies import policies_part
from tamid.examples.telecom.report_releases import releases_part
from tamid.examples.telecom.report_roles import role_cards
from tamid.examples.telecom.report_words import NAMES, count, days, money, number, span, times

_SIGNS = {
    "alarm": "alarm", "diagnosis": "diagnosis", "gate": "gate", "champion": "release",
    "rollback": "release", "rung": "ladder", "bug": "bug", "outage": "outage",
    "healed": "outage", "case": "case", "answer": "case", "closed": "case",
}  # fmt: skip


def report(year: Year, figures: Figures, acts: tuple[Act, ...]) -> str:
    """Return the report as HTML."""
    picture = picture_of(year, figures, acts)
    return PAGE.substitute(
        title="One year of churn scores, and what the loop did",
        lead=_lead(year, figures),
        tiles="\n".join(_tiles(figures)),
        picture=draw(picture),
        estimates=estimates_part(figures.estimates),
        releases=releases_part(figures.releases),
        policies=policies_part(figures.policies),
        campaign=campaign_part(figures.campaign),
        churn=bars(_churn_bars(figures), unit="%", mark=100 * figures.goal, mark_name="goal"),
        churn_words=_churn_words(figures),
        money=bars(_money_bars(figures), unit=f"k {figures.worth.currency}"),
        money_words=_money_words(figures),
        roles="\n".join(role_cards(figures)),
        acts="\n".join(_act_row(act) for act in acts),
        matrix=_week_table(figures),
        facts="\n".join(f"<li>{escape(fact)}</li>" for fact in _facts(year, figures)),
    )


def picture_of(year: Year, figures: Figures, acts: tuple[Act, ...]) -> Picture:
    """Return the picture of the year: F1 by week, and what happened."""
    weeks = figures.weeks

    def by_day(policy: str) -> dict[date, float]:
        return {date.fromisoformat(p): v for p, v in weeks.f1[policy].items()}

    last = date.fromisoformat(weeks.periods[-1])
    return Picture(
        ours=by_day("ours"),
        intervals={date.fromisoformat(p): i for p, i in figures.intervals.items()},
        never=by_day("never"),
        manual=by_day("manual"),
        owed=figures.demanded,
        sick=[(d.onset, min(d.champion or last, last)) for d in figures.drifts if d.onset < last],
        moments=tuple(_moments(figures, acts)),
        title="F1 of the churn scores by week: with Tamid, repaired by hand, never retrained",
    )


def _moments(figures: Figures, acts: tuple[Act, ...]) -> Iterator[Moment]:
    for drift in figures.drifts:
        yield Moment(day=drift.onset, text=f"drift: {drift.name}")
        if drift.alarm:
            live = f", version {drift.number} after {days(drift.days_to_champion)}"
            yield Moment(day=drift.alarm, text=f"alarm{live if drift.champion else ''}")
    for act in acts:
        if act.kind == "bug":
            yield Moment(day=act.day, text="bug refused")
        if act.kind == "outage":
            yield Moment(day=act.day, text="outage, lower rung")
        if act.kind == "answer":
            yield Moment(day=act.day, text="developer answers the case")


def _lead(year: Year, figures: Figures) -> str:
    first, last = figures.weeks.periods[0], figures.weeks.periods[-1]
    files = "no file" if figures.bug is None else "one file"
    return escape(
        f"{year.options.customers:,} customers scored every Sunday, {first} to {last}. The market "
        f"changed {times(len(figures.drifts))}, {files} came broken, the scorer was down "
        f"{times(len(figures.outages))}. The loop trained {times(figures.runs)}, released "
        f"{count(figures.versions, 'version')}, and asked people {times(_asked(figures))}."
    )


def _asked(figures: Figures) -> int:
    return sum(figures.cases.values())


def _tiles(figures: Figures) -> Iterator[str]:
    first = figures.drifts[0] if figures.drifts else None
    worth = figures.worth
    if first is not None:
        yield _tile(
            days(first.days_to_champion),
            "from alarm to new champion",
            f"alarm {days(first.days_to_alarm)} after the market changed, "
            f"F1 {number(figures.f1_at_release)} → {number(first.lowest)} → "
            f"{number(first.recovered)}",
        )
    yield _tile(
        f"{100 * worth.reduction.point:.0f} %",
        "less churn than the control group",
        f"{span(worth.reduction, 100, '%')}; the goal is {100 * figures.goal:.0f} %",
    )
    for policy, words in (("never", "never retraining"), ("manual", "repairing by hand")):
        saved = worth.saved[policy]
        yield _tile(
            money(saved.point, worth.currency),
            f"more than {words}",
            f"{money(saved.low, '')} to {money(saved.high, worth.currency)}, at 95 %",
        )


def _tile(number: str, what: str, small: str) -> str:
    return (
        f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}</span>'
        f"<small>{escape(small)}</small></div>"
    )


def _churn_bars(figures: Figures) -> list[Bar]:
    return [Bar(name="churn avoided", interval=figures.worth.reduction.scaled(100), style="ours")]


def _churn_words(figures: Figures) -> str:
    worth = figures.worth
    low, high = worth.reduction.low, worth.reduction.high
    reached = "reached" if low >= figures.goal else "not shown to be reached"
    if high < figures.goal:
        reached = "missed"
    return escape(
        f"In a week {100 * worth.control_rate:.2f} % of the control group left, and "
        f"{100 * worth.policy_rate:.2f} % of everybody under the campaign. The goal of "
        f"{100 * figures.goal:.0f} % is {reached}: even the low end is {100 * low:.1f} %."
        if reached == "reached"
        else f"In a week {100 * worth.control_rate:.2f} % of the control group left, and "
        f"{100 * worth.policy_rate:.2f} % under the campaign: the goal of "
        f"{100 * figures.goal:.0f} % is {reached}."
    )


def _money_bars(figures: Figures) -> list[Bar]:
    return [
        Bar(name=name, interval=figures.worth.net[policy].scaled(1 / 1000), style=policy)
        for policy, name in NAMES.items()
    ]


def _money_words(figures: Figures) -> str:
    worth = figures.worth
    return escape(
        f"The campaign keeps {100 * worth.effect.point:.0f} % of the leavers it calls "
        f"({span(worth.effect, 100, '%')}), measured against those who were held back by "
        f"chance: about {worth.customers_kept.point:,.0f} customers in the year. Shown is their "
        "value less the cost of all offers."
    )


def _act_row(act: Act) -> str:
    sign = _SIGNS.get(act.kind, act.kind)
    return (
        f'<tr><td class="day">{act.day}</td><td><i class="sign {sign}">{sign}</i></td>'
        f"<td>{escape(act.who)} {escape(act.what)}</td><td>{escape(act.why)}</td></tr>"
    )


def _week_table(figures: Figures) -> str:
    """Return F1 of every week under each policy, and who answered it."""
    weeks = figures.weeks
    head = "".join(f"<th>{p[5:]}</th>" for p in weeks.periods)
    rows = [
        f"<tr><th>{name}</th>{''.join(_cell(figures, policy, p) for p in weeks.periods)}</tr>"
        for policy, name in NAMES.items()
    ]
    return f"<table class='matrix'><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _cell(figures: Figures, policy: str, period: str) -> str:
    value = figures.weeks.f1[policy].get(period)
    if value is None:
        return "<td></td>"
    low = " low" if value < figures.demanded else ""
    rungs = ", then ".join(" and ".join(sheet) for sheet in figures.weeks.answered[period])
    return f'<td class="f1{low}" title="{escape(rungs)}">{100 * value:.0f}</td>'


def _facts(year: Year, figures: Figures) -> Iterator[str]:
    lost = figures.f1_weeks_lost
    yield (
        f"F1 lost below the contract's {figures.demanded:g}, summed over weeks: "
        f"{lost['ours']:.2f} with Tamid, {lost['manual']:.2f} repaired by hand, "
        f"{lost['never']:.2f} never retrained."
    )
    for drift in figures.drifts:
        yield _drift_words(drift)
    yield (
        f"{count(figures.alarms, 'alarm')}, {figures.false_alarms} of them false; "
        f"{count(figures.cases_closed, 'case')} closed, {figures.cases_open} open at the end."
    )
    yield (
        "Quality is measured on rows that nobody acted on, weighted by the chance of not being "
        "called; intervals are at 95 % and count rows of one customer as one."
    )
    yield (
        "With Tamid is what was really delivered, every answer for as long as it was in force. "
        "Repaired by hand means the same new versions, live 21 days after the alarm. Never "
        "retrained means version 1 on the same weeks. Both are computed by scoring those weeks; "
        "where no model could be asked, all three have the lower rung's answer."
    )
    yield f"World: seed {year.options.seed}, {year.options.customers:,} customers, synthetic."


def _drift_words(drift: Drift) -> str:
    text = f"{drift.name}, from {drift.onset}: "
    if drift.alarm is None:
        return text + "no alarm."
    text += f"alarm on {drift.alarm} ({days(drift.days_to_alarm)}), lowest F1 "
    text += f"{number(drift.lowest)}"
    if drift.champion is None:
        return text + ", not cured in the year."
    return (
        f"{text}, version {drift.number} live on {drift.champion} "
        f"({days(drift.days_to_champion)} after the alarm), then F1 {number(drift.recovered)}."
    )
