"""The sandbox of those who read many pictures and can wait: commands, imports, filters, the trainer."""

from demur.similarity.confinement import MEMORY
from demur.similarity.sandbox import TIMEOUT_S, DecoderCrashed, Sandbox, Took, uncounted

PICTURES = 5000
"""A process is replaced after so many."""
_PATIENCE_S = 3600.0


class PatientSandbox(Sandbox):
    """Asks once more where a decoder dies: the kernel may have killed it for another's memory, and no answer may depend on that."""

    def __init__(self, *, processes: int, work: str, timeout: float = TIMEOUT_S, memory: int = MEMORY) -> None:
        super().__init__(processes=processes, timeout=timeout, wait=_PATIENCE_S, memory=memory, pictures=PICTURES, work=work)

    def ask(self, data: bytes, timeout: float | None = None, took: Took = uncounted) -> bytes:
        try:
            return super().ask(data, timeout, took)
        except DecoderCrashed:
            return super().ask(data, timeout, took)
