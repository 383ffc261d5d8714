"""The report of the year: one HTML file that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from html import escape

from tamid.core.values import Interval
from tamid.examples.telecom.demo_figures import Drift, Figures
from tamid.examples.telecom.demo_story import Act
from tamid.examples.telecom.demo_year import Year
from tamid.examples.telecom.report_bars import Bar, bars
from tamid.examples.telecom.report_page import PAGE
from tamid.examples.telecom.report_picture import Moment, Picture, draw

_SIGNS = {
    "alarm": "alarm", "diagnosis": "diagnosis", "gate": "gate", "champion": "release",
    "rollback": "release", "rung": "ladder", "bug": "bug", "outage": "outage",
    "healed": "outage", "case": "case", "answer": "case", "closed": "case",
}  # fmt: skip


def report(year: Year, figures: Figures, acts: tuple[Act, ...], human: dict[str, int]) -> str:
    """Return the report as HTML."""
    picture = picture_of(year, figures, acts)
    return PAGE.substitute(
        title="One year of churn scores, and what the loop did",
        lead=_lead(year, figures),
        tiles="\n".join(_tiles(figures)),
        picture=draw(picture),
        churn=bars(_churn_bars(figures), unit="%", mark=100 * figures.goal, mark_name="goal"),
        churn_words=_churn_words(figures),
        money=bars(_money_bars(figures), unit=f"k {figures.worth.currency}"),
        money_words=_money_words(figures),
        roles="\n".join(_roles(figures, human)),
        acts="\n".join(_act_row(act) for act in acts),
        matrix=_matrix(figures),
        facts="\n".join(f"<li>{escape(fact)}</li>" for fact in _facts(year, figures)),
    )


def picture_of(year: Year, figures: Figures, acts: tuple[Act, ...]) -> Picture:
    """Return the picture of the year: F1 by week, and what happened."""
    weeks = figures.weeks

    def by_day(who: dict[str, int]) -> dict[date, float]:
        return {date.fromisoformat(p): v for p, v in weeks.series(who).items()}

    last = date.fromisoformat(weeks.periods[-1])
    return Picture(
        ours=by_day(weeks.ours),
        intervals={date.fromisoformat(p): i for p, i in figures.intervals.items()},
        never=by_day(weeks.never),
        manual=by_day(weeks.manual),
        owed=figures.demanded,
        sick=[(d.onset, min(d.champion or last, last)) for d in figures.drifts],
        moments=tuple(_moments(figures, acts)),
        title="F1 of the churn scores by week: with Tamid, repaired by hand, never retrained",
    )


def _moments(figures: Figures, acts: tuple[Act, ...]) -> Iterator[Moment]:
    for drift in figures.drifts:
        yield Moment(day=drift.onset, text=f"drift: {drift.name}")
        if drift.alarm:
            live = f", version {drift.number} after {_days(drift.days_to_champion)}"
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
    return escape(
        f"{year.options.customers:,} customers scored every Sunday, {first} to {last}. The market "
        f"changed {_times(len(figures.drifts))}, {_count(len(figures.bug_weeks), 'file')} "
        f"came broken, the scorer was down {_times(min(len(figures.outage_rungs), 1))}. "
        "The loop noticed, retrained, checked and released by itself, and asked a person only "
        "where data alone could not cure it."
    )


def _tiles(figures: Figures) -> Iterator[str]:
    first = figures.drifts[0] if figures.drifts else None
    worth = figures.worth
    if first is not None:
        yield _tile(
            _days(first.days_to_champion),
            "from alarm to new champion",
            f"alarm {_days(first.days_to_alarm)} after the market changed, "
            f"F1 {_number(figures.f1_at_release)} → {_number(first.lowest)} → "
            f"{_number(first.recovered)}",
        )
    yield _tile(
        f"{100 * worth.reduction.point:.0f} %",
        "less churn than the control group",
        f"{_span(worth.reduction, 100, '%')}; the goal is {100 * figures.goal:.0f} %",
    )
    for policy, words in (("never", "never retraining"), ("manual", "repairing by hand")):
        saved = worth.saved[policy]
        yield _tile(
            _money(saved.point, worth.currency),
            f"more than {words}",
            f"{_money(saved.low, '')} to {_money(saved.high, worth.currency)}, at 95 %",
        )


def _tile(number: str, what: str, small: str) -> str:
    return (
        f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}</span>'
        f"<small>{escape(small)}</small></div>"
    )


def _churn_bars(figures: Figures) -> list[Bar]:
    found = figures.worth.reduction
    scaled = Interval(point=100 * found.point, low=100 * found.low, high=100 * found.high)
    return [Bar(name="churn avoided", interval=scaled, style="ours")]


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
    names = {"ours": "with Tamid", "manual": "repaired by hand", "never": "never retrained"}
    return [
        Bar(
            name=name,
            interval=Interval(point=net.point / 1000, low=net.low / 1000, high=net.high / 1000),
            style=policy,
        )
        for policy, name in names.items()
        for net in (figures.worth.net[policy],)
    ]


def _money_words(figures: Figures) -> str:
    worth = figures.worth
    return escape(
        f"The campaign keeps {100 * worth.effect.point:.0f} % of the leavers it calls "
        f"({_span(worth.effect, 100, '%')}), measured against those who were held back by "
        f"chance: about {worth.customers_kept.point:,.0f} customers in the year. Shown is their "
        "value less the cost of all offers."
    )


def _roles(figures: Figures, human: dict[str, int]) -> Iterator[str]:
    answered = human.get("ML developer", 0)
    weeks = len(figures.weeks.periods)
    yield _card(
        "ML developer",
        f"{_count(figures.held_cases, 'case')} to answer",
        f"Answered {answered} with new features; {figures.runs} runs and {figures.versions} "
        "versions needed no other hand.",
    )
    yield _card(
        "MLOps engineer",
        f"{_count(len(figures.bug_weeks), 'broken file')} to repair",
        f"The file was refused on arrival, {figures.bug_weeks_trained_on} of its weeks were "
        "trained on. The outage healed itself at the next turn.",
    )
    yield _card(
        "Marketing",
        "nothing to do",
        f"{figures.deliveries} files for {weeks} judged weeks, {figures.duplicate_deliveries} "
        "sent twice. Even on the bad Sundays every customer had a score.",
    )


def _card(who: str, number: str, text: str) -> str:
    return f"<div class='card'><h3>{who}</h3><b>{escape(number)}</b><p>{escape(text)}</p></div>"


def _act_row(act: Act) -> str:
    sign = _SIGNS.get(act.kind, act.kind)
    return (
        f'<tr><td class="day">{act.day}</td><td><i class="sign {sign}">{sign}</i></td>'
        f"<td>{escape(act.who)} {escape(act.what)}</td><td>{escape(act.why)}</td></tr>"
    )


def _matrix(figures: Figures) -> str:
    """Return F1 of every version on every week; the live one stands in bold."""
    weeks = figures.weeks
    head = "".join(f"<th>{p[5:]}</th>" for p in weeks.periods)
    rows = []
    for version in weeks.versions:
        cells = "".join(_cell(figures, version, p) for p in weeks.periods)
        rows.append(f"<tr><th>version {version}</th>{cells}</tr>")
    return f"<table class='matrix'><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _cell(figures: Figures, version: int, period: str) -> str:
    value = figures.weeks.f1[version].get(period)
    if value is None:
        return "<td></td>"
    live = " live" if figures.weeks.ours[period] == version else ""
    low = " low" if value < figures.demanded else ""
    return f'<td class="f1{live}{low}">{100 * value:.0f}</td>'


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
        f"{_count(figures.alarms, 'alarm')}, {figures.false_alarms} of them false; "
        f"{_count(figures.cases_closed, 'case')} closed, {figures.cases_open} open at the end."
    )
    yield (
        "Quality is measured on rows that nobody acted on, weighted by the chance of not being "
        "called; intervals are at 95 % and count rows of one customer as one."
    )
    yield (
        "Repaired by hand means the same new versions, live 21 days after the alarm. Never "
        "retrained means version 1 on the same weeks. Both are computed by scoring those weeks."
    )
    yield f"World: seed {year.options.seed}, {year.options.customers:,} customers, synthetic."


def _drift_words(drift: Drift) -> str:
    text = f"{drift.name}, from {drift.onset}: "
    if drift.alarm is None:
        return text + "no alarm."
    text += f"alarm on {drift.alarm} ({_days(drift.days_to_alarm)}), lowest F1 "
    text += f"{_number(drift.lowest)}"
    if drift.champion is None:
        return text + ", not cured in the year."
    return (
        f"{text}, version {drift.number} live on {drift.champion} "
        f"({_days(drift.days_to_champion)} after the alarm), then F1 {_number(drift.recovered)}."
    )


def _days(days: int | None) -> str:
    return "never" if days is None else _count(days, "day")


def _times(value: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(value, f"{value} times")


def _count(value: int, one: str) -> str:
    return f"{value} {one}" + ("" if value == 1 else "s")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _span(interval: Interval, scale: float, unit: str) -> str:
    return f"{scale * interval.low:.0f} to {scale * interval.high:.0f} {unit}"


def _money(value: float, currency: str) -> str:
    amount = f"{value / 1e6:.2f} M" if abs(value) >= 1e6 else f"{value / 1e3:.0f} k"
    return f"{amount} {currency}".strip()
