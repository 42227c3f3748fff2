"""The page on which anyone checks receipts and proofs: in the browser or, where that cannot, here. What is sent is read in memory alone."""

from collections.abc import Sequence

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from config import MEGABYTE
from demur.signing import BadKey, VerifyKey
from demur.tlog.checkpoint import WitnessKey
from demur.verifying import Document, Finding, verify_documents
from portal.lists import list_verifier
from portal.log import log_verifier
from portal.receipts import find_receipt
from portal.site import now, site
from rights.runs import trusted_signers

MOST_BYTES = 4 * MEGABYTE  # an opt-out of some 40,000 photos; a browser and the demur command check larger ones
TOO_LARGE = f"That is more than {MOST_BYTES // MEGABYTE} MB. Browsers with scripts and the demur command check larger files."
blueprint = Blueprint("verify", __name__)


@blueprint.get("/verify")
def page() -> str:
    return _page(receipt=request.args.get("receipt", ""))


@blueprint.post("/verify")
def check() -> ResponseReturnValue:
    """For browsers that cannot check signatures, or run no scripts."""
    request.max_content_length = MOST_BYTES
    try:
        keys = request.form.get("keys", "").strip()
        documents = [Document(file.filename, file.read()) for file in request.files.getlist("file") if file.filename]
    except RequestEntityTooLarge:
        return _page(problem=TOO_LARGE), 413
    receipt = request.form.get("receipt", "")
    if not documents and receipt:
        documents = [Document("the receipt of the link", find_receipt(receipt).to_json())]
    if not documents:
        return _page(keys=keys, problem="Choose a file first."), 422
    try:
        return _page(keys=keys, findings=_verified(documents, keys))
    except BadKey as error:
        return _page(keys=keys, problem=f"One of the keys cannot be read: {error}."), 422


def _page(*, keys: str = "", receipt: str = "", findings: Sequence[Finding] = (), problem: str = "") -> str:
    keys = keys or "\n".join(own_keys())
    summary = in_one_sentence(findings) if findings else ""
    return render_template("verify/page.html", keys=keys, receipt=receipt, findings=findings, summary=summary, problem=problem)


def in_one_sentence(findings: Sequence[Finding]) -> str:
    """static/verify/words.js says the same, and a test compares them."""
    every, refused = len(findings), sum(1 for finding in findings if finding.refusal)
    if every == 1:
        return "It does not hold." if refused else "It holds."
    if not refused:
        return f"All {every} hold."
    return f"{refused} of {every} {'does' if refused == 1 else 'do'} not hold."


def own_keys() -> list[str]:
    """The keys of this website's log, its exclusion list and its runs' signers, as text."""
    return [str(key) for key in (log_verifier(), list_verifier(), *trusted_signers(site().config.keys_dir)) if key]


def _verified(documents: list[Document], keys: str) -> list[Finding]:
    """Raises BadKey."""
    given = [_key(line) for line in (keys or "\n".join(own_keys())).splitlines() if line.strip()]
    witnesses = [key for key in given if isinstance(key, WitnessKey)]
    return verify_documents(documents, [key for key in given if key not in witnesses], now(), witnesses)


def _key(line: str) -> VerifyKey:
    """Raises BadKey."""
    try:
        return WitnessKey.parse(line)
    except BadKey:
        return VerifyKey.parse(line)
