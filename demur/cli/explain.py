"""`demur explain`: which entry of a list excludes a row, and why."""

import json
from typing import TYPE_CHECKING, Any

import click

from demur.cli.lists import with_list_options
from demur.cli.output import json_option, note, print_json
from demur.printing import printable
from demur.signing import VerifyKey

if TYPE_CHECKING:
    from pathlib import Path

    from demur.exclusions.columns import KeyedRows

EXCLUDED = 4


def _row(text: str) -> dict[str, object]:
    """A JSON object. Raises BadParameter."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise click.BadParameter("a row is one JSON object")
    return row


def _field(text: str) -> tuple[str, str]:
    """COLUMN=VALUE. Raises BadParameter."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{printable(text)} is not COLUMN=VALUE, for example uid=0123")
    return name, value


@click.command("explain")
@click.argument("values", metavar="[COLUMN=VALUE]...", nargs=-1, type=_field)
@click.option("--list", "list_source", required=True, metavar="URL_OR_DIR", envvar="DEMUR_LIST", help="The exclusion list.")
@with_list_options
@click.option("--row", type=_row, default="{}", metavar="JSON", help="More columns, as one JSON object.")
@json_option
@click.pass_context
def explain_command(
    ctx: click.Context,
    values: tuple[tuple[str, str], ...],
    list_source: str,
    key: VerifyKey,
    token: str | None,
    state: "Path | None",
    row: dict[str, object],
    as_json: bool,
) -> None:
    """Say which entry of the newest list version excludes a row, and why. Columns may be called what they are called in any manifest.

    The exit code is 0 if the row is kept, and 4 if it is excluded.
    """
    from demur.exclusions.matching import WHY
    from demur.exclusions.reader import ExclusionList

    rows = _compared({**row, **dict(values)})
    exclusions = ExclusionList.open(list_source, key=key, token=token, state=state)
    head, entry = exclusions.head, exclusions.explain(rows)
    not_applied = exclusions.judge(rows).not_applied
    version = f"version {head.version} of {head.list_id}"
    if as_json:
        print_json(
            {
                "excluded": entry is not None,
                "entry": entry and {"kind": entry.kind.value, "key": entry.key, "pdq": entry.pdq},
                "why": entry and WHY[entry.kind],
                "not_applied": [kind.value for kind in not_applied],
                "list": {"list_id": head.list_id, "version": head.version, "root": head.root},
            }
        )
    elif entry:
        click.echo(f"Excluded by {version}: {WHY[entry.kind]}.")
        click.echo(f"  entry: {printable(' '.join(filter(None, (entry.kind.value, entry.key, entry.pdq))))}")
    else:
        click.echo(f"Kept: no entry of {version} excludes this row.")
        for kind in not_applied:
            note(f"Note: the list has {head.counts[kind]:,} {kind.value} entries, but the row has nothing to apply them by.")
    ctx.exit(EXCLUDED if entry else 0)


def _compared(fields: dict[str, Any]) -> "KeyedRows":
    """One row, of the columns that lists speak about. A value that none can be compared with is refused. Raises UsageError, NoKeyColumn."""
    from demur.exclusions.columns import BadKeyColumn
    from demur.filtering.keys import record_table

    rows = record_table([fields], "the row")
    try:
        faults = [fault for name in rows.columns for fault in rows.reading(name).faults]
    except BadKeyColumn as error:
        raise click.UsageError(str(error)) from error
    for fault in faults:
        raise click.UsageError(printable(f"{fault.examples[0]} is not what a list can be compared with: {fault.reason}"))
    return rows
