"""Thumbnails of a picture, as a sandbox makes them: WebP on white, upright, in sRGB, without the camera's notes.

The picture is reduced by whole boxes before it gets colours or alpha of its own, so that the largest costs little more than its decoding.
"""

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO

from PIL import Image

from demur.similarity.decoding import DAMAGED, DECODER_ERRORS, PictureTruncated, ending, open_picture, plain, reduced, srgb, upward
from demur.similarity.sandbox import DecoderCrashed, Sandbox

SIDES = (320, 640, 1280)
"""Longer sides in pixels, ascending. A picture that is no longer than one of them has no larger thumbnail."""
SHRINKING = "demur.similarity.thumbnails:shrunk"
"""What a sandbox is made for that `thumbnails` asks."""

_QUALITY, _METHOD = 82, 3
_LENGTHS = struct.Struct(">3I")
_WEBP = struct.Struct("<4sI4s4sI3s3sHH")
"""RIFF, size, WEBP, "VP8 ", size, frame tag, start code, width, height (RFC 9649, 2.5; RFC 6386, 9.1)."""
_START_CODE = b"\x9d\x01\x2a"


def thumbnails(sandbox: Sandbox, data: bytes) -> Mapping[int, bytes]:
    """Side → WebP file, of the sides that the picture needs, made in the sandbox.

    Raises PictureError, SandboxBusy, SandboxCannotStart.
    """
    answer = sandbox.ask(data)
    files = list(_parts(answer))
    found = {side: file for side, file in zip(SIDES, files, strict=True) if file}
    if SIDES[0] not in found or not all(_is_webp(file, side) for side, file in found.items()):
        raise DecoderCrashed("This picture file cannot be read: its decoder answered nonsense.")
    return found


def _parts(answer: bytes) -> Iterator[bytes]:
    at = _LENGTHS.size
    for length in _LENGTHS.unpack(answer[:at].ljust(at, b"\0")):
        yield answer[at : at + length]
        at += length


def _is_webp(file: bytes, side: int) -> bool:
    """Whether the file says of itself that it is one lossy WebP frame of at most `side` pixels: browsers are told no other kind."""
    if len(file) < _WEBP.size:
        return False
    riff, size, webp, chunk, length, _, start, width, height = _WEBP.unpack_from(file)
    whole = size + 8 == len(file) and length <= size - 12
    return (riff, webp, chunk, start) == (b"RIFF", b"WEBP", b"VP8 ", _START_CODE) and whole and max(width & 0x3FFF, height & 0x3FFF) <= side


def shrunk(data: bytes) -> bytes:
    """What a process does: three lengths, and as many WebP files; of length 0 where the one before shows as much. Raises PictureError."""
    try:
        flat, *again = map(_flat, ending(data) or (data,))
    except DECODER_ERRORS as error:
        raise PictureTruncated(DAMAGED) from error
    if any(other.tobytes() != flat.tobytes() for other in again):  # pixels are missing, not the end mark alone
        raise PictureTruncated(DAMAGED)
    needed = 1 + sum(max(flat.size) > side for side in SIDES[:-1])
    files = [b""] * len(SIDES)
    for number in reversed(range(needed)):
        flat.thumbnail((SIDES[number], SIDES[number]), Image.Resampling.LANCZOS)
        files[number] = _encoded(flat)
    return _LENGTHS.pack(*map(len, files)) + b"".join(files)


def _flat(data: bytes) -> Image.Image:
    """At least as large as the largest thumbnail, or as the picture."""
    opened = open_picture(data)
    opened.draft(None, (SIDES[-1], SIDES[-1]))
    opened.load()
    turn = upward(opened)
    small = _shown(reduced(plain(opened), max(max(opened.size) // (2 * SIDES[-1]), 1)), opened.info.get("icc_profile"))
    return small if turn is None else small.transpose(turn)


def _shown(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """In sRGB and on white."""
    if not picture.mode.endswith("A"):
        return srgb(picture, profile).convert("RGB")
    colours = srgb(picture.convert(picture.mode[:-1]), profile).convert("RGB")
    return Image.composite(colours, Image.new("RGB", colours.size, "white"), picture.getchannel("A"))


def _encoded(flat: Image.Image) -> bytes:
    out = BytesIO()
    flat.save(out, "WEBP", quality=_QUALITY, method=_METHOD)
    return out.getvalue()
