"""The exclusion list for everyone: its newest version, and how to check it. The entries themselves need a token (portal/api)."""

from flask import Blueprint, render_template
from sqlalchemy import select

from models import ExclusionListVersion
from portal.database import db
from portal.site import site
from rights.list_versions import newest_version
from rights.receipts import entries_of_versions

SHOWN = 20
KINDS = {
    "uid": "photos, by their number on the platform",
    "sha256": "files, byte for byte",
    "phash": "pictures, by how they look",
    "url": "photos, by their address",
    "owner": "members, with everything they have and will post",
}
blueprint = Blueprint("lists", __name__)


@blueprint.get("/exclusion-list")
def page() -> str:
    versions = db().scalars(select(ExclusionListVersion).order_by(ExclusionListVersion.version.desc()).limit(SHOWN)).all()
    return render_template(
        "lists/page.html",
        newest=newest_version(db()),
        versions=versions,
        receipts=entries_of_versions(db(), [one.version for one in versions]),
        kinds=KINDS,
        key=site().keys.list_key(),
        log_key=site().keys.log_key(),
    )
