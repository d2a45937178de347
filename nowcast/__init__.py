"""Motion and extrapolation of rain."""
