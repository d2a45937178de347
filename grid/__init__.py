"""The shared language of the rooms: grids, fields, times, units, errors, the store."""
