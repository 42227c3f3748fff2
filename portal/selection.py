"""What a member chose to opt out, as it travels from the grid or a lookup over the check page to the filing."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from itsdangerous import BadSignature, TimestampSigner
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from demur.errors import DemurError
from demur.similarity.query import Query
from models import Account
from portal.database import db
from portal.site import now, site
from rights.optouts import Everything, Photos, Picture, Selection
from rights.owned import owned_among
from rights.ticks import mark, tick, ticked
from rights.variants import UnknownLayout, pack, unpack

PICTURE_LIFETIME_S = 24 * 3600
MOST_PICTURES = 200  # that were looked up, in one request: 11 kB each, of which a form may hold `bodies.SELECTION_BYTES`
_FACTS = struct.Struct(">32sII?")  # SHA-256, size, whether we decoded the file


class TooManyChosen(DemurError):
    """More than ``MOST_PICTURES`` looked-up pictures."""


@dataclass(frozen=True)
class Chosen:
    """``count`` is the number of photos and pictures; None for everything, now and later. ``ticked``: the mark of the member's ticks, where
    the form means these."""

    selection: Selection
    count: int | None
    ticked: str = ""


def read_selection(form: MultiDict[str, str], account: Account) -> Chosen:
    """What the form, or the address, says. A selection of no photos has the count 0.

    Raises TooManyChosen; BadRequest for a picture's token that does not hold.
    """
    if form.get("everything"):
        return Chosen(Everything(), None)
    if form.get("ticked"):
        uids = own_ticks(account)
        return Chosen(Photos(uids), len(uids), mark(set(uids)))
    uids = tuple(dict.fromkeys(form.getlist("uid")))
    tokens = dict.fromkeys(form.getlist("picture"))
    if len(tokens) > MOST_PICTURES:
        raise TooManyChosen(f"{len(tokens)} looked-up pictures are more than {MOST_PICTURES}")
    pictures = tuple(read_picture(token, account) for token in tokens)
    return Chosen(Photos(uids, pictures), len(uids) + len(pictures))


def own_ticks(account: Account) -> tuple[str, ...]:
    """What the member has ticked and a manifest still holds."""
    uids = sorted(ticked(db(), account, now()))
    known = owned_among(db(), site().catalogues, account.owners, uids)
    return tuple(uid for uid in uids if uid in known)


def keep_ticks(form: MultiDict[str, str], account: Account) -> None:
    """Takes over a page of the grid: of the photos that it showed, those are ticked that the form says. Raises TooManyTicked."""
    shown, chosen = set(form.getlist("shown")), set(form.getlist("uid"))
    own = owned_among(db(), site().catalogues, account.owners, sorted(chosen))
    tick(db(), account, (ticked(db(), account, now()) - shown) | own.keys(), now())


def sign_picture(picture: Picture, account: Account) -> str:
    """A looked-up picture for a form of this person: all its hashes, since neither picture nor hashes are kept here. About 11 kB."""
    plain = _FACTS.pack(bytes.fromhex(picture.query.sha256), picture.width, picture.height, picture.decoded) + pack(picture.query.variants)
    return _signer(account).sign(urlsafe_b64encode(plain)).decode()


def read_picture(token: str, account: Account) -> Picture:
    """The picture behind ``sign_picture``. Raises BadRequest when it is changed, over a day old, another person's or version's."""
    try:
        plain = urlsafe_b64decode(_signer(account).unsign(token, max_age=PICTURE_LIFETIME_S))
        sha256, width, height, decoded = _FACTS.unpack_from(plain)
        return Picture(Query(sha256.hex(), unpack(plain[_FACTS.size :])), width, height, decoded)
    except (BadSignature, ValueError, struct.error, UnknownLayout) as error:
        raise BadRequest from error


def _signer(account: Account) -> TimestampSigner:
    return TimestampSigner(site().secrets.pictures, salt=f"picture3:{account.public_id}")
