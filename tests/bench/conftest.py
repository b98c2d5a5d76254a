"""`bench` is no package that is installed: it is found in the clone."""

from __future__ import annotations

import sys
from pathlib import Path

# At the end, so that the clone's `outbox` and `relay` cannot stand in for the installed ones.
sys.path.append(str(Path(__file__).parents[2]))
