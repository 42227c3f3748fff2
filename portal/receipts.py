"""The receipt of one statement, for whoever has its link: on screen, on paper, and as the file that proves it."""

import segno
from flask import Blueprint, Response, make_response, render_template, url_for
from markupsafe import Markup
from werkzeug.exceptions import NotFound
from werkzeug.utils import secure_filename

from demur.errors import DemurError
from demur.receipts import LogKind, Receipt, Statement
from demur.receipts.words import in_words
from demur.tlog.checkpoint import LogCheckpoint
from models import LogEntry
from portal.database import db
from portal.formats import absolute
from portal.log import log_reader, log_verifier
from rights import receipts

TITLES = {
    LogKind.OPT_OUT_FILED: "Opt-out filed",
    LogKind.OPT_OUT_LISTED: "In the exclusion list",
    LogKind.OPT_OUT_WITHDRAWN: "Opt-out withdrawn",
    LogKind.LIST_PUBLISHED: "Exclusion list published",
    LogKind.RUN_RECORDED: "Training run recorded",
}
blueprint = Blueprint("receipts", __name__)


class NotYetInTheLog(DemurError):
    """No checkpoint covers the statement's leaf: it takes a second or two."""


@blueprint.get("/receipts/<public_id>")
def page(public_id: str) -> Response:
    entry = _entry(public_id)
    statement = Statement.parse(entry.statement)
    found = _receipt(entry)
    shown = {"entry": entry, "title": TITLES[entry.kind], "statement": statement, "receipt": found, "file_name": file_name(statement)}
    if found is not None:
        checkpoint = LogCheckpoint.parse(found.checkpoint)
        shown["checkpoint"] = checkpoint
        shown["proves"], shown["not_proves"] = in_words(statement, found.leaf_index, checkpoint.origin, checkpoint.size)
    link = verify_link(entry)
    response = make_response(render_template("receipts/one.html", key=log_verifier(), link=link, code=qr_code(link), **shown))
    return _unseen_by_others(response)


@blueprint.get("/receipts/<public_id>.json")
def file(public_id: str) -> Response:
    entry = _entry(public_id)
    name = file_name(Statement.parse(entry.statement))
    response = Response(_in_the_log(entry).to_json(), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return _unseen_by_others(response)


def find_receipt(public_id: str) -> Receipt:
    """Raises NotFound, NotYetInTheLog."""
    return _in_the_log(_entry(public_id))


def verify_link(entry: LogEntry) -> str:
    """The address at which a browser fetches and checks the receipt."""
    return absolute(url_for("verify.page", receipt=entry.public_id))


def file_name(statement: Statement) -> str:
    """``receipt-DM-7Q4K-92XF-opt_out_filed.json``."""
    version = f"version-{statement.exclusion_list.version}" if statement.exclusion_list else ""
    about = statement.reference or statement.run_name or version
    return secure_filename(f"receipt-{about}-{statement.kind}.json")


def qr_code(link: str) -> Markup:
    """An SVG of dark squares, with the quiet border that readers ask for, in whatever size it is given."""
    return Markup(segno.make_qr(link, error="m").svg_inline(border=4, omitsize=True))  # noqa: S704  # of our own address


def _entry(public_id: str) -> LogEntry:
    entry = receipts.entry_by_public_id(db(), public_id)
    if entry is None:
        raise NotFound
    return entry


def _receipt(entry: LogEntry) -> Receipt | None:
    log = log_reader()
    return receipts.receipt(log, entry) if log else None


def _in_the_log(entry: LogEntry) -> Receipt:
    found = _receipt(entry)
    if found is None:
        raise NotYetInTheLog("the transparency log does not hold it yet")
    return found


def _unseen_by_others(response: Response) -> Response:
    """The address is the key to it: no search engine keeps it, and no other page is told it."""
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
