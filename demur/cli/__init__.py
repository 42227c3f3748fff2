"""The `demur` command: the training engineer's and the auditor's side, without a portal. Heavy rooms are imported by the command that
needs them, so that `demur keys` and `--help` answer at once.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (a list, signature or proof that cannot be trusted; rows that cannot be compared
with the list), 4 excluded (`demur explain`).
"""

import click

from demur import __version__
from demur.cli.explain import explain_command
from demur.cli.hashing import hash_command
from demur.cli.index import index_group
from demur.cli.keys import keys_group
from demur.cli.lists import filter_command, list_group
from demur.cli.output import Refusing
from demur.cli.vectors import vectors_group
from demur.cli.verify import verify_command
from demur.cli.witness import witness_command


@click.group(cls=Refusing, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="demur")
def main() -> None:
    """Filter training manifests by a signed exclusion list, find copies of pictures, and verify what was published and trained."""


for command in (
    filter_command,
    explain_command,
    verify_command,
    witness_command,
    list_group,
    vectors_group,
    keys_group,
    hash_command,
    index_group,
):
    main.add_command(command)
