import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.web.addresses import addresses, permitted, redirected, resolved, target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTP://Example.COM.:80/A%20b?q=ü#part", "http://example.com/A%20b?q=%C3%BC"),
        ("https://example.com:443/", "https://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("http://例え.jp/ü", "http://xn--r8jz45g.jp/%C3%BC"),
        ("http://８.８.８.８/", "http://8.8.8.8/"),
        ("http://[2606:4700::1111]:443/", "http://[2606:4700::1111]:443/"),
    ],
)
def test_a_url_in_its_one_spelling(url: str, expected: str) -> None:
    assert target(url, ()).url == expected
    assert target(expected, ()).url == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", "has the scheme 'ftp'"),
        ("file:///etc/passwd", "has the scheme 'file'"),
        ("gopher://example.com/", "has the scheme 'gopher'"),
        ("http://user@example.com/", "carries a user name"),
        ("http://example.com@127.0.0.1/", "carries a user name"),
        ("http://example.com:8080/", "policy.allow_hosts has 'example.com:8080'"),
        ("http://example.com:22/", "names the port 22"),
        ("http://example.com:99999/", "no address that can be read"),
        ("http://example.com:x/", "no address that can be read"),
        ("http://[::1/", "no address that can be read"),
        ("http:///path", "names no host"),
        ("http://a..b/", "names no host"),
        ("http://-a.b/", "names no host"),
        ("http://a%2eb/", "names no host"),
        ("http://x\\@127.0.0.1/", "backslashes"),
        ("http://a b/", "spaces"),
        ("http://a\tb/", "control characters"),
        ("http://a/\n", "control characters"),
        ("http://0177.0.0.1/", "spells an address oddly"),
        ("http://0x7f.0.0.1/", "spells an address oddly"),
        ("http://0x7f000001/", "spells an address oddly"),
        ("http://2130706433/", "spells an address oddly"),
        ("http://127.1/", "spells an address oddly"),
        ("http://1.2.3.4.5/", "spells an address oddly"),
        ("http://127.0.0.0x1/", "spells an address oddly"),
        ("http://[v1.x]/", "names no host"),
        ("http://a/" + "x" * 2000, "more than 2000 characters"),
    ],
)
def test_urls_that_are_not_fetched_say_why(url: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        target(url, ())


def test_allowed_hosts_may_be_private_and_on_their_port() -> None:
    allowed = ("wiki.local", "10.0.0.5:8080", "[::1]:9000")
    assert target("http://wiki.local/", allowed).trusted
    assert target("http://10.0.0.5:8080/", allowed).trusted
    assert target("http://[::1]:9000/", allowed).trusted
    assert not target("http://10.0.0.5/", allowed).trusted
    assert not target("http://sub.wiki.local/", allowed).trusted
    with pytest.raises(Malformed, match="names the port 8080"):
        target("http://wiki.local:8080/", allowed)


PUBLIC = "8.8.8.8 1.1.1.1 93.184.216.34 2606:4700::1111 2a00:1450:4001::1".split()
INSIDE = (
    "127.0.0.1 127.8.8.8 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1"
    " 192.0.2.1 203.0.113.1 ::1 fc00::1 fd12::1 2001:db8::1"
).split()
NEVER = (
    "0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 100.100.100.200 168.63.129.16 192.0.0.192"
    " 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 :: fe80::1 fe80::1%eth0 fec0::1 ff02::1"
    " fd00:ec2::254 ::ffff:8.8.8.8 ::ffff:127.0.0.1 ::127.0.0.1 2002:7f00:1:: 64:ff9b::7f00:1"
    " 64:ff9b:1::7f00:1 2001:0:4136:e378::1 100::1 nonsense"
).split()


@pytest.mark.parametrize("address", [*PUBLIC, *INSIDE, *NEVER])
def test_which_addresses_may_be_connected_to(address: str) -> None:
    assert permitted(address, trusted=False) == (address in PUBLIC)
    assert permitted(address, trusted=True) == (address not in NEVER)


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_permitted(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if permitted(str(address), trusted=False):
        assert address.is_global and not address.is_multicast and not address.is_reserved


def test_only_the_good_ones_of_several_addresses_are_kept() -> None:
    wanted = target("http://example.com/", ())

    def mixed(host: str, port: int) -> list[str]:
        assert (host, port) == ("example.com", 80)
        return ["127.0.0.1", "8.8.8.8", "64:ff9b::808:808", "8.8.8.8"]

    assert addresses(wanted, mixed) == ["8.8.8.8"]
    with pytest.raises(Malformed, match=r"'example.com' is at 10\.0\.0\.1, which is not public"):
        addresses(wanted, lambda host, port: ["10.0.0.1"])
    with pytest.raises(Malformed, match="has no address"):
        addresses(wanted, lambda host, port: [])


def test_a_host_that_is_not_found_is_said() -> None:
    def none(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(Malformed, match="is not found: Name or service not known"):
        addresses(target("http://nonesuch.example/", ()), none)
    assert resolved("127.0.0.1", 80) == ["127.0.0.1"]


def test_where_redirects_may_lead() -> None:
    before = target("https://example.com/a/b", ())
    assert redirected(before, "../c", ()).url == "https://example.com/c"
    assert redirected(before, " //other.example/ ", ()).url == "https://other.example/"
    plain = target("http://example.com/", ())
    assert redirected(plain, "https://example.com/", ()).scheme == "https"
    for location, reason in (
        ("http://example.com/", "redirects from https to 'http://example.com/'"),
        ("file:///etc/passwd", "has the scheme 'file'"),
        ("gopher://x/", "has the scheme 'gopher'"),
        ("https://127.1/", "oddly"),
        ("https://x:8443/", "names the port 8443"),
    ):
        with pytest.raises(Malformed, match=reason):
            redirected(before, location, ())
