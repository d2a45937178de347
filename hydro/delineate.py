"""From a flow tree to reaches: streams cut in pieces between confluences."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.flowtree import Cells, FlowTree


@dataclass(frozen=True, slots=True)
class Reaches:
    """Reaches, upstream before downstream, and the reach of every cell (-1 none)."""

    downstream: NDArray[np.int32]
    length_m: NDArray[np.float64]
    fall_m: NDArray[np.float64]
    bed_m: NDArray[np.float64]
    first_cell: Cells
    last_cell: Cells
    river: NDArray[np.int32]
    cell_reach: NDArray[np.int32]


@numba.njit(cache=True)
def _links(
    downstream: Cells, order: Cells, stream: NDArray[np.bool_], river: NDArray[np.int32]
) -> tuple[NDArray[np.int64], int]:
    """Number of the link of each stream cell (-1 off streams), upstream links first.

    A link runs from a head, a confluence or a change of river to the next.
    """
    entering = np.zeros(downstream.size, np.int32)
    above = np.full(downstream.size, -1, np.int64)
    for cell in order:
        below = downstream[cell]
        if stream[cell] and below != cell and stream[below]:
            entering[below] += 1
            above[below] = cell
    link = np.full(downstream.size, -1, np.int64)
    n = 0
    for k in range(order.size - 1, -1, -1):
        cell = order[k]
        if not stream[cell]:
            continue
        if entering[cell] == 1 and river[above[cell]] == river[cell]:
            link[cell] = link[above[cell]]
        else:
            link[cell] = n
            n += 1
    return link, n


def delineate(
    tree: FlowTree,
    min_area_km2: float,
    min_length_m: float,
    target_length_m: float,
) -> Reaches:
    """Cut streams into reaches of about the target length.

    Links shorter than the minimum join the next one downstream; longer ones than the target are
    split evenly.

    Parameters
    ----------
    tree
        Flow tree.
    min_area_km2
        A stream starts where this much land drains into it.
    min_length_m, target_length_m
        Lengths of reaches.
    """
    stream = (tree.area_km2 >= min_area_km2) & tree.kept
    link, n_links = _links(tree.downstream, tree.order, stream, tree.river)
    upstream_first = tree.order[::-1]
    cells = upstream_first[stream[upstream_first]]
    by_link = cells[np.argsort(link[cells], kind="stable")]
    counts = np.bincount(link[cells], minlength=n_links)
    members = [list(part) for part in np.split(by_link, np.cumsum(counts)[:-1])] if n_links else []
    below = _links_below(members, tree.downstream, link)
    joined = _joined_links(members, below, tree, min_length_m)
    reach_of_stream = np.full(tree.downstream.size, -1, np.int32)
    pieces: list[Cells] = []
    piece_link: list[int] = []
    first_piece: dict[int, int] = {}
    for number, path in enumerate(members):
        if joined[number] != number:
            continue
        first_piece[number] = len(pieces)
        pieces += _split(np.array(path, np.int64), tree.step_m, target_length_m)
        piece_link += [number] * (len(pieces) - first_piece[number])
    for number, piece in enumerate(pieces):
        reach_of_stream[piece] = number
    lost = cells[reach_of_stream[cells] < 0]  # side links that joined the next one
    reach_of_stream[lost] = [first_piece[joined[number]] for number in link[lost]]
    return _reaches(tree, pieces, piece_link, first_piece, below, joined, reach_of_stream)


def _links_below(members: list[list[int]], downstream: Cells, link: Cells) -> list[int]:
    """Return the link that each link flows into, -1 for none."""
    ends = [(path[-1], int(downstream[path[-1]])) for path in members]
    return [int(link[after]) if after != end else -1 for end, after in ends]


def _joined_links(
    members: list[list[int]], below: list[int], tree: FlowTree, min_length_m: float
) -> list[int]:
    """Return the link that each link has become part of; the main stem's cells are moved there."""
    joined = list(range(len(members)))
    main: dict[int, int] = {}
    for number, after in enumerate(below):
        end = members[number][-1]
        same = after >= 0 and tree.river[end] == tree.river[members[after][0]]
        best = main.get(after)
        if best is None or (same, tree.area_km2[end]) > _rank(best, members, after, tree):
            main[after] = number
    for number, path in enumerate(members):
        after = below[number]
        if after < 0 or float(tree.step_m[path].sum()) >= min_length_m:
            continue
        if main[after] == number and tree.river[path[0]] == tree.river[members[after][-1]]:
            members[after][:0] = path
        joined[number] = after
    for number in range(len(members) - 1, -1, -1):
        joined[number] = joined[joined[number]]
    return joined


def _rank(number: int, members: list[list[int]], after: int, tree: FlowTree) -> tuple[bool, float]:
    end = members[number][-1]
    same = after >= 0 and tree.river[end] == tree.river[members[after][0]]
    return bool(same), float(tree.area_km2[end])


def _split(path: Cells, step_m: NDArray[np.float64], target_length_m: float) -> list[Cells]:
    """Split the cells of a link into pieces of about the target length."""
    steps = step_m[path]
    parts = min(max(1, round(float(steps.sum()) / target_length_m)), len(path))
    middle = np.cumsum(steps) - steps / 2
    part = np.minimum((middle / steps.sum() * parts).astype(np.int64), parts - 1)
    return [path[part == p] for p in range(parts) if (part == p).any()]


def _reaches(
    tree: FlowTree,
    pieces: list[Cells],
    piece_link: list[int],
    first_piece: dict[int, int],
    below: list[int],
    joined: list[int],
    cell_reach: NDArray[np.int32],
) -> Reaches:
    """Arrays of the reaches, and hillslope cells given to the reach that they drain into."""
    n = len(pieces)
    downstream = np.full(n, -1, np.int32)
    for number in range(n):
        if number + 1 < n and piece_link[number + 1] == piece_link[number]:
            downstream[number] = number + 1
        elif (after := below[piece_link[number]]) >= 0:
            downstream[number] = first_piece[joined[after]]
    last = np.array([piece[-1] for piece in pieces], np.int64)
    first = np.array([piece[0] for piece in pieces], np.int64)
    end = tree.downstream[last]
    _spread(tree.downstream, tree.order, cell_reach)
    return Reaches(
        downstream=downstream,
        length_m=np.array([tree.step_m[piece].sum() for piece in pieces]),
        fall_m=tree.height_m[first] - tree.height_m[end],
        bed_m=tree.height_m[last],
        first_cell=first,
        last_cell=last,
        river=tree.river[last],
        cell_reach=np.where(tree.kept, cell_reach, -1).astype(np.int32),
    )


@numba.njit(cache=True)
def _spread(downstream: Cells, order: Cells, cell_reach: NDArray[np.int32]) -> None:
    """Give each cell off the streams the reach of the cell it drains into."""
    for cell in order:
        if cell_reach[cell] < 0:
            cell_reach[cell] = cell_reach[downstream[cell]]
