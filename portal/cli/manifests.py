"""``flask manifest``: lists of photos for training, imported into catalogues."""

from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from models import Manifest
from portal.cli.output import json_option, show_rows
from portal.site import site


@click.group("manifest")
def manifests() -> None:
    """Manifests: lists of photos that a model may be trained on."""


@manifests.command("list")
@json_option
@with_appcontext
def list_manifests(as_json: bool) -> None:
    """List manifests, oldest first."""
    with site().reading.begin() as session:
        rows = session.scalars(select(Manifest).order_by(Manifest.id)).all()
    show_rows([_facts(manifest) for manifest in rows], as_json)


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.public_id,
        "name": manifest.name,
        "state": manifest.state.value,
        "rows": manifest.rows,
        "rejected": manifest.rejected,
        "registered_at": manifest.registered_at,
        "digest": manifest.digest,
    }
