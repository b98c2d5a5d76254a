"""What is done with a message that can never be delivered. Loads nothing: the command lines name the choices."""

from __future__ import annotations

from typing import Literal

OnPoison = Literal["stop", "dead-letter", "park-key"]
"""What a durable reader does with a message that can never be delivered; see docs/poison.md."""
