"""Which network addresses messages may go to: the guard against request forgery."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

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


def literal_refusal(host: str, private_only: bool, allow_private: bool) -> str | None:
    """Why a host that is an address itself, which no resolver ever sees, may not be connected to.

    None where it may, and for names and numbers in a spelling that only the resolver understands.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return refusal(host, private_only, allow_private)


Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def look_up(host: str, port: int) -> list[str]:
    """Addresses of a name, as the system knows them; OSError where there are none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(slots=True)
class GuardedResolver:
    """Resolves names, and refuses those that lead to an address that is not allowed.

    Who connects to exactly the addresses that are returned here is never led astray.
    """

    private_only: bool
    allow_private: bool
    inner: Resolve = look_up

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Resolve a name; OSError where any of its addresses is refused."""
        found = await self.inner(host, port)
        for address in found:
            if cause := refusal(address, self.private_only, self.allow_private):
                raise OSError(errno.EPERM, f"{host}: {cause}")
        return found
