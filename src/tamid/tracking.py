"""The wiring of mirrors: a workspace shown on a tracking server, from where it was shown last.

Whether the server is there is no matter of the loop's: nothing here is part of a tick, nothing is
written into the ledger, and what was not shown yet is what stands behind the bookmark.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime

from tamid.config import Config
from tamid.core.errors import UsageError

# Where MLflow's own clients look for the server.
VARIABLE = "MLFLOW_TRACKING_URI"
OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How far a model is shown: `events` in this go, up to event `place` of `last`."""

    model: str
    uri: str
    events: int
    place: int
    last: int
    at: datetime | None = None


def uri_of(config: Config) -> str:
    """Return the tracking server of a workspace, "" if there is none.

    The workspace file decides, so that a tick by hand and one by cron mirror to the same place;
    where it says nothing, the environment does.
    """
    found = config.mlflow or os.environ.get(VARIABLE, "")
    return "" if found == OFF else found


def catch_up(config: Config, model: str, *, again: bool = False) -> Shown:
    """Show what is not shown yet, `again` everything; return how far it is.

    Raises:
        UsageError: no tracking server is set; MissingExtra: its client is not installed.
        MirrorDown: the server did not take all; what it took stays shown, and is not lost.
        Conflict: another process shows this model just now.
    """
    from tamid.adapters.blobs import FileBlobs
    from tamid.adapters.sqlite import SqliteLedger
    from tamid.adapters.system import SystemClock
    from tamid.stages.mirroring import Gallery, mirrored
    from tamid.wiring import bookmark_in, mirror_of, trust_of
    from tamid.workshop import parse

    uri = _set(config)
    book, clock = bookmark_in(config.store, model, uri), SystemClock()
    with book.held():
        records = SqliteLedger(config.store / "ledger.sqlite", read_only=True).read(model)
        last = records[-1].seq if records else 0
        # A ledger that was restored from a backup may be shorter than what was shown.
        before = place = 0 if again else min(book.place(), last)
        if place < last:
            gallery = Gallery(
                model=model,
                mirror=mirror_of(uri, model),
                blobs=FileBlobs(config.store / "blobs"),
                signer=trust_of(config.store / "keys"),
                parse=parse,
            )
            for place in mirrored(gallery, records, before):
                book.note(place, clock.now())
        elif book.place() > last:
            book.note(last, clock.now())
    return Shown(
        model=model, uri=uri, events=place - before, place=place, last=last, at=book.noted()
    )


def standing(config: Config, model: str, last: int) -> Shown:
    """Return how far a model, whose ledger ends with event `last`, is shown; ask no server."""
    from tamid.wiring import bookmark_in

    uri = _set(config)
    book = bookmark_in(config.store, model, uri)
    place = min(book.place(), last)
    return Shown(model=model, uri=uri, events=0, place=place, last=last, at=book.noted())


def _set(config: Config) -> str:
    uri = uri_of(config)
    if not uri:
        raise UsageError(
            "no tracking server is set",
            why=f"tamid.toml has no [mlflow] tracking_uri, the environment no {VARIABLE}",
            fix=f"Set {VARIABLE}, or write [mlflow] tracking_uri into tamid.toml.",
        )
    return uri
