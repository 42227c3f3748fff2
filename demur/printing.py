"""Text from outside as a terminal may show it: it can forge no line, and hides nothing."""

import re


def printable(text: str, longest: int | None = None) -> str:
    """The text on one line, with escapes for what a terminal would obey or nobody could see; cut after `longest` characters."""
    shown = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text[:longest])
    shown = re.sub(" (?= )", r"\\x20", shown)  # a long gap would begin another line of a terminal
    return shown + "…" * (longest is not None and len(text) > longest)


def brief(text: str, most: int = 1000) -> str:
    """At most so many letters of it, and … for the others: a stranger may write millions. static/verify/escaped.js does the same."""
    return text if len(text) <= most else f"{text[:most]}…"
