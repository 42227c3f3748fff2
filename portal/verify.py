"""The page on which anyone checks receipts and proofs: in the browser or, where that cannot, here. What is sent is read in memory alone.

Whoever sends files here chooses the keys, too: a signature is no bound. So everything is bounded before any work: bytes, files, what zip
files unpack to, keys, and how many are checked at a time; and files of entries, which a reader of Parquet would have to open, are not read.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from threading import BoundedSemaphore
from time import thread_time
from types import MappingProxyType

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import RequestEntityTooLarge

from config import MEGABYTE
from demur.errors import DemurError
from demur.signing import BadKey
from demur.trust import Role, Trust
from demur.verifying import BundleLimits, Document, Finding, Unpacked, all_unpacked, captions_in, summarise, verify_documents
from portal.bodies import takes
from portal.database import db
from portal.form_tokens import refuse_other_sites
from portal.limits import heavy_work
from portal.receipts import find_receipt
from portal.site import now, site
from rights.owned import owned_among, owned_photos

MOST_BYTES = 4 * MEGABYTE  # an opt-out of some 40,000 photos; a browser and the demur command check larger ones
MOST_FILES = 50
BUNDLE = BundleLimits(members=500, total_bytes=16 * MEGABYTE)  # of all files of a request together
MOST_WORK_S = 2.0  # of the processor's time for a request; asked between files, each of which takes less than one
TOO_LARGE = f"That is more than {MOST_BYTES // MEGABYTE} MB. Browsers with scripts and the demur command check larger files."
TOO_MANY = f"Those are more than {MOST_FILES} files. Browsers with scripts and the demur command check more at a time."
UNSIGNED_CAPTIONS = "Captions are the bundle’s own; nobody signed them."  # static/verify.js says the same
NO_KEY = "Give at least one key that you trust: without one, nothing can be checked."
ROLES = {
    Role.LOG: "Keys of the log, which sign receipts",
    Role.LIST: "Keys of the exclusion list",
    Role.RUN: "Keys of those who sign run records",
    Role.WITNESS: "Keys of witnesses, all of whom must have seen the log",
}
_TURNS = BoundedSemaphore(2)  # of one process: checking takes the processor, and others want pages meanwhile
_PATIENCE_S = 5
MOST_CAPTIONS = 1000  # some 60 kB of a page
blueprint = Blueprint("verify", __name__)


class TooManyChecks(DemurError):
    """Others' files are being checked right now."""


@dataclass(frozen=True)
class KeysGiven:
    """What was typed into the form, a text of keys for each role."""

    texts: dict[Role, str]

    @classmethod
    def of_form(cls) -> "KeysGiven":
        return cls({role: request.form.get(f"{role}_keys", "").strip() for role in Role})

    @classmethod
    def of(cls, trust: Trust) -> "KeysGiven":
        return cls({role: "\n".join(map(str, trust.keys(role))) for role in Role})

    def trust(self) -> Trust:
        """Raises BadKey, which says in which box the key is."""
        return reduce(Trust.merged, map(self._keys, self.texts))

    def _keys(self, role: Role) -> Trust:
        lines = (line.strip() for line in self.texts[role].split("\n"))
        try:
            return Trust.parse("\n".join(line if not line or line.startswith(f"{role} ") else f"{role} {line}" for line in lines))
        except BadKey as error:
            raise BadKey(f"One of the keys in the box “{ROLES[role]}” cannot be read: {error}") from error


@blueprint.get("/verify")
def page() -> str:
    return _page(KeysGiven.of(site().keys.trust()), receipt=request.args.get("receipt", ""), brought=_newest_captions())


