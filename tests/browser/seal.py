"""The content security policy of verify.html names its script and its style by their SHA-256.

After a change to either, `python tests/browser/seal.py` writes the new hashes into the page.
"""

import base64
import hashlib
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "src/tallystick/standalone/verify.html"


def sealed(page: str) -> str:
    """The page, with the hashes of what stands in it now."""
    for part in ("script", "style"):
        (content,) = re.findall(rf"<{part}>(.*?)</{part}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        page, places = re.subn(
            rf"({part}-src 'sha256-)[^']*'", lambda found, digest=digest: f"{found[1]}{digest}'", page
        )
        assert places == 1, f"{part}-src stands in the policy {places} times"
    return page


if __name__ == "__main__":
    PAGE.write_text(sealed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
