"""Loss curves as SVG, drawn on the server: polylines in a plane of 640 × 240 units."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from rights.artefacts import LossPoint

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 10, 28
POINTS = 160  # a curve is thinned to about this many points: more cannot be seen


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Curve:
    """One stage's loss. ``raw`` and ``line`` are values of an SVG points attribute; ``rows`` are (step, smoothed loss) for the table."""

    stage: str
    raw: str
    line: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    rows: tuple[tuple[int, float], ...]


def loss_curves(points: Sequence[LossPoint]) -> list[Curve]:
    """One curve for each stage with at least two points, in the order of training. The loss axis is logarithmic."""
    stages: dict[str, list[LossPoint]] = {}
    for point in points:
        if point.loss > 0:
            stages.setdefault(point.stage, []).append(point)
    return [_curve(stage, _thinned(part)) for stage, part in stages.items() if len(part) > 1]


def _curve(stage: str, points: Sequence[LossPoint]) -> Curve:
    steps = [point.step for point in points]
    smooth = _smoothed([point.loss for point in points])
    low, high = log10(min(point.loss for point in points)), log10(max(point.loss for point in points))
    span = high - low or 1.0
    first, last = steps[0], steps[-1]

    def x(step: float) -> float:
        return LEFT + (step - first) / (last - first or 1) * (WIDTH - LEFT - RIGHT)

    def y(loss: float) -> float:
        return TOP + (high - log10(loss)) / span * (HEIGHT - TOP - BOTTOM)

    def path(losses: Sequence[float]) -> str:
        return " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in zip(steps, losses, strict=True))

    levels = [10 ** (low + span * part / 3) for part in range(4)]
    marks = _round_steps(first, last)
    return Curve(
        stage=stage,
        raw=path([point.loss for point in points]),
        line=path(smooth),
        across=tuple(Tick(x(mark), f"{round(mark):,}") for mark in marks),
        up=tuple(Tick(y(level), f"{level:.2g}") for level in levels),
        rows=tuple((steps[index], smooth[index]) for index in _spread(len(points), 8)),
    )


def _round_steps(first: int, last: int) -> list[int]:
    """Up to six round step numbers from first to last."""
    rough = max(1, (last - first) / 5)
    size = 10 ** int(log10(rough))
    pace = next(int(size * factor) for factor in (1, 2, 5, 10) if size * factor >= rough)
    return list(range(-(-first // pace) * pace, last + 1, pace))


def _thinned(points: list[LossPoint]) -> list[LossPoint]:
    return [points[index] for index in _spread(len(points), POINTS)]


def _spread(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` indices, evenly spread, with the first and the last."""
    if count <= wanted:
        return list(range(count))
    return sorted({round(part * (count - 1) / (wanted - 1)) for part in range(wanted)})


def _smoothed(values: Sequence[float], weight: float = 0.75) -> list[float]:
    """Exponential moving average that starts at the first value."""
    smooth, current = [], values[0]
    for value in values:
        current = weight * current + (1 - weight) * value
        smooth.append(current)
    return smooth
