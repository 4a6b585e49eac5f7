"""Bytes to text: UTF-8, or what a server or a page declares."""

import codecs
import re
from typing import Final

from fairlead.retrieval.loaders.loaded import Malformed

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_DECLARED: Final = re.compile(
    rb"<meta\s[^>]{0,400}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE
)
_HEAD: Final = 1024
"""Bytes in which a page has to declare its charset."""
_AS_BROWSERS_DO: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-16-le",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-sjis": "cp932",
}
"""A declared name often means its superset: the WHATWG encoding standard's reading."""
_KNOWN: Final = re.compile(
    r"utf-8|utf-16-[lb]e|cp(?:125[0-8]|866|874|932|949)|iso8859-(?:[2-8]|1[03-6])"
    r"|koi8-[ru]|gb18030|big5hkscs|euc_jp|iso2022_jp|mac-(?:roman|cyrillic)"
)
"""Python knows more, some of which are no charsets of documents (`utf-7`, `unicode_escape`)."""


def decoded(data: bytes, charset: str = "") -> str:
    """The text exactly as it stands, without a byte order mark. Raises `Malformed`.

    UTF-8 unless a server declared another `charset`.
    """
    if (mark := _byte_order(data)) and not charset:
        raise Malformed(f"is {mark} text; save it as UTF-8")
    if b"\0" in data and not charset:
        raise Malformed("is a binary file, or not in UTF-8 (it has NUL bytes)")
    codec = codec_of(charset) if charset else "utf-8"
    try:
        text = data.decode("utf-8-sig" if codec == "utf-8" else codec)
    except UnicodeDecodeError as error:
        if charset:
            raise Malformed(f"is not {charset!r}, as was declared (byte {error.start})") from None
        raise Malformed(f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if "\0" in text:
        raise Malformed("has NUL characters")
    return text.removeprefix("\ufeff")


def page_charset(data: bytes, charset: str) -> str:
    """What an HTML page is written in: its mark, else the server's word, else its own, else UTF-8.

    Raises `Malformed` for a name that nobody knows.
    """
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-le" if data.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    if charset:
        return codec_of(charset)
    found = _DECLARED.search(data[:_HEAD])
    codec = codec_of(found[1].decode("ascii")) if found else "utf-8"
    return "utf-8" if codec.startswith("utf-16") else codec  # it could not have been read so far


def codec_of(charset: str) -> str:
    """Python's codec for a charset's name. Raises `Malformed`."""
    said = charset.strip().strip("\"'").lower()
    try:
        name = codecs.lookup(_AS_BROWSERS_DO.get(said, said)).name
    except (LookupError, ValueError):
        raise Malformed(f"is in a charset that is not known: {charset!r}") from None
    name = _AS_BROWSERS_DO.get(name, name)
    if not _KNOWN.fullmatch(name):
        raise Malformed(f"is in a charset that is not read: {charset!r}; save it as UTF-8")
    return name


def _byte_order(data: bytes) -> str:
    return next((name for mark, name in _MARKS if data.startswith(mark)), "")
