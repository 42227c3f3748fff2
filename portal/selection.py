"""What a member chose to opt out, as it travels from the grid over the check page to the filing."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from demur.similarity.fingerprint import Fingerprint
from models import Account
from portal.database import db
from portal.filters import read_filter
from portal.site import site
from rights.optouts import Everything, Photos, Picture, Selection
from rights.photos import matching_uids

PICTURE_LIFETIME_S = 24 * 3600


@dataclass(frozen=True)
class Chosen:
    """``count`` is the number of photos; None for everything, now and later, and for a picture."""

    selection: Selection
    count: int | None


def read_selection(form: MultiDict[str, str], account: Account) -> Chosen:
    """What the form says. A selection of no photos has the count 0. Raises BadRequest for a picture's token that does not hold."""
    if form.get("everything"):
        return Chosen(Everything(), None)
    if form.get("picture"):
        return Chosen(Picture(read_picture(form["picture"], account)), None)
    if form.get("all"):
        uids = tuple(matching_uids(db(), site().catalogues, site().runs, account.owners, read_filter(form)))
    else:
        uids = tuple(dict.fromkeys(form.getlist("uid")))
    return Chosen(Photos(uids), len(uids))


def sign_picture(fingerprint: Fingerprint, account: Account) -> str:
    """The fingerprint of a picture this person has just sent, for a form: the picture itself is not kept."""
    plain = asdict(fingerprint) | {"pdq": fingerprint.pdq.hex(), "dihedral_pdq": [pdq.hex() for pdq in fingerprint.dihedral_pdq]}
    return _signer(account).dumps(plain)


def read_picture(token: str, account: Account) -> Fingerprint:
    """The fingerprint behind ``sign_picture``. Raises BadRequest when it is changed, over a day old, or another person's."""
    try:
        plain: dict[str, Any] = _signer(account).loads(token, max_age=PICTURE_LIFETIME_S)
    except BadSignature as error:
        raise BadRequest from error
    plain["pdq"] = bytes.fromhex(plain["pdq"])
    plain["dihedral_pdq"] = tuple(bytes.fromhex(pdq) for pdq in plain["dihedral_pdq"])
    plain["dihedral_phash"] = tuple(plain["dihedral_phash"])
    return Fingerprint(**{field.name: plain[field.name] for field in fields(Fingerprint)})


def _signer(account: Account) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt=f"picture:{account.public_id}")
