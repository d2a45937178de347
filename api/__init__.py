"""FastAPI service and viewer: reads what is published, runs no science."""
