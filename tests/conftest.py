"""Fixtures that tests of several rooms use. What is not asked for is not started."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _postgres import database, server  # noqa: F401 - fixtures, found by their names
