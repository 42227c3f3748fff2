"""`python -m demo.provider`: serves at the issuer's address until it is ended."""

import signal
import sys
from types import FrameType

from werkzeug.serving import WSGIRequestHandler, make_server

from config import Config
from demo.provider import create_provider
from demo.settings import DemoDirectory
from supervisor.checks import address_of
from supervisor.private import keep_private


class QuietHandler(WSGIRequestHandler):
    """Writes no access log: its lines would hold codes and say who signed in."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


def main() -> None:
    config = Config.from_env()
    keep_private(config.data_dir)
    if not config.oidc_issuer:
        sys.exit("Set DEMUR_OIDC_ISSUER to this provider's address, for example http://127.0.0.1:8001.")
    host, port = address_of(config.oidc_issuer)
    directory = DemoDirectory.of(config).provider
    server = make_server(host, port, create_provider(config, directory), threaded=True, request_handler=QuietHandler)
    signal.signal(signal.SIGTERM, _leave)
    server.serve_forever()


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
