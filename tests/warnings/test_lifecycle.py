from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.warnings import lifecycle
from jinghu.warnings.levels import Action
from jinghu.warnings.lifecycle import CellState, Found, LifeParams, Plan, Standing

T0 = datetime(2026, 7, 1, tzinfo=UTC)
STEP = timedelta(minutes=6)
PARAMS = LifeParams()
CELLS = np.arange(3)


def plan_event(*arguments) -> Plan:
    plan = lifecycle.plan_event(*arguments)
    assert plan is not None
    return plan


def found(level, kept=None, known=None) -> Found:
    level = np.array(level, np.uint8)
    kept = level if kept is None else np.maximum(level, np.array(kept, np.uint8))
    return Found(level, kept, np.ones(3, bool) if known is None else np.array(known))


def standing(cells, expires=T0 + timedelta(hours=3)) -> Standing:
    return Standing("e", max(c.level for c in cells.values()), expires, cells)


def run(sequence, start=None):
    """Levels of cell 0 after each (level, kept, known) cycle, 6 minutes apart."""
    state, out = start, []
    for k, (level, kept, known) in enumerate(sequence):
        plan = lifecycle.plan_event(
            standing({0: state}, T0 + timedelta(days=1)) if state else None,
            CELLS[:1],
            found([level, 0, 0], [kept, 0, 0], [known, True, True]),
            T0 + k * STEP,
            PARAMS,
        )
        state = plan.cells.get(0) if plan else None
        out.append(state.level if state else 0)
    return out


def test_nothing_there_nothing_to_do():
    assert lifecycle.plan_event(None, CELLS, found([0, 0, 0]), T0, PARAMS) is None


def test_a_first_level_is_new_and_a_higher_one_raises_at_once():
    plan = plan_event(None, CELLS, found([0, 2, 0]), T0, PARAMS)
    assert (plan.action, plan.level, set(plan.cells)) == (Action.NEW, 2, {1})
    later = plan_event(standing(plan.cells), CELLS, found([0, 4, 0]), T0 + STEP, PARAMS)
    assert (later.action, later.level) == (Action.UPGRADE, 4)


def test_raised_even_where_the_data_are_stale():
    plan = plan_event(
        standing({1: CellState(2, T0)}), CELLS, found([0, 3, 0], known=[0, 0, 0]), T0, PARAMS
    )
    assert plan.action is Action.UPGRADE


def test_lowered_after_an_hour_of_life_and_half_an_hour_below():
    levels = run([(3, 3, True)] + [(0, 0, True)] * 12)
    assert levels == [3] * 10 + [0] * 3  # cycle 10 is minute 60: alive 60, below since minute 6
    old = run([(3, 3, True)] * 12 + [(0, 0, True)] * 7)
    assert old == [3] * 17 + [0] * 2  # below from minute 72, lowered at minute 102


def test_close_to_the_threshold_keeps_the_level():
    assert run([(3, 3, True)] + [(2, 3, True)] * 30) == [3] * 31


def test_never_lowered_on_unknown_data():
    assert run([(3, 3, True)] + [(0, 0, False)] * 40) == [3] * 41


def test_a_gap_in_the_data_starts_the_waiting_again():
    levels = run([(3, 3, True)] * 12 + [(0, 0, True)] * 4 + [(0, 0, False)] + [(0, 0, True)] * 6)
    assert levels == [3] * 22 + [0]


def test_lowered_to_what_the_rain_supported_all_along():
    """Below orange for 30 minutes but at yellow in most of them: yellow, though the last is 0."""
    levels = run([(3, 3, True)] * 12 + [(2, 2, True)] * 5 + [(0, 0, True)] * 7)
    assert levels == [3] * 17 + [2] * 5 + [0] * 2


def test_a_raised_level_lives_its_own_hour():
    levels = run([(2, 2, True)] * 12 + [(4, 4, True)] + [(0, 0, True)] * 11)
    assert levels == [2] * 12 + [4] * 10 + [0] * 2


def test_renewed_before_it_expires():
    cells = {1: CellState(2, T0)}
    now = T0 + timedelta(hours=2, minutes=29)
    assert plan_event(standing(cells), CELLS, found([0, 2, 0]), now, PARAMS).action is None
    later = plan_event(standing(cells), CELLS, found([0, 2, 0]), now + STEP, PARAMS)
    assert later.action is Action.CONTINUE


def test_more_cells_extend_fewer_continue_none_cancel():
    old = T0 - timedelta(hours=2)
    cells = {0: CellState(2, old), 1: CellState(2, old, T0 - timedelta(minutes=30), 0)}
    more = plan_event(standing(cells), CELLS, found([2, 2, 2]), T0, PARAMS)
    assert more.action is Action.EXTEND_AREA
    fewer = plan_event(standing(cells), CELLS, found([2, 0, 0]), T0, PARAMS)
    assert (fewer.action, set(fewer.cells)) == (Action.CONTINUE, {0})
    last = plan_event(standing({1: cells[1]}), CELLS, found([0, 0, 0]), T0, PARAMS)
    assert (last.action, last.cells) == (Action.CANCEL, {})
    lower = plan_event(
        standing({0: CellState(2, old), 1: CellState(3, old, T0 - timedelta(minutes=30), 2)}),
        CELLS,
        found([2, 2, 0]),
        T0,
        PARAMS,
    )
    assert (lower.action, lower.level) == (Action.DOWNGRADE, 2)


SEGMENTS = st.tuples(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([True, True, True, False])),
    st.integers(1, 14),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(SEGMENTS, min_size=1, max_size=8))
def test_no_history_breaks_the_guards(segments):
    """Against the definition, looking back over the whole history instead of carrying a state."""
    sequence = [cycle for cycle, times in segments for _ in range(times)]
    sequence = [(level, max(level, kept), known) for level, kept, known in sequence]
    levels = run(sequence)
    for k, (level, _, _) in enumerate(sequence):
        assert levels[k] >= level  # raised at once, never below what is found
        if k == 0 or levels[k] >= levels[k - 1]:
            assert levels[k] == max(level, levels[k - 1] if k else 0)
            continue
        window = sequence[k - 5 : k + 1]  # 30 minutes: this cycle and the five before it
        assert k >= 10  # nothing lives less than an hour
        assert len(window) == 6
        assert all(known for _, _, known in window)
        assert all(kept < levels[k - 1] for _, kept, _ in window)
        assert max(kept for _, kept, _ in window) <= levels[k]
