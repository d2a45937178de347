"""Bytes of a radar volume to quality-controlled rain on the grid."""
