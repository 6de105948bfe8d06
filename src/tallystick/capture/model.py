"""Model files: digest, size and format by name. They are bytes here, never loaded, unpickled or unpacked.

A model is one file, recorded by its plain SHA-256 (what `sha256sum` prints), or a folder, recorded by the digest of its
listing (:mod:`tallystick.capture.fingerprint`), which then is attached so that each file can be checked alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tallystick.canonical import Value
from tallystick.capture.captured import Captured, named
from tallystick.capture.fingerprint import Fingerprint, Progress, fingerprint
from tallystick.errors import InvalidData
from tallystick.records import Attachment

__all__ = ["model_files"]

_MAX_LISTING: Final = 4 * 1024 * 1024
_FORMATS: Final = {
    ".bin": "binary",
    ".cbm": "catboost",
    ".gguf": "gguf",
    ".h5": "hdf5",
    ".joblib": "joblib (pickle: running code when loaded)",
    ".json": "json",
    ".keras": "keras",
    ".onnx": "onnx",
    ".pb": "protobuf",
    ".pickle": "pickle (running code when loaded)",
    ".pkl": "pickle (running code when loaded)",
    ".pmml": "pmml",
    ".pt": "pytorch (pickle: running code when loaded)",
    ".pth": "pytorch (pickle: running code when loaded)",
    ".safetensors": "safetensors",
    ".skops": "skops",
    ".tflite": "tflite",
    ".txt": "text",
    ".ubj": "ubjson",
    ".zip": "zip",
}


def model_files(path: Path | str, *, name: str | None = None, progress: Progress | None = None) -> Captured:
    """The fields ``digest`` and ``files`` of a record of kind ``model``; the others are not in the files.

    Args:
        path: the model's file or folder.
        name: how the subject is called; the file's name if None.
        progress: told how far reading is.

    Raises:
        NotFound: there is nothing at `path`.
        InvalidData: empty, unreadable, or changed while it was read.
    """
    mark = fingerprint(path, progress=progress)
    shown = named(path)
    if mark.bytes == 0:
        raise InvalidData("model is empty", where=shown)
    files: dict[str, Value] = {
        "name": shown,
        "encoding": mark.encoding,
        "bytes": mark.bytes,
        "files": mark.files,
        "format": _format(mark, shown),
    }
    if mark.encoding == "file":
        files["tree"] = mark.sha256
    return Captured(
        body={"digest": mark.digest, "files": files},
        attachments=_listing(mark),
        subject=({"name": name or shown, "digest": {"sha256": mark.digest}},),
    )


def _format(mark: Fingerprint, name: str) -> str:
    """By the ending of the name alone: a guess, for readers."""
    if mark.encoding == "folder":
        return "folder"
    return _FORMATS.get(Path(name).suffix.lower(), "unknown")


def _listing(mark: Fingerprint) -> tuple[Attachment, ...]:
    data = mark.listing_bytes() if mark.encoding == "folder" else b""
    return (Attachment("listing.json", "application/json", data),) if 0 < len(data) <= _MAX_LISTING else ()
