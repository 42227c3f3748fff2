"""The operator's commands, ``flask GROUP …``. Each owns its transaction; facts are text or, with --json, JSON."""

from flask import Flask

from portal.cli.database import database
from portal.cli.index import index
from portal.cli.keys import keys
from portal.cli.lists import lists
from portal.cli.log import log
from portal.cli.manifests import manifests
from portal.cli.oidc import oidc
from portal.cli.opt_outs import opt_outs
from portal.cli.proposals import proposals
from portal.cli.runs import runs
from portal.cli.tokens import tokens
from portal.cli.vectors import vectors


def init_app(app: Flask) -> None:
    for group in (database, index, keys, lists, log, manifests, oidc, opt_outs, proposals, runs, tokens, vectors):
        app.cli.add_command(group)
