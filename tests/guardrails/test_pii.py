"""Personal data: what is found, what is left alone, and what must hold for every text."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import InputError
from fairlead.guardrails import find_pii, masked
from fairlead.guardrails.pii import DEFAULT
from fairlead.schema import Personal

ALL: tuple[Personal, ...] = (*DEFAULT, "url")


def values(text: str, entity: Personal) -> list[str]:
    return [text[found.start : found.end] for found in find_pii(text, [entity])]


FOUND: list[tuple[Personal, str]] = [
    ("email", "jane.doe@acme.co.uk"),
    ("email", "o'brien+news@mail.acme.museum"),
    ("email", "JANE_DOE@ACME.COM"),
    ("email", "jürgen@müller-söhne.de"),
    ("email", "x@xn--mller-kva.xn--p1ai"),
    ("card", "4111111111111111"),
    ("card", "4111 1111 1111 1111"),
    ("card", "4111-1111-1111-1111"),
    ("card", "4111\u00a01111\u00a01111\u00a01111"),
    ("card", "3782 822463 10005"),
    ("card", "3056 930902 5904"),
    ("card", "6759649826438453"),
    ("card", "4000056655665556"),
    ("card", "2223003122003222"),
    ("card", "6200000000000005"),
    ("iban", "DE89370400440532013000"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "gb82west12345698765432"),
    ("iban", "FR14-2004-1010-0505-0001-3M02-606"),
    ("iban", "NO93 8601 1117 947"),
    ("iban", "MT84MALT011000012345MTLCAST001S"),
    ("ip", "86.121.97.248"),
    ("ip", "192.168.17.4"),
    ("ip", "10.0.0.5"),
    ("ip", "2a02:908:4b60:20a0:0:0:1f:2e9c"),
    ("ip", "2A02:908::1F:2E9C"),
    ("ip", "fe80::1ff:fe23:4567:890a%eth0"),
    ("ip", "fd12:3456:789a::17"),
    ("ip", "6e40:4041:c617:e898:c11:40d2:c669:2eb4"),
    ("ip", "::ffff:86.121.97.248"),
    ("ip", "64:ff9b:1:2:3:4:86.121.97.248"),
    ("ssn", "460-89-9847"),
    ("phone", "+49 30 901820"),
    ("phone", "+49 (0)30 90182-0"),
    ("phone", "+4930901820"),
    ("phone", "+1 (415) 867-5309"),
    ("phone", "+44 20 7183 8750 ext. 12"),
    ("phone", "0049 30 901820"),
    ("phone", "001-415-867-5309"),
    ("phone", "011 44 20 7183 8750"),
    ("phone", "415-867-5309"),
    ("phone", "(415) 867-5309"),
    ("phone", "415.867.5309x123"),
    ("phone", "1-800-867-5309"),
    ("phone", "415 867 5309"),
    ("phone", "030 901820-17"),
    ("phone", "030/9018217"),
    ("phone", "(0341) 8387176"),
    ("phone", "06 12 34 56 78"),
    ("phone", "01.84.17.61.18"),
    ("phone", "07911 123456"),
    ("phone", "020 7183 8750"),
    ("phone", "03-3224-9999"),
    ("url", "https://acme.com/a_(b)?q=1#c"),
    ("url", "http://86.121.97.248:8080/x"),
    ("url", "ftp://jane@files.acme.com"),
    ("url", "www.acme.com"),
]


@pytest.mark.parametrize(("entity", "value"), FOUND)
@pytest.mark.parametrize("frame", ["{}", "see {}.", "({})", "a: “{}”, b", "[{}](x)", "é\n{}\n"])
def test_is_found_whole(entity: Personal, value: str, frame: str) -> None:
    text = frame.replace("{}", value)
    assert values(text, entity) == [value]
    assert masked(text, find_pii(text, [entity])) == frame.replace("{}", f"[{entity}]")


@pytest.mark.parametrize(
    ("entity", "text", "value"),
    [
        ("email", "mailto:jane@acme.com?subject=x", "jane@acme.com"),
        ("email", "'jane@acme.com'", "jane@acme.com"),
        ("email", "https://acme.com/?mail=jane@acme.com", "jane@acme.com"),
        ("card", "card 4111 1111 1111 1111 12/29 123", "4111 1111 1111 1111"),
        ("card", "2024 4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("card", "credit card no. 4000000000006", "4000000000006"),  # a good GTIN, too
        ("ip", "http://86.121.97.248/", "86.121.97.248"),
        ("ip", "86.121.97.248:443", "86.121.97.248"),
        ("ip", "86.121.97.248/24", "86.121.97.248"),
        ("ip", "86.121.97.248-86.121.97.250", "86.121.97.248"),
        ("ip", "[2a02:908::17]:443", "2a02:908::17"),
        ("ip", "to 2a02:908::17: unreachable", "2a02:908::17"),
        ("ip", "DNS server 8.8.4.4", "8.8.4.4"),
        ("ip", "1.1.1.1:53", "1.1.1.1"),
        ("ssn", "SSN: 460 89 9847", "460 89 9847"),
        ("ssn", "460899847 (social security number)", "460899847"),
        ("phone", "tel:+4930901820", "+4930901820"),
        ("phone", "Phone: 450 0840", "450 0840"),
        ("phone", "Phone:\n  60-56-85-91", "60-56-85-91"),
        ("phone", '"phone": "4508840"', "4508840"),
        ("phone", "Handy: 0171/1234567", "0171/1234567"),
        ("phone", "Tél. 12 34 56 78", "12 34 56 78"),
        ("phone", "Móvil: 612 34 56 78", "612 34 56 78"),
        ("phone", "電話 3224 9999", "3224 9999"),
        ("phone", "Тел. 8 (912) 345-67-89", "8 (912) 345-67-89"),
        ("phone", "please call me on 9472 7916", "9472 7916"),
        ("phone", "no answering at 78 651 450.", "78 651 450"),
        ("phone", "call 33 93 31", "33 93 31"),
        ("phone", "25 833387 office\n", "25 833387"),
        ("phone", "2813882583 mobile", "2813882583"),
        ("phone", "+49 30 1234567 47110815", "+49 30 1234567"),
        ("url", "(see http://acme.com/x)", "http://acme.com/x"),
        ("url", "at www.acme.com!", "www.acme.com"),
    ],
)
def test_is_found_within(entity: Personal, text: str, value: str) -> None:
    assert values(text, entity)[:1] == [value]


def test_two_numbers_after_one_word() -> None:
    assert values("Phone: 450 0840 or 450 0841", "phone") == ["450 0840", "450 0841"]


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("email", "icon@2x.png getty@tty1.service user@host a@b @app.route x@1.2.3"),
        ("email", "git@github.com:acme/tool.git https://jane:pw@acme.com/ https://a.com/x/y@b.com"),
        ("email", "a" * 65 + "@acme.com ---@acme.com x@" + "a." * 130 + "com"),
        ("card", "4111111111111112 4111 1111 1111 1112 1234567812345670"),
        ("card", "41111111111111111111 x4111111111111111 4111111111111111.5"),
        ("card", "637020702607132640 4000000000006 6334 26500 19169 4111 1111 11111111111"),
        ("iban", "DE89370400440532013001 DE8937040044053201300 XX89370400440532013000"),
        ("iban", "DE893704004405320130001 DE89 37040 0440 5320 1300 0 DE12 words like these"),
        ("ip", "127.0.0.1 0.0.0.0 255.255.255.0 224.0.0.251 169.254.169.254 86.121.97.0"),
        ("ip", "300.1.2.3 86.121.97 86.121.97.248.5 tool-86.121.97.248 86.121.97.248-beta"),
        ("ip", "version 86.121.97.248"),
        ("ip", "ModuleVersion = '86.121.97.248'"),
        ("ip", "v86.121.97.248 5.1.2.3 upgrade from 2.4.10.3 to 3.0.1.2"),
        ("ip", ":: ::1 ff02::1 2a02:908:: A::B std::vector fe::ed 12:34:56 DB8::BEEF"),
        ("ip", "00:11:22:33:44:55:66:77 00:1A:2B:3C:4D:5E 1:2:3:4:5:6:7:8:9 x:2a02:908::17"),
        ("ip", "2a02:908::17::3 ::ffff:127.0.0.1 2a02:908::17:g"),
        ("ssn", "000-12-3456 666-12-3456 900-12-3456 460-00-9847 460-89-0000 460899847"),
        ("ssn", "460-89 9847 460 89 9847 1460-89-9847 460-89-9847-1"),
        ("phone", "2024-01-15 10:30:00 15.01.2024 01/02/2024 01-02-2024 12:30 1999-2004"),
        ("phone", "call 1.234.567 times, call 1 000 000 times, call 2010-2015, call it 42"),
        ("phone", "phone 3.141592 phone 12345 call 1234567 see call-site-of-pep-3102/31677"),
        ("phone", "C++ +2147483647 +32767.99998474 i = 2000000000 + 2000000000 1e+100000000"),
        ("phone", "00 61 00 73 00 73 00 77 ff 06 12 34 56 78 00380020 00000000 00000000"),
        ("phone", "640 480 1024 768 905 674 3793 12 112 113 1134 012.345.6789"),
        ("phone", "550e8400-e29b-41d4-a716-446655440000 978-3-16-148410-0 02134-1234 012-34-5678"),
        ("phone", "1.2.3.4.5.6.7.8 03 00000000 0123456 0 123 456 789 0.123456789 01.23456789"),
        ("phone", "at 04 00000000; 02134-1234; code 0123/456"),
        ("phone", "+999 123 4567 8 x415-867-5309 415-867-5309-1 +12 34"),
        ("url", "http:// www. acme.com readme.md file:///etc ://x.y http://..."),
    ],
)
def test_is_left_alone(entity: Personal, text: str) -> None:
    assert values(text, entity) == []


@pytest.mark.parametrize(
    ("entity", "text", "certainty"),
    [
        ("email", "jane@acme.com", "certain"),
        ("email", "jane@mail.example.com jane@acme.test jane@contoso.com", "example"),
        ("ip", "192.0.2.7 198.51.100.7 203.0.113.7 2001:db8::7", "example"),
        ("phone", "+1 212-555-0143, (212) 555-0143, 07700 900123, +44 20 7946 0123", "example"),
        ("phone", "Phone: 450 0840", "certain"),
        ("phone", "415-867-5309, 030 901820, call 450 0840", "likely"),
        ("ssn", "460-89-9847", "likely"),
        ("ssn", "my SSN is 460-89-9847", "certain"),
        ("url", "http://localhost:8080 https://example.org/x", "example"),
    ],
)
def test_says_how_certain_it_is(entity: Personal, text: str, certainty: str) -> None:
    assert {found.certainty for found in find_pii(text, [entity])} == {certainty}


def test_only_what_is_asked_for_is_looked_for() -> None:
    text = "jane@acme.com, https://acme.com, +49 30 901820"
    assert [found.entity for found in find_pii(text)] == ["email", "phone"]
    assert [found.entity for found in find_pii(text, ["url"])] == ["url"]
    assert find_pii(text, []) == ()
    with pytest.raises(InputError, match="'name'"):
        find_pii(text, ["name"])  # type: ignore[list-item]  # what a settings file may hold


def test_what_overlaps_becomes_one() -> None:
    text = "write to 415-867-5309@acme.com now"
    (found,) = find_pii(text)
    assert (found.entity, text[found.start : found.end]) == ("email", "415-867-5309@acme.com")


PIECES = st.sampled_from(
    [value for _, value in FOUND]
    + [
        "[email]",
        "[phone]",
        "[ip]",
        "[card]",
        "phone",
        "call",
        "ssn",
        "card",
        "ip",
        "version",
        "or",
    ]
    + [*" \n-./:@[]()+0123456789ax", "é", "\u200b", "\ud800", "😀", "00", "1.2.3.4", "12"]
)
HOSTILE = st.lists(PIECES, max_size=14).map("".join) | st.text()


@given(HOSTILE)
def test_masked_text_holds_nothing_to_be_found(text: str) -> None:
    found = find_pii(text, ALL)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    once = masked(text, found)
    assert find_pii(once, ALL) == ()


@given(st.sampled_from(FOUND), st.text("xyz é😀\n", max_size=60), st.text("xyz é😀\n", max_size=60))
def test_other_text_around_changes_nothing(
    one: tuple[Personal, str], before: str, after: str
) -> None:
    entity, value = one
    text = f"{before}\n{value}\n{after}"
    start = len(before) + 1
    assert [(f.start, f.end) for f in find_pii(text, [entity])] == [(start, start + len(value))]
    assert value not in masked(text, find_pii(text, [entity]))


def cost(text: str) -> float:
    """Seconds of processor time, the least of two."""
    seconds = []
    for _ in range(2):
        begun = time.process_time()
        find_pii(text, ALL)
        seconds.append(time.process_time() - begun)
    return min(seconds)


HEAVY = ["a@", "a@b.c", "1", "1 ", "12-", "4111 ", "call 12 34 56 7 ", "phone ", "+49 30 12", "::"]
HEAVIER = [
    "f:",
    "1.2.3.",
    "http://",
    "http://a))",
    "[[",
    "DE89 3704 ",
    "0 1",
    "é@",
    "00 1",
    "\ud800",
]


@pytest.mark.parametrize("piece", HEAVY + HEAVIER)
def test_time_grows_as_the_text_does(piece: str) -> None:
    find_pii(piece)
    short, long = (cost(piece * (size // len(piece))) for size in (4_000, 32_000))
    assert long < 24 * short + 0.02  # eight times the text; sixty-four times were it quadratic
