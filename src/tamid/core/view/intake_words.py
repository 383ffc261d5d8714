"""What came in, in plain words: batches, labels, answers, contracts, computed views."""

from __future__ import annotations

from collections.abc import Mapping

from tamid.core import events as ev
from tamid.core.view.scene import count, first_lines, whole


def accepted_words(e: ev.DataAccepted) -> str:
    """Tell of a batch that was taken in."""
    text = count(e.rows, "row") + (f" of {e.source}" if e.source != "rows" else "")
    known = [(e.new, "new"), (e.changed, "changed"), (e.rows - e.new - e.changed, "repeated")]
    known.append((e.removed, "taken back"))
    told = ""
    if e.new + e.changed + e.removed and e.new != e.rows:
        told = f" ({', '.join(f'{whole(n)} {what}' for n, what in known if n > 0)})"
    rules = ", ".join(f"{rule} {whole(n)}" for rule, n in sorted(e.quarantined.items()))
    breaks = count(sum(e.quarantined.values()), "rule break")
    if e.aside:
        good, bad = whole(e.rows - e.aside), whole(e.aside)
        text += f" from {e.batch}{told}: {good} accepted, {bad} set aside ({rules})"
    elif e.quarantined:  # recorded before rows were counted: one may have broken several rules
        text += f" came from {e.batch}{told}; {breaks} set aside ({rules})"
    else:
        text += f" accepted from {e.batch}{told}"
    return "; ".join([text, *(f"note: {note}" for note in e.notes)])


def refused_words(e: ev.DataRefused) -> str:
    """Tell of a batch that was refused."""
    return f"{e.batch} of {e.source} refused, nothing of it is used: {first_lines(e.reasons)}"


def checked_words(e: ev.PeriodChecked) -> str:
    """Tell what the rows of a period look like."""
    if not e.suspected and e.shifted:
        return (
            f"the rows of {e.period} are another mix of known ones: {', '.join(e.shifted)} moved "
            "further than ever, and what goes with them moved along"
        )
    if not e.suspected and not e.against:
        return f"the rows of {e.period} have come with all their columns"
    if not e.suspected:
        return f"the rows of {e.period} are like those of {count(e.against, 'earlier period')}"
    sure = "are broken" if e.confirmed else "may be broken"
    return f"the rows of {e.period} {sure} and are not learnt from: {first_lines(e.reasons)}"


def answers_words(e: ev.AnswersTaken) -> str:
    """Tell of answers that servers gave."""
    # A server that was killed takes its last counts along, and leaves the answers themselves.
    given = max(sum(e.answered.values()), e.rows)
    said = f"{count(given, 'answer')} given online, {e.rows} kept"
    tried = sum(n for who, n in e.answered.items() if who.endswith("/canary"))
    said += f", {tried} by a version in canary" if tried else ""
    below = sum(e.answered.values()) - tried
    below -= sum(n for who, n in e.answered.items() if who.endswith("/champion"))
    said += f", {below} by a lower rung" if below else ""
    return said + (f", {e.lost} not logged" if e.lost else "")


def labels_words(e: ev.LabelsAccepted) -> str:
    """Tell of labels."""
    extra = [(e.corrected, "corrected"), (e.repeated, "repeated"), (e.unmatched, "without a row")]
    extra.append((e.stale, "older than what is known, kept as history"))
    extra.append((e.future, "from the future, put aside"))
    extra.append((e.invalid, "not understood, left out"))
    said = "".join(f", {whole(n)} {what}" for n, what in extra if n)
    return f"{count(e.new, 'new label')}{said} from {e.batch}"


def actions_words(e: ev.ActionsAccepted) -> str:
    """Tell of what a campaign did."""
    offers = ", ".join(f"{offer} {whole(n)}" for offer, n in sorted(e.offers.items()))
    extra = [(e.repeated, "repeated"), (e.late, "late"), (e.unknown, "of unknown entities")]
    extra.append((e.held_back, "to entities that were to be left alone"))
    extra.append((e.invalid, "not understood, left out"))
    said = "".join(f", {whole(n)} {what}" for n, what in extra if n)
    return f"{count(e.new, 'new act')}{f' ({offers})' if offers else ''}{said} from {e.batch}"


def adopted_words(e: ev.ContractAdopted) -> str:
    """Tell of a contract that came into force."""
    views = ", ".join(name.replace("@", " version ") for name in sorted(e.views))
    return f"Contract {e.contract[7:19]} came into force" + (f", with {views}" if views else "")


def cleaned_words(e: ev.RowsCleaned) -> str:
    """Tell what the declared cleaning did."""
    return _cleaned(e.steps, "row")


def served_words(e: ev.AnswersCleaned) -> str:
    """Tell what the declared cleaning did to answers online."""
    steps: dict[str, tuple[int, int, int]] = {}
    for told in e.steps.values():
        for name, (before, after, changed) in told.items():
            b, a, c = steps.get(name, (0, 0, 0))
            steps[name] = (b + before, a + after, c + changed)
    worth, rows = sum(e.stands_for.values()), max((s[0] for s in steps.values()), default=0)
    of = f" (kept of about {round(worth)})" if round(worth) > rows else ""
    return _cleaned(steps, "logged answer") + of


def _cleaned(steps: Mapping[str, tuple[int, ...]], what: str) -> str:
    told = []
    for name, (before, after, changed) in sorted(steps.items(), key=_place):
        did = [f"{count(before - after, 'row')} dropped"] if before > after else []
        did += [f"{count(changed, 'value')} changed"] if changed else []
        told.append(f"{name}: {', '.join(did) or 'nothing'}")
    rows = next(iter(steps.values()), (0,))[0]
    return f"{count(rows, what)} cleaned: {'; '.join(told)}"


def _place(step: tuple[str, tuple[int, ...]]) -> int:
    return int(step[0].split()[0])


def materialised_words(e: ev.ViewMaterialised) -> str:
    """Tell of a feature view that was computed."""
    late = f"; {count(e.late, 'event')} came late" if e.late else ""
    return (
        f"Feature view {e.view} version {e.number} was computed: {count(e.rows, 'change')} "
        f"of {count(e.entities, 'entity', 'entities')}{late}"
    )


def collected_words(e: ev.Collected) -> str:
    """Tell what was cleared away."""
    told = [f"{count(e.versions, 'old version')} of tables"] if e.versions else []
    told += [f"{count(len(p), 'old period')} of {t}" for t, p in sorted(e.periods.items())]
    told += [f"{count(n, 'old row')} of {t}" for t, n in sorted(e.rows.items())]
    return f"Cleared away: {', '.join(told) or 'nothing'}"
