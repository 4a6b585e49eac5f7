"""PDF files made of content streams."""

import io
from collections.abc import Callable, Mapping, Sequence

import pytest
from pypdf import PdfWriter
from pypdf.generic import (
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
)


def writer_of(pages: Sequence[str], forms: Mapping[str, str] | None = None) -> PdfWriter:
    """One page per content stream, with the fonts /F1 and a picture /Im1; `forms` by name."""
    writer = PdfWriter()
    font = writer._add_object(
        DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
                NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
            }
        )
    )
    fonts = DictionaryObject({NameObject("/F1"): font})
    objects = DictionaryObject({NameObject("/Im1"): writer._add_object(_picture())})
    resources = DictionaryObject({NameObject("/Font"): fonts, NameObject("/XObject"): objects})
    for name, content in (forms or {}).items():
        form = _stream(content)
        form[NameObject("/Type")] = NameObject("/XObject")
        form[NameObject("/Subtype")] = NameObject("/Form")
        form[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        objects[NameObject(f"/{name}")] = writer._add_object(form)
    for content in pages:
        page = writer.add_blank_page(600, 800)
        page[NameObject("/Resources")] = resources
        page[NameObject("/Contents")] = writer._add_object(_stream(content))
    return writer


def saved(writer: PdfWriter) -> bytes:
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


@pytest.fixture
def paper() -> Callable[..., bytes]:
    """Makes a file of content streams, one per page."""

    def make(*pages: str, forms: Mapping[str, str] | None = None) -> bytes:
        return saved(writer_of(pages, forms))

    return make


@pytest.fixture
def writer() -> Callable[..., PdfWriter]:
    """The same, still open: for what is set on the whole file."""
    return writer_of


@pytest.fixture
def shown() -> Callable[..., str]:
    """Operators that show lines one below the other."""

    def make(*lines: str, size: int = 10, top: float = 700, before: str = "") -> str:
        return "".join(
            f"BT {before} /F1 {size} Tf 1 0 0 1 50 {top - at * 1.2 * size} Tm ({line}) Tj ET\n"
            for at, line in enumerate(lines)
        )

    return make


def _stream(content: str) -> DecodedStreamObject:
    stream = DecodedStreamObject()
    stream.set_data(content.encode("latin-1"))
    return stream


def _picture() -> DecodedStreamObject:
    picture = DecodedStreamObject()
    picture.set_data(b"\x80")
    picture.update(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Image"),
            NameObject("/Width"): NumberObject(1),
            NameObject("/Height"): NumberObject(1),
            NameObject("/ColorSpace"): NameObject("/DeviceGray"),
            NameObject("/BitsPerComponent"): NumberObject(8),
        }
    )
    return picture
