"""How commands print facts, and how they fail: one sentence, exit status 1."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from demur.errors import DemurError

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Turns an anticipated failure into one sentence for the person at the terminal."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except DemurError as error:
            raise click.ClickException(str(error)) from error

    return run


@contextmanager
def bar(words: str) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr; gives the function that moves it: so many done, of how many, of which stage."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(words, total=None)

        def move(done: int, total: int | None, stage: str = "") -> None:
            shown.update(task, description=f"{words}: {stage}" if stage else words, completed=done, total=total)

        yield move


def show(facts: Mapping[str, Any], as_json: bool) -> None:
    """One thing's facts."""
    if as_json:
        click.echo(json.dumps(facts, default=_plain))
        return
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_text(value)}")


def show_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Many things of one kind, as a table whose cells are never cut."""
    if as_json:
        click.echo(json.dumps(rows, default=_plain))
        return
    lines = [[name.replace("_", " ") for name in row] for row in rows[:1]] + [[_text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines or [["none"]]:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths or [4], strict=True)).rstrip())


def _plain(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def _text(value: object) -> str:
    match value:
        case None:
            return "–"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M} UTC"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case dict():
            return ", ".join(f"{key} {_text(one)}" for key, one in value.items()) or "–"
        case list() | tuple():
            return ", ".join(map(str, value)) or "–"
    return str(value)
