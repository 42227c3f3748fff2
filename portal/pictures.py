"""Members' own photos as pictures: small for the grid, larger for one photo, and a quiet tile where there is no picture."""

import textwrap
from io import BytesIO

from flask import Response, redirect, request
from flask.typing import ResponseReturnValue
from flask_login import login_required
from markupsafe import escape
from PIL import Image, ImageOps

from demur.manifests.errors import PictureChanged, PictureFileTooLarge, PictureMissing
from demur.similarity.fingerprint import DECODER_ERRORS, PictureError, open_picture
from portal.auth.member import account
from portal.database import db
from portal.security import origin
from portal.site import site
from rights.owned import OwnedPhoto, find_owned

THUMBNAIL, SHARP_THUMBNAIL, PICTURE = 320, 640, 1280  # longer side in pixels
_A_DAY = "private, max-age=86400"
_PAPER = (255, 255, 255)


class NoPicture(Exception):
    """None of the photo's rows has a picture that can be read."""


@login_required
def thumbnail(uid: str) -> ResponseReturnValue:
    return _show(uid, SHARP_THUMBNAIL if request.args.get("size") == "2" else THUMBNAIL)


@login_required
def picture(uid: str) -> ResponseReturnValue:
    return _show(uid, PICTURE)


def _show(uid: str, side: int) -> ResponseReturnValue:
    photo = find_owned(db(), site().catalogues, account().owners, [uid])[0]
    row = photo.row(("sha256", "url"))
    etag = f"{row['sha256']}-{side}"
    if row["sha256"] and etag in request.if_none_match:
        return _cached(Response(status=304), etag)
    try:
        return _cached(Response(reduced(_encoded(photo), side), mimetype="image/webp"), etag)
    except NoPicture:
        if row["url"] and origin(row["url"]) in site().config.photo_origins:
            return redirect(row["url"])
        return Response(text_tile(photo.caption), mimetype="image/svg+xml", headers={"Cache-Control": "private, max-age=60"})


def _encoded(photo: OwnedPhoto) -> bytes:
    """The picture file of the newest row that still has one. Raises NoPicture."""
    for _, catalogue, position in reversed(photo.places):
        try:
            return catalogue.picture(position)
        except (PictureMissing, PictureChanged, PictureFileTooLarge):
            continue
    raise NoPicture


def reduced(data: bytes, side: int) -> bytes:
    """WebP of at most ``side`` pixels a side, upright, on white, and without the camera's notes. Raises NoPicture."""
    try:
        opened = open_picture(data)
        opened.draft("RGB", (side, side))
        upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (PictureError, *DECODER_ERRORS) as error:
        raise NoPicture from error
    upright.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    flat = Image.new("RGB", upright.size, _PAPER)
    flat.paste(upright, mask=upright.getchannel("A"))
    out = BytesIO()
    flat.save(out, "WEBP", quality=82, method=3)
    return out.getvalue()


def text_tile(caption: str) -> str:
    """The caption on paper, for a photo of which only the row is known."""
    lines = textwrap.wrap(caption or "no caption", 20)[:5]
    top = 122 - 14 * (len(lines) - 1)
    text = "".join(f'<text x="160" y="{top + 28 * number}">{escape(line)}</text>' for number, line in enumerate(lines))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 240"><rect width="320" height="240" fill="#efe9dd"/>'
        f'<g font-family="Georgia, serif" font-style="italic" font-size="21" fill="#4a443a" text-anchor="middle">{text}</g></svg>'
    )


def _cached(response: Response, etag: str) -> Response:
    response.set_etag(etag)
    response.headers["Cache-Control"] = _A_DAY
    return response
