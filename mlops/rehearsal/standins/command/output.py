"""Stand-in ``command`` provider: what a command writes, collected and shown line by line."""

from __future__ import annotations

from mlops.rehearsal.standins.provider import Call, ProviderError

# The official provider logs through a line scanner with this buffer and stops reading at a longer line, with the command
# blocked on its full pipe for ever.
LINE_LIMIT = 64 * 1024

_LOGGED = {"stdout": {"stdout"}, "stderr": {"stderr"}, "stdoutAndStderr": {"stdout", "stderr"}, "none": set()}


class Output:
    """Both streams of one command.

    Args:
        call: where logged lines go.
        logging: ``stdout``, ``stderr``, ``stdoutAndStderr`` (also when None) or ``none``.
    """

    def __init__(self, call: Call, logging: str | None) -> None:
        self._call = call
        self._logged: set[str] = _LOGGED[logging or "stdoutAndStderr"]
        self._streams: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self._both = bytearray()
        self._line = bytearray()

    def write(self, stream: str, data: bytes) -> None:
        """Take what came on ``stdout`` or ``stderr``.

        Raises:
            ProviderError: a line is too long for the official provider's logging.
        """
        self._streams[stream] += data
        self._both += data
        if stream in self._logged:
            # One pipe carries both streams there, so pieces of their lines may join; here too.
            self._line += data
            *lines, rest = self._line.split(b"\n")
            self._line = bytearray(rest)
            for line in [*lines, rest]:
                if len(line) >= LINE_LIMIT:
                    raise ProviderError(
                        "stand-in: an output line of 64 KiB or more with logging on, where the official provider would hang "
                        "for ever; set logging to none or write shorter lines"
                    )
            for line in lines:
                self._show(line)

    def end(self) -> None:
        """Show a last line that has no newline."""
        if self._line:
            self._show(self._line)
            self._line.clear()

    def _show(self, line: bytes | bytearray) -> None:
        self._call.log(line.decode(errors="replace"), "INFO", True)  # noqa: FBT003 - the engine's own field

    def results(self) -> dict[str, object]:
        """The outputs ``stdout`` and ``stderr``, one trailing newline off each."""
        return {name: data.decode(errors="replace").removesuffix("\n") for name, data in self._streams.items()}

    def both(self) -> str:
        """Everything, in the order it came, for an error text."""
        return self._both.decode(errors="replace")
