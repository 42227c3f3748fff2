"""What the person at the terminal sees: where the portal is, who can sign in, and long work as it goes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

RED = "#b8281a"


@dataclass(frozen=True)
class Work:
    """One bar: ``done`` of ``total`` (None: not known yet)."""

    public_id: str
    title: str
    note: str
    done: int
    total: int | None


class Terminal:
    """Sentences above, bars below. Where there is no terminal, the sentences alone."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=28, complete_style=RED, finished_style=RED),
            MofNCompleteColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def welcome(self, address: str, lines: Iterable[str]) -> None:
        self._console.print()
        self._console.print(Text.assemble("  ", ("Demur", "bold strike"), "  ", (address, "bold underline")))
        self._console.print()
        for line in lines:
            self.say(line)
        self._console.print()

    def say(self, sentence: str) -> None:
        self._console.print(Text(f"  {sentence}" if sentence else ""), soft_wrap=True)

    def warn(self, sentence: str) -> None:
        self._console.print(Text(f"  {sentence}", style=RED), soft_wrap=True)

    def show(self, works: Sequence[Work]) -> list[str]:
        """Draws a bar for each work; returns the public ids of those that were shown before and are over."""
        for work in works:
            self._draw(work)
        over = [public_id for public_id in self._tasks if public_id not in {work.public_id for work in works}]
        for public_id in over:
            self._progress.remove_task(self._tasks.pop(public_id))
        return over

    def _draw(self, work: Work) -> None:
        if work.public_id not in self._tasks:
            self._tasks[work.public_id] = self._progress.add_task(work.title, note=work.note)
        self._progress.update(self._tasks[work.public_id], completed=work.done, total=work.total, note=work.note)
