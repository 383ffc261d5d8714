"""The targets of a contract's scores opened; secrets and addresses come from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import SinkDown, TamidError, UsageError

if TYPE_CHECKING:
    from tamid.core.contract.model import Contract, SinkSpec
    from tamid.ports import Clock, Parcel, Sink

# Where the signing secret of a webhook is looked for if the contract names none.
WEBHOOK_SECRET = "env:TAMID_WEBHOOK_SECRET"  # noqa: S105 - a name, no secret


def sinks_of(contract: Contract, folder: Path, clock: Clock) -> dict[str, Sink]:
    """Return the targets of a contract by the name that the policy gives them."""
    from tamid.core.policy import sink_name

    specs = enumerate(contract.delivery.to, 1)
    return {sink_name(i, spec.kind): _opened(spec, folder, clock) for i, spec in specs}


class Unreachable:
    """A target that could not be opened: it is down until its setting, `why`, is mended."""

    def __init__(self, why: TamidError) -> None:
        self.why = why

    def deliver(self, parcel: Parcel) -> str:
        """Raise SinkDown with the reason."""
        raise SinkDown(self.why.what, why=self.why.why, fix=self.why.remedy)


def out_of_reach(sink: Sink) -> TamidError | None:
    """Return why a target could not be handed scores now; None as far as that can be asked."""
    from tamid.ports import AnsweringSink
    from tamid.pseudonyms import UnveiledSink

    target = sink.sink if isinstance(sink, UnveiledSink) else sink
    if isinstance(target, Unreachable):
        return target.why
    if isinstance(target, AnsweringSink):
        try:
            target.reach()
        except SinkDown as error:
            return error
    return None


def _opened(spec: SinkSpec, folder: Path, clock: Clock) -> Sink:
    try:
        return _sink(spec, folder, clock)
    except TamidError as error:
        return Unreachable(error)


def _sink(spec: SinkSpec, folder: Path, clock: Clock) -> Sink:
    """Open one target. Secrets and addresses come from the environment, by name."""
    target = _secret(spec.target)
    if spec.kind == "sql":
        from tamid.adapters.sql_sink import SqlSink

        return SqlSink(target, spec.table or "scores", folder)
    if spec.kind == "webhook":
        from tamid.adapters.webhook import WebhookSink

        private = os.environ.get("TAMID_WEBHOOK_PRIVATE") == "1"
        secret = spec.secret or WEBHOOK_SECRET
        key = _secret(secret, f"the webhook is signed with {secret}; nothing is sent unsigned")
        return WebhookSink(target, key, clock.now, private=private)
    place = str(folder / target)
    if spec.kind == "delta":
        from tamid.adapters.delta_sink import DeltaSink

        return DeltaSink(place)
    from tamid.adapters.file_sinks import CsvSink, ParquetSink

    return CsvSink(place) if spec.kind == "csv" else ParquetSink(place)


def _secret(text: str, why: str = "the contract takes a target or secret from it") -> str:
    """Return the text, or what the environment holds for `env:NAME`."""
    if not text.startswith("env:"):
        return text
    name = text.removeprefix("env:")
    if name not in os.environ:
        raise UsageError(
            f"the environment has no {name}",
            why=why,
            fix=f"Set {name} before starting Tamid.",
        )
    return os.environ[name]