@blueprint.post("/verify")
@takes(MOST_BYTES)
@heavy_work
def check() -> ResponseReturnValue:
    """For browsers that cannot check signatures, or run no scripts."""
    refuse_other_sites()  # its own file, checked by its own key, must not be shown here as something that holds
    try:
        keys, receipt = KeysGiven.of_form(), request.form.get("receipt", "")
        files = [file for file in request.files.getlist("file") if file.filename]
    except RequestEntityTooLarge:
        return _page(KeysGiven.of(site().keys.trust()), problem=TOO_LARGE), 413
    if len(files) > MOST_FILES:
        return _page(keys, problem=TOO_MANY), 413
    documents = [Document(file.filename or "", file.read()) for file in files]
    if not documents and receipt:
        documents = [Document("the receipt of the link", find_receipt(receipt).to_json())]
    if not documents:
        return _page(keys, problem="Choose a file first."), 422
    return _checked(documents, keys)


def _checked(documents: Sequence[Document], keys: KeysGiven) -> ResponseReturnValue:
    try:
        trust = keys.trust()
    except BadKey as error:
        return _page(keys, problem=f"{error}."), 422
    if not trust:
        return _page(keys, problem=NO_KEY), 422
    with _a_turn():
        until = thread_time() + MOST_WORK_S
        unpacked = all_unpacked(documents, BUNDLE)
        findings = verify_documents(unpacked.documents, trust, now(), entries=False, is_over=lambda: thread_time() > until)
        photos = {finding.fact.photo for finding in findings if finding.fact and finding.fact.photo}
        told = _told(unpacked, photos, until)
    by = keys_in_words(trust, site().keys.trust())
    captions = told | _captions_of(photos)
    return _page(keys, findings=findings, by=f"{by} {UNSIGNED_CAPTIONS}" if told else by, captions=captions)


def _told(unpacked: Unpacked, photos: Collection[str], until: float) -> dict[str, str]:
    """By uid, what bundles say that these photos show, as far as this thread's time goes."""
    told: dict[str, str] = {}
    for file in unpacked.captions if photos else ():
        if thread_time() > until:
            break
        told |= captions_in(file, photos)
    return told


def keys_in_words(trust: Trust, own: Trust) -> str:
    """By whose keys the files were checked; static/verify.js says the same."""
    others = [f"{key.key_id} ({role})" for role in Role for key in trust.keys(role) if key not in own.keys(role)]
    if not others:
        return "Checked by this website’s own keys alone: that shows what this website says, not that it says the same to everyone."
    return f"Checked by keys that are not this website’s: {', '.join(others)}."


@contextmanager
def _a_turn() -> Iterator[None]:
    """Raises TooManyChecks."""
    if not _TURNS.acquire(timeout=_PATIENCE_S):
        raise TooManyChecks("others' files are being checked right now")
    try:
        yield
    finally:
        _TURNS.release()


def _newest_captions() -> dict[str, str]:
    """By uid, of the newest photos of the member who reads the page: they know a photo by its caption. Nobody else is given any."""
    if not current_user.is_authenticated:
        return {}
    own = owned_photos(db(), site().catalogues, current_user.account.owners)
    return {photo.uid: photo.caption for photo in own[:MOST_CAPTIONS] if photo.caption}


def _captions_of(photos: Collection[str]) -> dict[str, str]:
    """The same of those of these photos that are the member's own."""
    if not current_user.is_authenticated or not photos:
        return {}
    own = owned_among(db(), site().catalogues, current_user.account.owners, sorted(photos))
    return {uid: photo.caption for uid, photo in own.items() if photo.caption}


def _page(
    keys: KeysGiven,
    *,
    receipt: str = "",
    brought: Mapping[str, str] = MappingProxyType({}),
    findings: Sequence[Finding] | None = None,
    captions: Mapping[str, str] = MappingProxyType({}),
    problem: str = "",
    by: str = "",
) -> str:
    """``brought``: captions for the page's script, which asks for none while it checks. ``captions``: of the photos that are found here."""
    return render_template(
        "verify/page.html",
        keys=keys.texts,
        own=KeysGiven.of(site().keys.trust()).texts,
        roles=ROLES,
        brought=dict(brought),
        captions=captions,
        receipt=receipt,
        summary=summarise(findings) if findings is not None else None,
        by=by,
        problem=problem,
    )
