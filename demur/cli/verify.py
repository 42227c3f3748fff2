"""`demur verify`: what receipts and the files of lists, logs and runs prove, offline."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from demur.cli.lists import KEY_HELP
from demur.cli.output import FILE, REFUSED, json_option, print_json
from demur.signing import VerifyKey
from demur.tlog.checkpoint import WitnessKey

if TYPE_CHECKING:
    from demur.verifying import Finding

SHOWN = 3  # of files of one kind in one place


@click.command("verify")
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    type=VerifyKey.load,
    metavar="KEY",
    envvar="DEMUR_VERIFY_KEYS",
    help=f"{KEY_HELP} Of the list, the log, or whoever signs run records. Repeatable.",
)
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    type=WitnessKey.load,
    metavar="KEY",
    help="A witness's public key: each checkpoint must be cosigned by it. Repeatable.",
)
@json_option
def verify_command(files: tuple[Path, ...], keys: tuple[VerifyKey, ...], witnesses: tuple[WitnessKey, ...], as_json: bool) -> None:
    """Verify receipts, bundles of evidence, list heads, entries, run records, consumed samples, proofs and log checkpoints offline, and say
    what each proves and what not.

    Give a proof or entries together with the signed file that they belong to; a bundle holds both. A list directory stands for its newest
    head and entries.
    """
    from demur.verifying import documents_of, verify_documents

    documents = [document for file in files for document in documents_of(file)]
    findings = verify_documents(documents, keys, datetime.now(UTC), witnesses)
    refused = any(finding.refusal for finding in findings)
    if as_json:
        print_json({"verified": not refused, "files": [asdict(finding) for finding in findings]})
    else:
        _tell(findings)
    if refused:
        sys.exit(REFUSED)


def _tell(findings: "Sequence[Finding]") -> None:
    """Every refusal, and of many files of one kind in one place the first few: a bundle may hold thousands of proofs."""
    told: Counter[tuple[str, str, str]] = Counter()
    for finding in findings:
        told[_group(finding)] += 1
        if finding.refusal or told[_group(finding)] <= SHOWN:
            click.echo(f"{'REFUSED' if finding.refusal else 'OK'}  {finding.file} ({finding.kind})")
            for label, text in (("Refused", finding.refusal), ("Proves", finding.proves), ("Does not prove", finding.not_proves)):
                if text:
                    click.echo(f"    {label}: {text}")
    for (place, begins, kind), number in told.items():
        if number > SHOWN:
            click.echo(f"OK  and {number - SHOWN:,} more like these: {place}/{begins}-… ({kind})")


def _group(finding: "Finding") -> tuple[str, str, str]:
    """Files in one place whose names begin alike, such as a run's proofs; refused ones stand apart."""
    file = PurePath(finding.file)
    return (finding.file, "", "") if finding.refusal else (str(file.parent), file.name.partition("-")[0], finding.kind)
