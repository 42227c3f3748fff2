"""`demur filter` and `demur list`: what an exclusion list says, and a manifest without what it excludes."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.keyrings import list_key_option
from demur.cli.output import FILE, json_option, note, print_json, progress
from demur.fields import rfc3339
from demur.signing import VerifyKey

if TYPE_CHECKING:
    from demur.exclusions import ExclusionList
    from demur.filtering import FilterReport

_list_options: list[Callable[..., Any]] = [
    list_key_option,
    click.option("--token", envvar="DEMUR_TOKEN", help="API token for a list over HTTP."),
    click.option("--state", type=FILE, envvar="DEMUR_STATE", help="File that remembers the newest version trusted: shows a rollback."),
]


def with_list_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_list_options):
        command = option(command)
    return command


@click.command("filter")
@click.argument("manifest", type=FILE)
@click.option("--list", "list_source", required=True, metavar="URL_OR_DIR", envvar="DEMUR_LIST", help="The exclusion list.")
@with_list_options
@click.option("--out", required=True, type=FILE, help="Where the filtered copy goes; replaced in one step if it is a file.")
@click.option(
    "--acknowledge", "acknowledging", is_flag=True, help="Tell the publisher afterwards which version was applied, and what that dropped."
)
@click.option(
    "--allow-unreadable",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Leave out up to N rows that cannot be compared with the list. Without it one such row stops the command.",
)
@click.option("--skip-empty", is_flag=True, help="Leave shards of 0 bytes out of a directory, instead of stopping at the first.")
@json_option
def filter_command(
    manifest: Path,
    list_source: str,
    key: VerifyKey,
    token: str | None,
    state: Path | None,
    out: Path,
    acknowledging: bool,
    allow_unreadable: int,
    skip_empty: bool,
    as_json: bool,
) -> None:
    """Copy MANIFEST without its excluded rows: Parquet, CSV, TSV, JSONL, a WebDataset tar, a directory of such shards, or a catalogue
    (whose kept rows become one Parquet file). The newest list version is pulled and verified first; on any doubt nothing is written."""
    from demur.exclusions.reader import ExclusionList
    from demur.filtering import filter_manifest

    started = time.monotonic()
    exclusions = ExclusionList.open(list_source, key=key, token=token, state=state)
    with progress() as bar:
        task = bar.add_task(manifest.name, total=None)
        report = filter_manifest(
            manifest,
            out,
            exclusions,
            lambda done, total: bar.update(task, completed=done, total=total),
            allow_unreadable=allow_unreadable,
            skip_empty=skip_empty,
        )
    head = exclusions.head
    acknowledged = acknowledging and _acknowledge(exclusions, manifest, report)
    if as_json:
        print_json(
            {
                "manifest": str(manifest),
                "out": str(out),
                "rows": report.rows,
                "kept": report.kept,
                "dropped": {kind.value: number for kind, number in sorted(report.dropped.items())},
                "not_applied": [kind.value for kind in report.not_applied],
                "unreadable": {
                    "rows": report.unreadable_rows,
                    "allowed": report.allow_unreadable,
                    "reasons": {reason: asdict(each) for reason, each in sorted(report.unreadable.items())},
                },
                "notes": dict(report.notes),
                "list": {"list_id": head.list_id, "version": head.version, "root": head.root},
                "acknowledged": acknowledged,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        return
    click.echo(f"Kept {report.kept:,} of {report.rows:,} rows by version {head.version} of {head.list_id}; written to {out}.")
    for kind, number in sorted(report.dropped.items()):
        click.echo(f"  dropped by {kind.value}: {number:,}")
    for reason, each in sorted(report.unreadable.items()):
        click.echo(f"  left out, not comparable ({reason}): {each.rows:,}, for example {each.examples[0]}")
    for kind in report.not_applied:
        note(f"Note: the list has {head.counts[kind]:,} {kind.value} entries, but the manifest has nothing to apply them by.")
    for what, number in sorted(report.notes.items()):
        note(f"Note: {number:,} {what} were met.")


def _acknowledge(exclusions: "ExclusionList", manifest: Path, report: "FilterReport") -> bool:
    """The copy is in place by now: a publisher that cannot be told is worth a note, and no failure."""
    from demur.exclusions.acknowledging import NotAcknowledged

    try:
        exclusions.acknowledge(manifest.name, rows=report.rows, dropped=report.rows - report.kept)
    except NotAcknowledged as refused:
        note(f"Note: the publisher was not told that version {exclusions.head.version} was applied: {refused}.")
        return False
    return True


@click.group("list")
def list_group() -> None:
    """Look at an exclusion list."""


@list_group.command("show")
@click.argument("list_source", metavar="URL_OR_DIR")
@with_list_options
@json_option
def list_show(list_source: str, key: VerifyKey, token: str | None, state: Path | None, as_json: bool) -> None:
    """Pull and verify the newest version, and print its head."""
    from demur.exclusions.reader import ExclusionList

    head = ExclusionList.open(list_source, key=key, token=token, state=state).head
    if as_json:
        print_json(json.loads(head.payload()))
        return
    rows = [("list", head.list_id), ("version", str(head.version)), ("root", head.root), ("entries", f"{head.total:,}")]
    rows += [(f"  by {kind.value}", f"{number:,}") for kind, number in sorted(head.counts.items())]
    rows += [("added, removed", f"{head.added:,}, {head.removed:,}")]
    rows += [("published", rfc3339(head.published_at)), ("good until", rfc3339(head.expires_at))]
    for name, value in rows:
        click.echo(f"{name:<16}{value}")
