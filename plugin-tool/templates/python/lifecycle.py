"""Both hooks in one plugin."""

from after_exit import AfterExit
from before_start import BeforeStart

__all__ = ["AfterExit", "BeforeStart"]
