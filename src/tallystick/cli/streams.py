"""The standard streams, so that whoever reads them, or does not, changes no exit code.

* A reader that has gone (``tallystick ... | head -1``), or a stream that was closed from the start, wants no more: what
  is said from then on is dropped, and the command ends with the code that its work came to.
* A standard output that takes no more for another reason, such as a full disk, is an answer lost: exit 3.
"""

from __future__ import annotations

import io
import os
import sys
from typing import IO, TYPE_CHECKING, Any

from tallystick.errors import Unavailable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["settle"]


def settle() -> None:
    """Put streams that bear it in the place of the standard output and the standard error."""
    sys.stdout = _bearing(sys.stdout, 1)
    sys.stderr = _bearing(sys.stderr, 2)


def _bearing(stream: IO[str] | None, number: int) -> Any:
    if stream is None:  # closed: the number must not become that of a ledger or a pipe
        _drop(number)
    elif not isinstance(stream, io.TextIOWrapper) or stream.fileno() != number:
        return stream  # somebody else's, who runs this within their own program
    return io.TextIOWrapper(
        io.BufferedWriter(_Stream(number, "wb", closefd=False)),
        encoding=stream.encoding if stream is not None else "utf-8",
        errors=stream.errors if stream is not None else "backslashreplace",
        line_buffering=stream is not None and stream.line_buffering,
        write_through=number == 2,
    )


class _Stream(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            number = self.fileno()
            _drop(number)  # what a buffer still holds has to go somewhere, or the end of the program fails too
            if number == 1 and not isinstance(error, BrokenPipeError):
                raise Unavailable(
                    "standard output cannot be written to",
                    got=error.strerror,
                    remedy="Look with `tallystick log` whether something was recorded.",
                ) from error
            return memoryview(data).nbytes


def _drop(number: int) -> None:
    """Let whatever is written to this stream go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
