"""The operator's commands: ``flask manifest|list|run|token|db``. Each owns its transaction; facts come as text or, with --json, as JSON.

``flask run`` is Flask's development server unless the entry point in pyproject.toml is installed, so the group is ``flask runs``, too.
"""

from flask import Flask

from portal.cli.database import database
from portal.cli.lists import lists
from portal.cli.manifests import manifests
from portal.cli.runs import runs
from portal.cli.tokens import tokens


def init_app(app: Flask) -> None:
    for group in (manifests, lists, tokens, database):
        app.cli.add_command(group)
    app.cli.add_command(runs, "runs")
