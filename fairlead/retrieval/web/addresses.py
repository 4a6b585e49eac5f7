"""Which URLs and which addresses may be fetched from.

A host is resolved once and the connection is made to the address that was judged, so a name that
resolves anew to something private changes nothing. Private and loopback addresses are reached only
through hosts that the settings name in `policy.allow_hosts`; metadata services never.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote, urljoin, urlsplit

from fairlead.retrieval.loaders.loaded import Malformed

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Host and port to addresses as text; raises `OSError`."""
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 2000
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f\\]")
_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMERIC: Final = re.compile(r"(?:0x[0-9a-f]*|\d+)")
_SAFE: Final = "/?#[]@!$&'()*+,;=:%~-._"


def _networks(text: str) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(each) for each in text.split())


_NEVER: Final = _networks(
    """
    0.0.0.0/8 169.254.0.0/16 168.63.129.16/32 100.100.100.200/32 192.0.0.0/24 224.0.0.0/4
    240.0.0.0/4 ::/128 ::ffff:0:0/96 ::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2002::/16
    fd00:ec2::/32 fe80::/10 fec0::/10 ff00::/8
    """
)
"""Nobody's, everybody's, metadata services, this link, and IPv6 forms that hide an IPv4 address."""
_INSIDE: Final = _networks(
    """
    10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
    192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 ::1/128 2001:db8::/32 3fff::/20 5f00::/16 fc00::/7
    """
)
"""Private, loopback, behind a carrier's NAT, for benchmarks and examples: only for named hosts."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A URL that may be asked for, in its parts; `path` has the query with it."""

    scheme: str
    host: str
    port: int
    path: str
    trusted: bool
    """Named in `policy.allow_hosts`: its address may be private."""

    @property
    def origin(self) -> str:
        """Scheme, host, and the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        """The whole, as it is stored."""
        return self.origin + self.path


def target(url: str, allow_hosts: Sequence[str]) -> Target:
    """The parts of a URL. Raises `Malformed` for what is not fetched, saying why."""
    if len(url) > _LONGEST:
        raise Malformed(f"is an address of more than {_LONGEST} characters")
    if _CONTROL.search(url):
        raise Malformed("is no address: it has spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Malformed("is no address that can be read") from None
    if parts.scheme.lower() not in PORTS:
        raise Malformed(f"has the scheme {parts.scheme!r}; only http and https are fetched")
    if "@" in parts.netloc:
        raise Malformed("carries a user name or password; addresses with one are not fetched")
    scheme = parts.scheme.lower()
    host = _host(host, bracketed="[" in parts.netloc)
    port = PORTS[scheme] if port is None else port
    named = {host, f"{host}:{port}"} if port in PORTS.values() else {f"{host}:{port}"}
    trusted = not named.isdisjoint(_plain(each) for each in allow_hosts)
    if port not in PORTS.values() and not trusted:
        raise Malformed(
            f"names the port {port}; only 80 and 443 are fetched, others where policy.allow_hosts"
            f" has '{host}:{port}'"
        )
    path = quote(parts.path or "/", safe=_SAFE)
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return Target(scheme=scheme, host=host, port=port, path=path + query, trusted=trusted)


def redirected(before: Target, location: str, allow_hosts: Sequence[str]) -> Target:
    """Where a redirect leads. Raises `Malformed` where it must not be followed."""
    after = target(urljoin(before.url, location.strip()), allow_hosts)
    if before.scheme == "https" and after.scheme == "http":
        raise Malformed(f"redirects from https to {after.url!r}, which is not protected")
    return after


def addresses(wanted: Target, resolve: Resolver) -> list[str]:
    """The addresses that may be connected to. Raises `Malformed` where none may."""
    try:
        found = list(dict.fromkeys(resolve(wanted.host, wanted.port)))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Malformed(f"the host {wanted.host!r} is not found: {reason}") from None
    good = [each for each in found if permitted(each, trusted=wanted.trusted)]
    if not good:
        where = f"{wanted.host!r} is at {found[0]}" if found else f"{wanted.host!r} has no address"
        raise Malformed(
            f"{where}, which is not public; to allow a host of your own network, name it in"
            " policy.allow_hosts"
        )
    return good


def permitted(address: str, *, trusted: bool) -> bool:
    """Whether a connection may be made to that address."""
    try:
        parsed: _Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if str(parsed) == "::1":
        return trusted
    if _within(parsed, _NEVER):
        return False
    if _within(parsed, _INSIDE):
        return trusted
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def resolved(host: str, port: int) -> list[str]:
    """What the system's resolver says, which has a time-out of its own."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def _within(address: _Address, networks: Sequence[_Network]) -> bool:
    return any(address.version == each.version and address in each for each in networks)


def _host(said: str, *, bracketed: bool) -> str:
    """A host in its one spelling. Raises `Malformed` for numbers that only some would read."""
    if bracketed:
        try:
            return str(ipaddress.IPv6Address(said))
        except ValueError:
            raise Malformed(f"names no host: {said!r}") from None
    try:
        name = said.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise Malformed(f"names no host: {said!r}") from None
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise Malformed(f"names no host: {said!r}")
    if _NUMERIC.fullmatch(name.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise Malformed(
                f"spells an address oddly: {said!r}; write it as four numbers"
            ) from None
    return name


def _plain(allowed: str) -> str:
    """An entry of `policy.allow_hosts` in the spelling that hosts have here."""
    return allowed.strip().lower().replace("[", "").replace("]", "").rstrip(".")
