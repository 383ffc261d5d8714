"""Who may ask: the Host that was called, and the token that was shown."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping

from tamid.serving.http.settings import Settings
from tamid.serving.http.wire import Refused

# Asked by machines that hold no token: they tell nothing but yes or no.
OPEN = frozenset(
    {"/healthz", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready"}
)  # fmt: skip
_LOCAL = "localhost"


def check_host(headers: Mapping[bytes, bytes], settings: Settings) -> None:
    """Refuse a name that is not ours: a page elsewhere may not reach us under a name of its own.

    Bare addresses are let through, as no name can be turned to them.
    """
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name in settings.hosts or name == _LOCAL or _is_address(name):
        return
    raise Refused(421, "wrong_host", "this server is not called so; see --allow-host")


def check_token(path: str, headers: Mapping[bytes, bytes], settings: Settings) -> None:
    """Refuse whoever shows no token; the comparison takes the same time for all."""
    wanted = settings.shown
    if not wanted or path in OPEN:
        return
    shown = headers.get(b"authorization", b"")
    fits = [hmac.compare_digest(shown, b"Bearer " + token.encode()) for token in wanted]
    if not any(fits):
        raise Refused(401, "no_token", "show the token: Authorization: Bearer ...")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
