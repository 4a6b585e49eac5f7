"""Names and addresses of the network: e-mail addresses, IP addresses, URLs.

Each check is given a place where one may stand and says what stands there. What a standard sets
aside for documentation (example.com and .test of RFC 2606, 192.0.2.0/24 and its kin of RFC 5737,
2001:db8::/32 of RFC 3849), and the companies that Microsoft's manuals invent, are examples.
"""

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from fairlead.guardrails.patterns import compiled
from fairlead.guardrails.sensitive import Certainty, Sensitive
from fairlead.guardrails.surroundings import beside, follows, free

_LETTER: Final = r"a-z0-9\x{c0}-\x{24f}"
EMAIL: Final = (
    rf"(?i)[{_LETTER}_.%+&'\-]+@(?:[{_LETTER}](?:[{_LETTER}\-]*[{_LETTER}])?\.)+"
    r"(?:xn--[a-z0-9\-]{2,59}|[a-z]{2,24})\b"
)
IPV4: Final = r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b"
_TAIL: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
IPV6: Final = (
    rf"(?i)(?:\b(?:[0-9a-f]{{1,4}}:){{6}}(?:[0-9a-f]{{1,4}}:[0-9a-f]{{1,4}}|{_TAIL})"
    rf"|\b(?:[23][0-9a-f]|f[cde])[0-9a-f]{{2}}:[0-9a-f:]{{2,34}}(?:{_TAIL})?|::(?:ffff:)?{_TAIL})"
    r"(?:%[0-9a-z]{1,16})?"
)
URL: Final = (
    r"(?i)(?:\b(?:https?|ftps?)://(?:\[[0-9a-f:.]+\])?|\bwww\.)"
    r"[^\s<>\"'`{}|\\^\[\]“”„‘’«»\x{3000}-\x{3011}\x{ff08}-\x{ff0f}]*"
)

_EXAMPLE_NAMES: Final = frozenset(
    "example.com example.net example.org example.edu contoso.com fabrikam.com".split()
)
_EXAMPLE_TOPS: Final = frozenset("example test invalid localhost".split())
_EXAMPLES: Final = tuple(map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
_EXAMPLES6: Final = tuple(map(IPv6Network, ("2001:db8::/32", "3fff::/20")))
_IN_USE: Final = tuple(map(IPv6Network, ("2000::/3", "fc00::/7", "fe80::/10")))
_HOST: Final = r"(?i)^(?:[a-z]+://(?:[^/@?#]*@)?|www\.)(\[[0-9a-f:.]+\]|[^/:?#]+)"
_FILES: Final = frozenset(
    "png jpg jpeg gif svg webp pdf js css html service socket timer target mount".split()
)
_IP_WORDS: Final = (
    r"(?i)(?:^|[^a-z\[])(?:ips?|ipv4|addr|address(?:es)?|hosts?|nameservers?|resolvers?|gateways?"
    r"|routers?|dns|ping|subnet)\b"
)
_NO_IP_WORDS: Final = (
    r"(?i)(?:\b(?:ver|v)|versions?|releases?|builds?|revisions?|firmware|\bdriver|\bsections?"
    r"|\bchapters?|\bclauses?|§)(?:[^\w\n]|is|to|of|from|number){0,12}$"
)


def emails(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """`text[start:end]`, which has the form of an e-mail address, where it is one.

    Not: longer than mail allows, a part of a path in a URL, `git@host:` of a repository, a name
    of a file or unit such as `icon@2x.png`.
    """
    while text[start] in "-.'&%+":
        start += 1
    local, _, domain = text[start:end].rpartition("@")
    ends = domain.lower().rpartition(".")[2]
    if not 0 < len(local) <= 64 or len(domain) > 253 or ends in _FILES:
        return
    if (local == "git" and text[end : end + 1] in (":", "/")) or _in_path(text, start):
        return
    yield Sensitive(entity="email", start=start, end=end, certainty=_name_certainty(domain))


def _in_path(text: str, start: int) -> bool:
    before = text[max(0, start - 200) : start]
    word = before.split()[-1] if before and not before[-1].isspace() else ""
    return "://" in word and word[-1] in "/:@"


def addresses(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """`text[start:end]`, four numbers with dots, where it is the address of a host.

    Not: what `_is_host` excludes, and version and section numbers: those follow a word for such, or
    all four numbers are small and nothing beside speaks of addresses.
    """
    if not free(text, start, end, ".") or _hyphenated(text, start, end):
        return
    try:
        address = IPv4Address(text[start:end])
    except AddressValueError:
        return
    if not _is_host(address) or follows(text, start, _NO_IP_WORDS):
        return
    small = address.packed[0] != 10 and max(address.packed) < 64
    if small and text[end : end + 1] not in (":", "/") and not beside(text, start, end, _IP_WORDS):
        return
    example = any(address in network for network in _EXAMPLES)
    yield Sensitive(
        entity="ip", start=start, end=end, certainty="example" if example else "certain"
    )


def _is_host(address: IPv4Address) -> bool:
    """Whether it may be one machine's. Not: loopback, unspecified, multicast and link-local
    addresses, masks and networks (ending in 0 or 255). Private ones may: they name a device."""
    first, *_, last = address.packed
    return first not in (0, 127) and first < 224 and 0 < last < 255 and not address.is_link_local


def addresses6(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """`text[start:end]`, hexadecimal digits and colons, where it is the IPv6 address of a host.

    Eight groups or fewer with `::`, a zone and an IPv4 tail included. Not: loopback, unspecified
    and multicast addresses; a short form outside of the ranges in use (`A::B` is code) or of a
    network (`2001:db8::`); eight pairs of digits (a hardware address).
    """
    if text[end - 1] == ":" and text[end - 2] != ":":
        end -= 1
    if not free(text, start, end, ".") or ":" in text[start - 1 : start]:
        return
    after = text[end : end + 2]
    if after[:1] == ":" and (after[1:].isalnum() or after[1:] == "["):
        return
    written = text[start:end]
    try:
        address = IPv6Address(written)
    except AddressValueError:
        return
    if _is_host6(address, written):
        example = any(address in network for network in _EXAMPLES6)
        yield Sensitive(
            entity="ip", start=start, end=end, certainty="example" if example else "certain"
        )


def _is_host6(address: IPv6Address, written: str) -> bool:
    if address.ipv4_mapped:
        return _is_host(address.ipv4_mapped)
    if address.is_loopback or address.is_unspecified or address.is_multicast or written[-1] == ":":
        return False
    if "::" in written:
        return any(address in network for network in _IN_USE)
    return max(map(len, written.split(":"))) > 2


def urls(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """`text[start:end]` less what ends a sentence or closes a bracket that stands around it."""
    excess = text.count(")", start, end) - text.count("(", start, end)
    while text[end - 1] in ".,;:!?*_~" or (text[end - 1] == ")" and excess > 0):
        excess -= text[end - 1] == ")"
        end -= 1
    host = compiled(_HOST).search(text[start:end])
    if host:
        yield Sensitive(
            entity="url", start=start, end=end, certainty=_name_certainty(host.group(1))
        )


def _name_certainty(host: str) -> Certainty:
    labels = host.lower().rstrip(".").split(".")
    example = labels[-1] in _EXAMPLE_TOPS or ".".join(labels[-2:]) in _EXAMPLE_NAMES
    return "example" if example else "certain"


def _hyphenated(text: str, start: int, end: int) -> bool:
    """Whether it is part of a name such as `tool-1.2.3.4` or `1.2.3.4-beta`."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return (before[1:] == "-" and before[0].isalpha()) or (after[:1] == "-" and after[1:].isalpha())
