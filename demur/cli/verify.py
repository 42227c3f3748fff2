"""`demur verify`: what receipts and the files of lists, logs and runs prove, offline."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from demur.cli.lists import KEY_HELP
from demur.cli.output import FILE, REFUSED, json_option, print_json
from demur.signing import VerifyKey
from demur.tlog.checkpoint import WitnessKey


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
    for finding in () if as_json else findings:
        click.echo(f"{'REFUSED' if finding.refusal else 'OK'}  {finding.file} ({finding.kind})")
        for label, text in (("Refused", finding.refusal), ("Proves", finding.proves), ("Does not prove", finding.not_proves)):
            if text:
                click.echo(f"    {label}: {text}")
    if refused:
        sys.exit(REFUSED)
