"""The receipt of one statement, for whoever has its link: on screen, on paper, and as the file that proves it."""

from dataclasses import dataclass

import segno
from flask import Blueprint, Response, make_response, render_template, url_for
from flask_login import current_user
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from demur.errors import DemurError
from demur.receipts import LogKind, Receipt, Statement
from demur.receipts.words import in_words
from demur.tlog.checkpoint import LogCheckpoint
from models import LogEntry, RightsRequest
from portal.database import db
from portal.formats import absolute, counted
from portal.log import log_reader
from portal.site import site
from rights import receipts
from rights.photo import Photo
from rights.photos import photos_among

TITLES = {
    LogKind.OPT_OUT_FILED: "Opt-out filed",
    LogKind.OPT_OUT_LISTED: "In the exclusion list",
    LogKind.OPT_OUT_WITHDRAWN: "Opt-out withdrawn",
    LogKind.OPT_OUT_DENIED: "Opt-out ended",
    LogKind.OPT_OUT_HELD: "A person looks at it first",
    LogKind.OPT_OUT_RELEASED: "Copies of others go, too",
    LogKind.OPT_OUT_LIMITED: "Copies of others stay in",
    LogKind.PHOTO_CONTESTED: "Contested: put back",
    LogKind.CONTEST_ACCEPTED: "Contest granted: it stays back",
    LogKind.CONTEST_REFUSED: "The operator disagreed: it goes out",
    LogKind.LIST_PUBLISHED: "Exclusion list published",
    LogKind.RUN_RECORDED: "Training run recorded",
}
SHOWN = 12  # photos shown to their owner
PARTS = {LogKind.OPT_OUT_WITHDRAWN: "put back", LogKind.OPT_OUT_DENIED: "no longer out: the opt-out was ended"}
"""What is said of some photos of a request whose rest goes on."""
blueprint = Blueprint("receipts", __name__)


class NotYetInTheLog(DemurError):
    """No checkpoint covers the statement's leaf: it takes a second or two."""


@blueprint.app_template_filter()
def receipt_title(entry: LogEntry) -> str:
    """What a receipt is of: “Opt-out withdrawn”, or “1 photo put back” where the rest of the request goes on."""
    part = PARTS.get(entry.kind)
    request = db().get(RightsRequest, entry.request_id) if part and entry.request_id else None
    if part is None or request is None or request.closed_at == entry.created_at:
        return TITLES[entry.kind]
    named = Statement.parse(entry.statement)
    if named.owners:
        return TITLES[entry.kind]
    ways = [counted(len(some), word) for some, word in ((named.photos, "photo"), (named.pictures, "picture")) if some]
    return f"{' and '.join(ways)} {part}"


@blueprint.get("/receipts/<public_id>")
def page(public_id: str) -> Response:
    entry = _entry(public_id)
    statement, found, link = Statement.parse(entry.statement), _receipt(entry), verify_link(entry)
    shown = render_template(
        "receipts/one.html",
        entry=entry,
        title=receipt_title(entry),
        statement=statement,
        file_name=receipts.file_name(statement),
        link=link,
        code=qr_code(link),
        key=site().keys.log_key(),
        receipt=found,
        proven=_proven(found, statement) if found else None,
        own=_own_photos(entry, statement),
    )
    return _unseen_by_others(make_response(shown))


@blueprint.get("/receipts/<public_id>.json")
def file(public_id: str) -> Response:
    entry = _entry(public_id)
    name = receipts.file_name(Statement.parse(entry.statement))
    response = Response(_in_the_log(entry).to_json(), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return _unseen_by_others(response)


def find_receipt(public_id: str) -> Receipt:
    """Raises NotFound, NotYetInTheLog."""
    return _in_the_log(_entry(public_id))


def verify_link(entry: LogEntry) -> str:
    """The address at which a browser fetches and checks the receipt."""
    return absolute(url_for("verify.page", receipt=entry.public_id))


def qr_code(link: str) -> Markup:
    """An SVG of dark squares, three pixels each so that all are alike on a screen, with the quiet border that readers ask for."""
    return Markup(segno.make_qr(link, error="m").svg_inline(border=4, scale=3))  # noqa: S704  # of our own address


def _entry(public_id: str) -> LogEntry:
    entry = receipts.entry_by_public_id(db(), public_id)
    if entry is None:
        raise NotFound
    return entry


def _own_photos(entry: LogEntry, statement: Statement) -> list[Photo]:
    """The first photos of the receipt, for the member whom it is about; for nobody else."""
    if not current_user.is_authenticated:
        return []
    request = db().get_one(RightsRequest, entry.request_id) if entry.request_id is not None else None
    if current_user.account.id not in (entry.account_id, request and request.account_id):
        return []
    return photos_among(db(), site().catalogues, site().runs, current_user.account.owners, statement.photos[:SHOWN])


def _receipt(entry: LogEntry) -> Receipt | None:
    log = log_reader()
    return receipts.receipt(log, entry) if log else None


@dataclass(frozen=True)
class _Proven:
    checkpoint: LogCheckpoint
    proves: str
    not_proves: str


def _proven(found: Receipt, statement: Statement) -> _Proven:
    checkpoint = LogCheckpoint.parse(found.checkpoint)
    return _Proven(checkpoint, *in_words(statement, found.leaf_index, checkpoint.origin, checkpoint.size))


def _in_the_log(entry: LogEntry) -> Receipt:
    found = _receipt(entry)
    if found is None:
        raise NotYetInTheLog("the transparency log does not hold it yet")
    return found


def _unseen_by_others(response: Response) -> Response:
    """The address is the key to it: no search engine keeps it, and no other website is told it (portal.security: `same-origin`)."""
    response.headers["X-Robots-Tag"] = "noindex"
    return response
