"""Members' own photos as pictures: small for the grid, larger for one photo, and a quiet tile where there is no picture.

No picture is decoded here: jobs make thumbnails (`rights.thumbnails`), and these are served as files. A tile that stands for one still to
be made is 4 pixels wide, by which the page's script knows it, and says when to ask again.
"""

import textwrap
from contextlib import suppress
from pathlib import Path

from flask import Response, redirect, request
from flask.typing import ResponseReturnValue
from flask_login import login_required
from markupsafe import escape
from sqlalchemy.exc import OperationalError

from demur.manifests.pictures import has_pictures
from portal.auth.member import account
from portal.database import db
from portal.security import origin
from portal.site import now, site
from rights.owned import OwnedPhoto, find_owned
from rights.thumbnails import promise_for_owners

THUMBNAIL, SHARP_THUMBNAIL, PICTURE = 320, 640, 1280  # longer side in pixels
ASK_AGAIN_S = 2
TILE_LETTERS = 100


@login_required
def thumbnail(uid: str) -> ResponseReturnValue:
    return _show(uid, SHARP_THUMBNAIL if request.args.get("size") == "2" else THUMBNAIL)


@login_required
def picture(uid: str) -> ResponseReturnValue:
    return _show(uid, PICTURE)


def _show(uid: str, side: int) -> ResponseReturnValue:
    photo = find_owned(db(), site().catalogues, account().owners, [uid])[0]
    rows = [catalogue.take([position], ("sha256", "shard", "url")).to_pylist()[0] for _, catalogue, position in reversed(photo.places)]
    pictured = [row["sha256"] for row in rows if row["sha256"] and has_pictures(row["shard"])]
    store = site().thumbnails
    for sha256 in pictured:
        with suppress(FileNotFoundError):  # pruned just now
            if file := store.find(sha256, side):
                store.used(file)
                return _served(file)
    waiting = not all(store.is_settled(sha256) for sha256 in pictured)
    if waiting:
        _promise(photo.owner)
    url = rows[0]["url"]
    if url and origin(url) in site().config.photo_origins:
        return redirect(url)
    return _tile(photo, waiting=waiting)


def _served(file: Path) -> Response:
    """Its name, which holds the picture's digest, is its entity tag: what it says never changes. Raises FileNotFoundError."""
    response = Response(mimetype="image/webp", headers={"Cache-Control": "private, max-age=86400"})
    response.set_etag(file.stem)
    if file.stem in request.if_none_match:
        response.status_code = 304
    else:
        response.data = file.read_bytes()
    return response


def _tile(photo: OwnedPhoto, *, waiting: bool) -> Response:
    headers = {"Cache-Control": "no-store", "Retry-After": str(ASK_AGAIN_S)} if waiting else {"Cache-Control": "private, max-age=60"}
    return Response(text_tile(photo.caption, waiting=waiting), mimetype="image/svg+xml", headers=headers)


def text_tile(caption: str, *, waiting: bool = False) -> str:
    """The caption on paper, for a photo of which only the row is known."""
    lines = textwrap.wrap(caption[:TILE_LETTERS] or "no caption", 20)[:5]
    top = 122 - 14 * (len(lines) - 1)
    text = "".join(f'<text x="160" y="{top + 28 * number}">{escape(line)}</text>' for number, line in enumerate(lines))
    size = ' width="4" height="3"' if waiting else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 240"{size}><rect width="320" height="240" fill="#efe9dd"/>'
        f'<g font-family="Georgia, serif" font-style="italic" font-size="21" fill="#4a443a" text-anchor="middle">{text}</g></svg>'
    )


def _promise(owner: str) -> None:
    """Asks the jobs for an owner's thumbnails: a page shows dozens of pictures at once."""
    asked = site().thumbnails_asked
    if not asked.passes(owner):
        return
    try:
        with site().writing.begin() as session:
            promise_for_owners(session, [owner], now())
    except OperationalError:  # the database is busy or away: a later picture asks again
        asked.forget(owner)
