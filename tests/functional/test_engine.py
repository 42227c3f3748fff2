"""The pool of connections to the database."""

from contextlib import ExitStack

from models import make_engine


def test_as_many_connections_as_threads_ask_for(database_url: str):
    """One each, and a second one while they hold the first: with a bound, they would wait for each other."""
    engine = make_engine(database_url)
    with ExitStack() as held:
        for _ in range(2 * 20):
            held.enter_context(engine.connect())
    engine.dispose()
