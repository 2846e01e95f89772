"""What files may hold: media types by the bytes that they begin with. What is told of a file is held against them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HEAD = 128
"""Bytes from the beginning that tell."""

Signature = tuple[tuple[int, bytes], ...]
"""Bytes at places, all of which are there."""


@dataclass(frozen=True, slots=True)
class FileType:
    """A media type with the extensions of its files, the usual one first. One without signatures is text; one that is
    not `usual` is taken only where an installation names it.
    """

    media_type: str
    extensions: tuple[str, ...]
    signatures: tuple[Signature, ...] = ()
    usual: bool = True

    def fits(self, head: bytes) -> bool:
        """Whether a file that begins so may be of this type."""
        if self.signatures:
            return any(all(head.startswith(part, at) for at, part in each) for each in self.signatures)
        return not any(other.signatures and other.fits(head) for other in TYPES.values())


def _starts(*beginnings: bytes) -> tuple[Signature, ...]:
    return tuple(((0, beginning),) for beginning in beginnings)


def _media(*brands: bytes) -> tuple[Signature, ...]:
    """Files of the ISO base media format (ISO/IEC 14496-12) by their major brand."""
    return tuple(((4, b"ftyp" + brand),) for brand in brands)


def _zipped(*entries: bytes) -> tuple[Signature, ...]:
    """ZIP archives (APPNOTE 4.3.7) by the name of their first entry."""
    return tuple(((0, b"PK\x03\x04"), (30, entry)) for entry in entries)


_PARTS = (b"[Content_Types].xml", b"_rels/", b"docProps/")
_COMPOUND = _starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."

TYPES: Mapping[str, FileType] = {
    each.media_type: each
    for each in (
        FileType("application/pdf", (".pdf",), _starts(b"%PDF-")),
        FileType("image/png", (".png",), _starts(b"\x89PNG\r\n\x1a\n")),
        FileType("image/jpeg", (".jpg", ".jpeg"), _starts(b"\xff\xd8\xff")),
        FileType("image/gif", (".gif",), _starts(b"GIF87a", b"GIF89a")),
        FileType("image/webp", (".webp",), (((0, b"RIFF"), (8, b"WEBP")),)),
        FileType("image/heic", (".heic", ".heif"), _media(b"heic", b"heix", b"mif1", b"msf1")),
        FileType("image/tiff", (".tif", ".tiff"), _starts(b"II*\x00", b"MM\x00*")),
        FileType(f"{_OFFICE}wordprocessingml.document", (".docx",), _zipped(*_PARTS, b"word/")),
        FileType(f"{_OFFICE}spreadsheetml.sheet", (".xlsx",), _zipped(*_PARTS, b"xl/")),
        FileType(f"{_OFFICE}presentationml.presentation", (".pptx",), _zipped(*_PARTS, b"ppt/")),
        FileType(f"{_OPEN}text", (".odt",), _zipped(b"mimetype" + _OPEN.encode() + b"text")),
        FileType(f"{_OPEN}spreadsheet", (".ods",), _zipped(b"mimetype" + _OPEN.encode() + b"spreadsheet")),
        FileType("application/msword", (".doc",), _COMPOUND),
        FileType("application/vnd.ms-excel", (".xls",), _COMPOUND),
        FileType("application/vnd.ms-powerpoint", (".ppt",), _COMPOUND),
        FileType("application/vnd.ms-outlook", (".msg",), _COMPOUND),
        FileType("audio/mpeg", (".mp3",), _starts(b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")),
        FileType("audio/wav", (".wav",), (((0, b"RIFF"), (8, b"WAVE")),)),
        FileType("audio/ogg", (".ogg", ".oga", ".opus"), _starts(b"OggS")),
        FileType("audio/mp4", (".m4a",), _media(b"M4A ", b"mp42", b"isom")),
        FileType("audio/amr", (".amr",), _starts(b"#!AMR")),
        FileType(
            "video/mp4", (".mp4",), _media(b"isom", b"iso2", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ")
        ),
        FileType("video/quicktime", (".mov",), _media(b"qt  ")),
        FileType("video/webm", (".webm",), _starts(b"\x1a\x45\xdf\xa3")),
        FileType("text/plain", (".txt", ".log", ".md")),
        FileType("text/csv", (".csv",)),
        FileType("message/rfc822", (".eml",)),
        FileType("application/zip", (".zip",), _starts(b"PK\x03\x04", b"PK\x05\x06"), usual=False),
    )
}
"""Every type that is known. Those that a browser runs (HTML, SVG, XML) are left out on purpose."""


def types_taken(named: Iterable[str]) -> Mapping[str, FileType]:
    """The types that are taken: those that are named, or all usual ones. Raises ValueError for one that is unknown."""
    wanted = tuple(named)
    unknown = [media_type for media_type in wanted if media_type not in TYPES]
    if unknown:
        raise ValueError(f"CRM_GRAPH_FILE_TYPES: {unknown[0]} is not known; there are: {', '.join(TYPES)}")
    return {name: each for name, each in TYPES.items() if (name in wanted if wanted else each.usual)}
