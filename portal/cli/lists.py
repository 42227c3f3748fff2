"""``flask list``: the exclusion list."""

from datetime import datetime, timedelta
from typing import Any

import click
from flask.cli import with_appcontext

from demur.tlog.files import LogFiles
from models import ExclusionListVersion
from portal.cli.output import json_option, plainly, show, show_rows
from portal.site import now, site
from rights.consumers import Consumer
from rights.consumers import consumers as list_consumers
from rights.list_versions import newest_version
from rights.lists import ListPress, preparing
from rights.lists import publish as publish_list
from rights.signing_keys import SigningKeys


@click.group("list")
def lists() -> None:
    """The exclusion list."""


@lists.command()
@click.option("--force", is_flag=True, help="Publish a new version even if nothing changed, which also renews its expiry.")
@json_option
@with_appcontext
@plainly
def publish(force: bool, as_json: bool) -> None:
    """Publish a new version now, if its entries changed or the newest one is about to expire."""
    config = site().config
    keys = SigningKeys(config.keys_dir, config.list_dir)
    log, lifetime = LogFiles(config.log_dir), timedelta(days=config.list_lifetime_days)
    press = ListPress(config.list_dir, keys.list_key(), log, keys.log_key(), config.list_name, lifetime)
    with preparing(site().reading, site().writing, press, now(), force=force) as prepared, site().writing.begin() as session:
        version = publish_list(session, prepared)
    if version is None:
        click.echo("{}" if as_json else "nothing changed, so there is no new version")
    else:
        show(_facts(version), as_json)


@lists.command("show")
@json_option
@with_appcontext
@plainly
def show_list(as_json: bool) -> None:
    """Show the newest version and the key that verifies it."""
    with site().reading.begin() as session:
        newest = newest_version(session)
    if newest is None:
        raise click.ClickException("no version is published yet")
    show(_facts(newest) | {"key": str(site().keys.list_key())}, as_json)


@lists.command()
@json_option
@with_appcontext
@plainly
def consumers(as_json: bool) -> None:
    """List who may read the list, which version each said to obey last, and who is stale."""
    grace, at = timedelta(hours=site().config.consumer_grace_hours), now()
    with site().reading.begin() as session:
        show_rows([_consumer_facts(consumer, at) for consumer in list_consumers(session, grace, at)], as_json)


def _consumer_facts(consumer: Consumer, at: datetime) -> dict[str, Any]:
    last = consumer.last
    return {
        "consumer": consumer.name,
        "standing": consumer.standing.value,
        "version": last.version if last else None,
        "acknowledged_at": last.at if last else None,
        "manifest": last.manifest if last else None,
        "rows": last.rows if last else None,
        "dropped": last.dropped if last else None,
        "versions_behind": consumer.versions_behind,
        "hours_behind": round((at - consumer.behind_since) / timedelta(hours=1), 1) if consumer.behind_since else None,
    }


def _facts(version: ExclusionListVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "root": version.root,
        "total": version.total,
        "counts": version.counts,
        "added": version.added,
        "removed": version.removed,
        "published_at": version.published_at,
        "expires_at": version.expires_at,
    }
