"""Jinghu: where will it flood, who is standing there, and have they been told."""

__version__ = "0.1.0"
