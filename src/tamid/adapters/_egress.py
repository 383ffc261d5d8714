"""Where Tamid may connect to on a user's word: public addresses, and nothing else by default."""

from __future__ import annotations

import ipaddress
import socket

from tamid.core.errors import SinkDown

Address = str

# Public by their number, but gateways into whatever lies behind them.
_GATEWAYS = tuple(
    ipaddress.ip_network(net)
    for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0/96")
)


def public(address: str) -> bool:
    """Say whether an address is out in the open, and no gateway to one that is not.

    >>> [public(a) for a in ("93.184.215.14", "127.0.0.1", "100.64.0.1", "64:ff9b::7f00:1")]
    [True, False, False, False]
    """
    one = ipaddress.ip_address(address.partition("%")[0])
    if any(one.version == net.version and one in net for net in _GATEWAYS):
        return False
    return one.is_global and not (one.is_multicast or one.is_reserved or one.is_unspecified)


def resolve(host: str, port: int, *, private: bool) -> Address:
    """Return the one address to connect to; the name is asked for once.

    With `private`, the addresses of one's own machine and network are allowed, too.

    Raises:
        SinkDown: the name is unknown, or any of its addresses is not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SinkDown(f"the name {host!r} cannot be resolved") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not (private or all(public(a) for a in addresses)):
        raise SinkDown(
            f"{host!r} is not a public address",
            why="a contract must not make Tamid reach into this machine or network",
            fix="If the receiver is your own, set TAMID_WEBHOOK_PRIVATE=1.",
        )
    return addresses[0]
