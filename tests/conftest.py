"""Fixtures that tests of several rooms use. What is not asked for is not started."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "trials")]

from _postgres import database, ledger_database, ledger_template, server  # noqa: E402, F401 - found by their names
