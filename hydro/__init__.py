"""Terrain, runoff, routing."""
