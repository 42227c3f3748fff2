"""A picture as a browser shows it: upright, in sRGB, on white, small.

It is reduced by whole boxes before it gets colours or alpha of its own, so that the largest costs little more than its decoding.
"""

from PIL import Image

from demur.similarity.decoding import DAMAGED, DECODER_ERRORS, PictureTruncated, ending, open_picture, plain, reduced, srgb, upward


def shown(data: bytes, side: int) -> Image.Image:
    """A picture file as RGB, its longer side at least `side` and below 4 × `side` pixels where the picture has as many.

    Raises:
        NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated: each a `PictureError`.
    """
    try:
        flat, *again = (_flat(one, side) for one in ending(data) or (data,))
    except DECODER_ERRORS as error:
        raise PictureTruncated(DAMAGED) from error
    if any(other.tobytes() != flat.tobytes() for other in again):  # pixels are missing, not the end mark alone
        raise PictureTruncated(DAMAGED)
    return flat


def _flat(data: bytes, side: int) -> Image.Image:
    opened = open_picture(data)
    opened.draft(None, (side, side))
    opened.load()
    turn = upward(opened)
    small = _on_white(reduced(plain(opened), max(max(opened.size) // (2 * side), 1)), opened.info.get("icc_profile"))
    return small if turn is None else small.transpose(turn)


def _on_white(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if not picture.mode.endswith("A"):
        return srgb(picture, profile).convert("RGB")
    colours = srgb(picture.convert(picture.mode[:-1]), profile).convert("RGB")
    return Image.composite(colours, Image.new("RGB", colours.size, "white"), picture.getchannel("A"))
