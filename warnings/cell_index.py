"""Recipients by cell, in memory: who is in any of these cells, without asking the database."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.spec import CELL_OUTSIDE


@dataclass(frozen=True, slots=True)
class AudienceIndex:
    """Recipients by cell in compressed rows: cell c has ``rows[start[c]:start[c + 1]]``."""

    start: NDArray[np.int64]
    rows: NDArray[np.int64]

    @staticmethod
    def build(cell_ids: NDArray[np.int64], n_cells: int) -> "AudienceIndex":
        """Index recipients by their cells; those outside the grid are in none."""
        rows = np.argsort(cell_ids, kind="stable")
        rows = rows[cell_ids[rows] != CELL_OUTSIDE]
        start = np.searchsorted(cell_ids[rows], np.arange(n_cells + 1))
        return AudienceIndex(start.astype(np.int64), rows.astype(np.int64))

    def match(self, cells: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the recipients in any of the cells, ascending."""
        wanted = np.unique(np.asarray(cells, np.int64))
        lengths = self.start[wanted + 1] - self.start[wanted]
        first = np.repeat(self.start[wanted] - np.cumsum(lengths) + lengths, lengths)
        return np.sort(self.rows[first + np.arange(lengths.sum())])
