"""How commands speak: facts on standard output, everything else on standard error, failures as one sentence and an exit code."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from demur.errors import DemurError, Refused
from demur.printing import printable

REFUSED = 3
FILE = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
errors = Console(stderr=True, highlight=False)


class Refusing(click.Group):
    """Turns anticipated failures into one sentence on stderr and an exit code; anything else is a fault and keeps its trace."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Refused as error:
            self._say(f"Refused ({type(error).__name__}): {error}", ctx, REFUSED)
        except DemurError as error:
            self._say(f"Error: {error}", ctx, 1)
        except BrokenPipeError:
            raise  # whoever read the output has seen enough: click ends quietly
        except OSError as error:
            self._say(f"Error: {error.filename or 'a file'}: {error.strerror or error}", ctx, 1)

    def _say(self, sentence: str, ctx: click.Context, code: int) -> None:
        note(sentence.rstrip(".") + ".")
        ctx.exit(code)


def progress() -> Progress:
    """A bar on stderr, and only where a person watches."""
    columns: Sequence[Any] = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)


def note(sentence: str) -> None:
    errors.print(printable(sentence), markup=False, soft_wrap=True)


def print_json(fields: dict[str, Any]) -> None:
    """One line. What a terminal would obey, or nobody could see, is escaped as JSON escapes it."""
    spelled = json.dumps(fields, ensure_ascii=False, sort_keys=True)
    click.echo("".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in spelled))
