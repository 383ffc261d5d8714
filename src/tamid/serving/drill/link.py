"""One connection from a drill to the server that it drills."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tamid.core.errors import NotFound, SystemFailure, UsageError

# Seconds for one answer: far beyond any deadline, so that what hangs is seen to hang.
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer: its status, its body, the seconds that it took."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def rung(self) -> str:
        """Return which rung answered, "" if none did."""
        return str(self.body.get("rung", ""))

    @property
    def reason(self) -> str:
        """Return why no better one did."""
        return str(self.body.get("reason", ""))


class Link:
    """Asks one process; with several on a port, all goes to the one that was met first."""

    def __init__(self, url: str, secret: str, token: str = "") -> None:
        where = urllib.parse.urlsplit(url)
        if where.scheme != "http" or not where.hostname:
            raise UsageError(f"{url!r} is no address such as http://127.0.0.1:8620")
        self._http = http.client.HTTPConnection(where.hostname, where.port or 80, timeout=_PATIENCE)
        self._headers = {"x-tamid-drill": secret, "content-type": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def facts(self) -> Mapping[str, Any]:
        """Return what can be drilled.

        Raises:
            NotFound: the server takes no drills, or not with this secret.
        """
        found = self._ask("GET", "/drill", None)
        if found.status == 200:
            return found.body
        raise NotFound(
            "this server takes no drill",
            why=f"it answered {found.status}: it was started without a secret, or with another",
            fix="Start it with `tamid serve --drill env:NAME`, and name the same secret here.",
        )

    def predict(self, row: Mapping[str, Any], faults: Mapping[str, str]) -> Heard:
        """Ask for a row past broken rungs."""
        broken = ",".join(f"{rung}:{fault}" for rung, fault in faults.items())
        query = urllib.parse.urlencode({"break": broken})
        return self._ask("POST", f"/drill/predict?{query}", row)

    def worker(self, rung: str, fault: str) -> str:
        """Let a rung's worker suffer; return where the rung answers."""
        query = urllib.parse.urlencode({"rung": rung, "fault": fault})
        return str(self._ask("POST", f"/drill/worker?{query}", {}).body.get("where", ""))

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Heard:
        started = time.monotonic()
        sent = None if body is None else json.dumps(body).encode()
        try:
            self._http.request(method, path, sent, self._headers)
            answer = self._http.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SystemFailure(
                "the server did not answer", why=f"{type(error).__name__}: {error}"
            ) from None
        return Heard(status=answer.status, body=found, seconds=time.monotonic() - started)
