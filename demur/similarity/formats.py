"""Which kind of picture a file is, by its first bytes alone, wherever else in the file another format may begin."""

import re

from demur.errors import DemurError


class PictureError(DemurError):
    """This picture has no fingerprint. The message is a sentence for the person who sent it."""


class NotAPicture(PictureError):
    """The bytes are no picture of any kind."""


class UnsupportedFormat(PictureError):
    """A picture, in a format that is not decoded."""


SUPPORTED = "JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC"
"""What people are asked for instead."""

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_REFUSED = {
    b"BM": "BMP pictures",
    b"8BPS": "Photoshop files",
    b"\0\0\1\0": "icons",
    b"icns": "icons",
    b"%PDF": "PDF documents",
    b"%!PS": "PostScript files",
    b"\xc5\xd0\xd3\xc6": "PostScript files",
    b"<svg": "SVG drawings",
    b"<?xml": "SVG drawings",
    b"\0\0\0\x0cjP  ": "JPEG 2000 pictures",
    b"\xff\x4f\xff\x51": "JPEG 2000 pictures",
    b"\0\0\0\x0cJXL ": "JPEG XL pictures",
    b"\xff\x0a": "JPEG XL pictures",
    b"\x76\x2f\x31\x01": "OpenEXR pictures",
    b"IIRO": "camera raw files",
    b"IIRS": "camera raw files",
    b"MMOR": "camera raw files",
    b"IIU\0": "camera raw files",
    b"II\x1a\0\0\0HEAPCCDR": "camera raw files",
    b"FUJIFILMCCD-RAW": "camera raw files",
    b"FOVb": "camera raw files",
    b"\0MRM": "camera raw files",
    b"II\xbc\x01": "JPEG XR pictures",
    b"qoif": "QOI pictures",
    b"DDS ": "DDS pictures",
    b"\x01\xda\0": "SGI pictures",
    b"\x01\xda\1": "SGI pictures",
    b"\x59\xa6\x6a\x95": "Sun raster pictures",
    b"gimp xcf": "GIMP files",
    b"#?RADIANCE": "Radiance pictures",
    b"#?RGBE": "Radiance pictures",
    b"#define ": "XBM pictures",
    b"/* XPM": "XPM pictures",
    b"SIMPLE  =": "FITS pictures",
    b"BPG\xfb": "BPG pictures",
    b"FLIF": "FLIF pictures",
    b"AT&TFORM": "DjVu documents",
    b"BLP1": "BLP pictures",
    b"BLP2": "BLP pictures",
    b"\xd7\xcd\xc6\x9a": "Windows metafiles",
    b"\x01\0\0\0\x6c\0\0\0": "Windows metafiles",
}
"""First bytes → what such files are called in a refusal."""
_TGA = re.compile(
    rb".(?:\x00[\x02\x03\x0a\x0b]\x00{5}|\x01[\x01\x09].{4}[\x0f\x10\x18\x20]).{8}[\x08\x0f\x10\x18\x20][\x00-\x3f]", re.DOTALL
)
"""Length of a note; no table of colours, or one; which kind; where the picture lies, and how large; bits of a pixel, and its corner."""
_REFUSED_BY_HEADER = (
    (re.compile(rb"P[1-7]\s+[\d#W]"), "Netpbm pictures"),
    (re.compile(rb"\x00\x00\x02\x00[^\x00]\x00", re.DOTALL), "icons"),  # cursors
    (re.compile(rb"\x0a[\x00\x02-\x05][\x00\x01][\x01\x02\x04\x08]"), "PCX pictures"),  # maker, version, packing, bits of a pixel
    (_TGA, "TGA pictures"),
)
"""The first bytes of kinds that have no fixed signature → what they are called. The last says least of itself."""
_REFUSED_BRANDS = {b"crx ": "camera raw files", b"jxl ": "JPEG XL pictures", b"jp2 ": "JPEG 2000 pictures"}


def format_of(data: bytes) -> str:
    """Pillow's name of the format, "HEIF" for HEIC. Raises NotAPicture, UnsupportedFormat."""
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _of_brands(data[8 : int.from_bytes(data[:4], "big")])
    for signature, name in _REFUSED.items():
        if data.startswith(signature):
            raise refused(name)
    for header, name in _REFUSED_BY_HEADER:
        if header.match(data):
            raise refused(name)
    raise NotAPicture("This file is not a picture.")


def _of_brands(brands: bytes) -> str:
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    if brands[:4] in _HEIF_BRANDS:
        return "HEIF"
    raise refused(_REFUSED_BRANDS.get(brands[:4], "videos and pictures of this kind"))


def refused(name: str) -> UnsupportedFormat:
    """`name`: what such files are called, in the plural."""
    return UnsupportedFormat(f"{name[0].upper()}{name[1:]} are not supported; please send {SUPPORTED}.")
