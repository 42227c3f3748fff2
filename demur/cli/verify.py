"""`demur verify`: what receipts and the files of lists, logs and runs prove, offline."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from demur.cli.keyrings import trust_of, with_keys_by_role
from demur.cli.output import FILE, REFUSED, json_option, print_json
from demur.printing import printable
from demur.signing import VerifyKey
from demur.tlog.checkpoint import WitnessKey

if TYPE_CHECKING:
    from demur.verifying import Finding, Summary

SHOWN = 3  # of findings that hold in one group
_NOT_CHECKED = 1
_FAILED = "Rely on nothing that this file says. Get it again; if it does not hold then either, ask the one who signed it."
_WORDS = {"holds": "HOLDS", "does not hold": "DOES NOT HOLD", "could not be checked": "COULD NOT BE CHECKED"}


@click.command("verify")
@click.argument("files", nargs=-1, required=True, type=FILE)
@with_keys_by_role
@json_option
def verify_command(
    files: tuple[Path, ...],
    lists: tuple[VerifyKey, ...],
    logs: tuple[VerifyKey, ...],
    runs: tuple[VerifyKey, ...],
    witnesses: tuple[WitnessKey, ...],
    key_files: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Verify receipts, bundles of evidence, list heads, entries, run records, consumed samples, proofs and log checkpoints offline, and say
    what each proves and what not.

    Each file holds, does not hold (exit code 3), or could not be checked, because something is missing (exit code 1). A key is trusted for
    its role alone. Give a proof or entries together with the signed file that they belong to; a bundle holds both. A list directory stands
    for its newest head and entries.
    """
    from demur.verifying import Answer, documents_of, summarise, verify_documents

    trust = trust_of(lists, logs, runs, witnesses, key_files)
    findings = verify_documents([document for file in files for document in documents_of(file)], trust, datetime.now(UTC))
    summary = summarise(findings)
    if as_json:
        told = [asdict(finding) for finding in findings]
        print_json({"answer": summary.answer, "headline": summary.headline, "lines": summary.lines, "files": told})
    else:
        for line in _told(summary, len(findings)):
            click.echo(printable(line) if not line.startswith("    ") else "    " + printable(line[4:]))
    if summary.answer is not Answer.HOLDS:
        sys.exit(REFUSED if summary.answer is Answer.FAILS else _NOT_CHECKED)


def _told(summary: "Summary", number: int) -> Iterator[str]:
    """What all prove together, then each that does not hold, and of many that do the first few: a bundle may hold thousands of proofs."""
    if number > 1:
        yield summary.headline
        yield from (f"    {line}" for line in summary.lines)
    for group in summary.groups:
        kept: Counter[str] = Counter()
        for finding in group.findings:
            kept[finding.answer] += 1
            if finding.answer != "holds" or kept[finding.answer] <= SHOWN or not group.proofs:
                yield from _one(finding)
        more = kept["holds"] - SHOWN
        if more > 0 and group.proofs:
            yield f"HOLDS and {more:,} more: {group.title}"


def _one(finding: "Finding") -> Iterator[str]:
    yield f"{_WORDS[finding.answer]} {finding.file} ({finding.kind})"
    because = f"{finding.reason.rstrip('.')}. ({finding.error})" if finding.error else ""
    told = {
        "Because": because,
        "Do": finding.remedy or (_FAILED if finding.error else ""),
        "Proves": finding.proves,
        "Does not prove": finding.not_proves,
        "Signed by": finding.signed,
    }
    yield from (f"    {name}: {text}" for name, text in told.items() if text)
