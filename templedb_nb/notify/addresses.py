"""Which addresses a receiver may have that must be reached over the public network."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any


class PrivateAddress(OSError):
    """A host's name leads to an address that is not public."""


def reached(host: str, port: int) -> tuple[Any, ...]:
    """Return where *host* is, or raise `PrivateAddress` if any of its addresses is not public.

    One that is private is enough: who answers for a name chooses which of them is used.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places = [place for *_, place in found]
    for place in places:
        if not public(str(place[0])):
            message = "its host has an address that is not public, which this receiver refuses"
            raise PrivateAddress(message)
    first: tuple[Any, ...] = places[0]
    return first


def public(text: str) -> bool:
    """Return whether an address is one of the public network."""
    address = ipaddress.ip_address(text.partition("%")[0])
    for name in ("ipv4_mapped", "sixtofour"):
        if inner := getattr(address, name, None):
            return public(str(inner))
    if teredo := getattr(address, "teredo", None):
        return all(public(str(each)) for each in teredo)
    return address.is_global and not address.is_multicast
