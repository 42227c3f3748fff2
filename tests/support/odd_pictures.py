"""Files that every browser shows and a strict decoder stumbles on, each beside the file that shows the same."""

import io
import random
import struct
import zlib

from PIL import Image

from tests.support.pictures import jpeg, png, textured_picture

PHOTO = textured_picture(seed=5, width=800, height=600)
PNG, JPEG = png(PHOTO), jpeg(PHOTO)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def chunk(kind: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    """A PNG's chunk, with its own checksum or a wrong one."""
    right = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", right)


def with_chunks(*chunks: bytes) -> bytes:
    """PNG with these chunks behind its header."""
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def with_app13(length: int, body: bytes) -> bytes:
    return JPEG[:2] + b"\xff\xed" + struct.pack(">H", length) + body + JPEG[2:]


PROFILE = random.Random(1).randbytes(1_500_000)
WEBP = encoded(PHOTO, "WEBP", lossless=True)
PROGRESSIVE = encoded(PHOTO, "JPEG", progressive=True)
PHOTOSHOP = b"Photoshop 3.0\x008BIM\x04\x04"

ODD: dict[str, tuple[bytes, bytes]] = {
    "PNG whose EXIF points past its end": (with_chunks(chunk(b"eXIf", b"II*\0\xff\xff\xff\x7f")), PNG),
    "PNG whose EXIF is no EXIF": (with_chunks(chunk(b"eXIf", b"garbage")), PNG),
    "WebP whose EXIF points past its end": (encoded(PHOTO, "WEBP", lossless=True, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"), WEBP),
    "WebP whose EXIF is no EXIF": (encoded(PHOTO, "WEBP", lossless=True, exif=b"garbage"), WEBP),
    "PNG with a wrong checksum of a text": (with_chunks(chunk(b"tEXt", b"Comment\0one bit off", checksum=1)), PNG),
    "PNG with a wrong checksum of its time": (with_chunks(chunk(b"tIME", b"\x07\xea\x01\x01\x01\x01\x01", checksum=1)), PNG),
    "PNG with 3 MB of iTXt": (with_chunks(chunk(b"iTXt", b"XML\0\0\0\0\0" + b"x" * 3_000_000)), PNG),
    "PNG with 3 MB of zTXt": (with_chunks(chunk(b"zTXt", b"XML\0\0" + zlib.compress(b"x" * 3_000_000))), PNG),
    "PNG with 72 MB of zTXt in parts": (with_chunks(*[chunk(b"zTXt", b"XML\0\0" + zlib.compress(b"x" * 900_000))] * 80), PNG),
    "PNG with 1.5 MB of ICC profile": (with_chunks(chunk(b"iCCP", b"long\0\0" + zlib.compress(PROFILE))), PNG),
    "JPEG with an APP13 whose resource is too long": (with_app13(60, PHOTOSHOP + b"\0\0\0\x01\0\0" + bytes(34)), JPEG),
    "JPEG with an APP13 whose resource is cut": (with_app13(30, PHOTOSHOP + b"\x05ab" + bytes(7)), JPEG),
    "JPEG with an empty APP13": (with_app13(2, b""), JPEG),
    "JPEG with an APP13 shorter than it says": (with_app13(2 + len(PHOTOSHOP) - 3, PHOTOSHOP), JPEG),
    "JPEG behind a fill byte": (b"\xff" + JPEG, JPEG),
    "JPEG behind a line end": (b"\n" + JPEG, JPEG),
    "JPEG behind a byte order mark": (b"\xef\xbb\xbf" + JPEG, JPEG),
    "JPEG without its last two bytes": (JPEG[:-2], JPEG),
    "JPEG without its last byte": (JPEG[:-1], JPEG),
    "progressive JPEG without its last two bytes": (PROGRESSIVE[:-2], PROGRESSIVE),
}
