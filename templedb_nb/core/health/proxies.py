"""Which proxy an address is asked through; none leads to this machine itself."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

_NAMES = frozenset({"localhost", "localhost.localdomain", "localhost6", "ip6-localhost",
                    "localhost6.localdomain6", "ip6-loopback"})  # fmt: skip


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> str:
    """Return the proxy that HTTP_PROXY or HTTPS_PROXY name for an address; nothing for none.

    Small letters come first, as elsewhere. NO_PROXY names hosts, domains, addresses, networks.
    """
    if loopback(host):
        return ""
    left_out = environ.get("no_proxy") or environ.get("NO_PROXY", "")
    if any(_fits(each.strip().lower(), host, port) for each in left_out.split(",")):
        return ""
    name = f"{scheme}_proxy"
    found = environ.get(name) or environ.get(name.upper(), "")
    return found if "://" in found or not found else f"http://{found}"


def _fits(entry: str, host: str, port: int) -> bool:
    bare = host.strip("[]").rstrip(".").lower()
    if entry == "*":
        return True
    network = _network(entry)
    address = _address(bare)
    if network is not None:
        return address is not None and address in network
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit():
        entry = name if int(wanted) == port else ""
    entry = entry.strip("[]").lstrip("*").strip(".")
    return bool(entry) and (bare == entry or bare.endswith(f".{entry}"))


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def loopback(host: str) -> bool:
    """Return whether *host* is a name or an address of the loopback, which no proxy can reach."""
    bare = host.strip("[]").rstrip(".").lower()
    if bare in _NAMES or bare.endswith(".localhost"):
        return True
    address = _address(bare)
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address, also one of fewer numbers or in hexadecimal, as C libraries read it."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
