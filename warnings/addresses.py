"""Which network addresses messages may go to: the guard against request forgery."""

import errno
import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from jinghu.grid.errors import DeliveryError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an address is one of the open network: not private, loopback, link-local, multicast.

    IPv6 addresses that carry an IPv4 address are what they carry.

    >>> is_public("1.1.1.1"), is_public("169.254.169.254"), is_public("64:ff9b::7f00:1")
    (True, False, False)
    """
    found: IPv4Address | IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return found.is_global and not found.is_multicast


def refusal(address: str, private_only: bool, allow_private: bool) -> str | None:
    """Why an address may not be connected to, None where it may.

    Parameters
    ----------
    address
        IPv4 or IPv6.
    private_only
        Plain HTTP: it never leaves the house.
    allow_private
        The receiver may stand on loopback or a private network.
    """
    if is_public(address):
        return (
            f"{address} is a public address: only https leaves the house" if private_only else None
        )
    return None if allow_private else f"{address} is a private address"


def check_literal(host: str, private_only: bool, allow_private: bool) -> None:
    """Check a host that is an address itself, which no resolver ever sees.

    Raises
    ------
    DeliveryError
        Where it may not be connected to.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return  # a name, or a number in a spelling that only the resolver understands
    if cause := refusal(host, private_only, allow_private):
        raise DeliveryError(cause, retryable=True)


class GuardedResolver(AbstractResolver):
    """Resolves names, and refuses those that lead to an address that is not allowed.

    aiohttp connects to exactly the addresses that are returned here.
    """

    def __init__(
        self, private_only: bool, allow_private: bool, inner: AbstractResolver | None = None
    ) -> None:
        self._private_only = private_only
        self._allow_private = allow_private
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name; OSError where any of its addresses is refused."""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            if cause := refusal(result["host"], self._private_only, self._allow_private):
                raise OSError(errno.EPERM, f"{host}: {cause}")
        return found

    async def close(self) -> None:
        """Release the inner resolver."""
        await self._inner.close()
