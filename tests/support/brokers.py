"""A real Valkey for tests, which a test may also kill and start again."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import redis

from supervisor.broker import SOCKET_NAME, broker_command, wait_for_broker


class Broker:
    """A broker of its own on a unix socket."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="demur-broker-"))
        self.socket = self._directory / SOCKET_NAME
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the server, or starts it again after a kill, and waits until it answers."""
        self._process = subprocess.Popen(broker_command(self.socket), stdout=subprocess.DEVNULL)
        wait_for_broker(self.socket)

    def kill(self) -> None:
        """Ends it as a crash would."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)

    def lose_everything(self) -> None:
        """What a broker that was killed forgets when its disk is gone, too: all of it. Call it between kill and start."""
        shutil.rmtree(self._directory / "appendonlydir", ignore_errors=True)

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._directory)
