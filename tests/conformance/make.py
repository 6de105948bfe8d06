"""Write the suite: ``python tests/conformance/make.py`` puts every case into ``cases/``, the same bytes each time.

``--check`` writes nothing and ends with 1 if what stands there is not what would be written.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from _cases import Case, cases  # noqa: E402
from _world import VKEY  # noqa: E402

CASES = HERE / "cases"


def files(case: Case) -> dict[str, bytes]:
    """What stands in the folder of a case."""
    return {"case.json": case.json().encode(), case.file: case.data, **case.files}


def written() -> dict[str, bytes]:
    """Every file of the suite by its path."""
    found = {"ledger.vkey": f"{VKEY}\n".encode()}
    return found | {f"cases/{case.name}/{name}": data for case in cases() for name, data in files(case).items()}


def there() -> dict[str, bytes]:
    paths = [HERE / "ledger.vkey", *(path for path in CASES.rglob("*") if path.is_file())]
    return {path.relative_to(HERE).as_posix(): path.read_bytes() for path in paths if path.exists()}


def main(words: list[str]) -> int:
    if words == ["--check"]:
        wanted, found = written(), there()
        different = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        print("\n".join(different) or "the suite is as it is made")
        return 1 if different else 0
    shutil.rmtree(CASES, ignore_errors=True)
    for name, data in written().items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
