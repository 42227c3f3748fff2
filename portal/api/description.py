"""The API in OpenAPI 3.1, for people, for client generators, and for the tests, which hold every answer against it."""

from pathlib import Path

from flask import Blueprint, Response, send_file

PATH = Path(__file__).with_name("openapi.json")


def add_routes(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/openapi.json", "description", description)


def description() -> Response:
    return send_file(PATH, mimetype="application/json")
