"""Visible checks and hints for the experiments of the assignment on the information bottleneck.

What is judged is what must hold whatever the seed, the schedule or the machine: a curve's shape and its distance from
the best known, the place of an onset, the share of starts that get stuck. The hidden tests judge in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from layerlab.grading.assignments import _information_bottleneck_theory as theory
from layerlab.grading.exercise import Answer, Exercise, Hint, Visible
from layerlab.information import entropy, mutual_information

BITS = math.log(2)
BETAS = np.geomspace(1.2, 20, 12)  # of question 3b
LOSS = 0.01  # bits by which a loss may miss the best known; a missed split costs more, an unfinished iteration less
SLOPE = 0.02  # by which a chord may leave its bounds
SHORT = 0.005  # bits; a chord shorter than this has no slope to speak of
SWEEP = np.arange(1.3, 2.501, 0.025)  # of question 4c
ONSET = 0.985, 1.04  # times the true onset: a step of the sweep to either side, and the bits that count as something
PRICE, STARTS = 8.0, 60  # of question 5a: beta, and how many starts at least
STUCK = 0.05  # bits above the best; the local optima lie half a bit and more above it
SHARE = 0.15, 0.9  # of starts that get stuck: 0.3 to 0.55 of soft random ones, up to 0.8 of hard ones, with 60 draws

Judge = Callable[[np.ndarray], str]


def _shows(seen: Callable[[np.ndarray], bool]) -> Callable[[Answer], bool]:
    """Recognises an answer by its numbers."""
    return lambda answer: answer.values is not None and bool(seen(answer.values))


def _near(values: np.ndarray, other: np.ndarray, tolerance: float = LOSS) -> bool:
    return values.shape == other.shape and bool((np.abs(values - other) <= tolerance).all())


# ---- 3b: the curve


def judge_curve(p_xy: np.ndarray, betas: np.ndarray = BETAS) -> Judge:
    """Judges (B, 2) points as the information curve at `betas`: bounds, shape, slopes, and the distance to the best."""

    def judged(points: np.ndarray) -> str:
        if points.shape != (len(betas), 2):
            return f"one row I(X;T), I(T;Y) for each of {len(betas)} betas is asked for; the shape was {points.shape}."
        if (points[:, 1] > np.minimum(points[:, 0], mutual_information(p_xy)) + 1e-3).any():
            return "I(T;Y) exceeds I(X;T) or I(X;Y): processing cannot add information."
        if (np.diff(points, axis=0) < -LOSS).any():
            return "an information falls where beta grows."
        return _missed(points, theory.curve(p_xy, betas), betas) or _bent(points, betas)

    return judged


def _missed(points: np.ndarray, best: np.ndarray, betas: np.ndarray) -> str:
    """Where the loss is not the best known."""
    over = (points - best) @ [1, 0] - betas * ((points - best) @ [0, 1])
    at = int(np.abs(over).argmax())
    if abs(over[at]) <= LOSS:
        return ""
    side = "above the best known" if over[at] > 0 else "below what an encoder can reach"
    return f"at beta = {betas[at]:.3g} your I(X;T) - beta I(T;Y) lies {abs(over[at]):.2g} bits {side}."


def _bent(points: np.ndarray, betas: np.ndarray) -> str:
    """Where a chord leaves its bounds 1/beta_2 and 1/beta_1; between them the curve is concave."""
    across, upward = np.diff(points, axis=0).T
    long = across > SHORT
    slopes = upward[long] / across[long]
    outside = (slopes > 1 / betas[:-1][long] + SLOPE) | (slopes < 1 / betas[1:][long] - SLOPE)
    if not outside.any():
        return ""
    at = int(outside.argmax())
    low, high = betas[:-1][long][at], betas[1:][long][at]
    return f"between beta = {low:.3g} and {high:.3g} the slope is {slopes[at]:.3g}, not between 1/beta at the two ends."


def curve(p_xy: np.ndarray) -> Exercise:
    """Question 3b: the curve of two joints, judged by what holds for every right annealing."""
    channel = theory.lopsided_channel(0.1, 0.5)

    @cache
    def known(own: bool) -> tuple[np.ndarray, np.ndarray]:
        """The curve, and H(T) on it."""
        joint = p_xy if own else channel
        encoders = theory.annealed(joint, BETAS)
        points = np.array([theory.plane(joint, encoder) for encoder in encoders])
        return points, np.array([entropy(joint.sum(1) @ encoder) for encoder in encoders])

    def one_step_each(joint: np.ndarray) -> np.ndarray:
        encoder, points = theory.own_cluster_each(joint), []
        for beta in BETAS[::-1]:
            encoder = theory.step(joint, encoder, float(beta))
            points.append(theory.plane(joint, encoder))
        return np.array(points[::-1])

    def like(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[Answer], bool]:
        def when(answer: Answer) -> bool:
            own = len(answer.visible.arguments()[0]) == len(p_xy)
            return answer.values is not None and _near(answer.values, change(*known(own)))

        return when

    return Exercise(
        name="3b",
        answer="curve",
        parameters=("p_xy", "betas"),
        reference=theory.curve,
        visible=(
            Visible("a coin and its flipped copy", lambda: (channel, BETAS.copy()), judged=judge_curve(channel)),
            Visible("your own joint", lambda: (p_xy.copy(), BETAS.copy()), judged=judge_curve(p_xy)),
        ),
        hints=(
            Hint("axes", "The columns are exchanged: I(X;T) comes first.", like(lambda points, h: points[:, ::-1])),
            Hint("order", "Your rows run against the betas: the first belongs to the smallest.",
                 like(lambda points, h: points[::-1])),
            Hint("nats", "Your informations are in nats; bits are asked for.", like(lambda points, h: BITS * points)),
            Hint("entropy", "Your first column is H(T). I(X;T) = H(T) - H(T|X), and encoders are noisy.",
                 like(lambda points, h: np.c_[h, points[:, 1]])),
            Hint("unfinished", "One step at each beta does not arrive: solve until nothing changes.",
                 lambda answer: answer.values is not None
                 and _near(answer.values, one_step_each(answer.visible.arguments()[0]), 0.1)),
            Hint("trivial", "All your encoders are trivial. Equal clusters stay equal at any beta: start with one for "
                 "each x at the largest beta, and go down.", _shows(lambda points: np.abs(points).max() < 1e-3)),
            Hint("two-clusters", "You never keep more than one bit: T has two values only. Allow as many as x has.",
                 _shows(lambda points: 0.5 < points[:, 0].max() < 1.001)),
        ),
    )  # fmt: skip


# ---- 4c: two onsets


def judge_onsets(p_xy: np.ndarray, lopsided: np.ndarray) -> Judge:
    """Judges [[down, up], [down, up]], the betas at which information begins in the two joints."""
    split = theory.critical_beta(p_xy)
    true = np.array([[split, split], theory.lopsided_onsets(lopsided)])

    def judged(onsets: np.ndarray) -> str:
        if onsets.shape != (2, 2):
            return f"[[down, up], [down, up]] is asked for, an array of shape (2, 2); it was {onsets.shape}."
        for i, j in np.ndindex(2, 2):
            if not ONSET[0] * true[i, j] <= onsets[i, j] <= ONSET[1] * true[i, j]:
                which = f"the sweep {('down', 'up')[j]} of the {('mirrored', 'lopsided')[i]} joint"
                return f"{which} should find more than 0.01 bits from another beta on than {onsets[i, j]:.3g}."
        return ""

    return judged


def onsets(p_xy: np.ndarray, lopsided: np.ndarray) -> Exercise:
    """Question 4c: where information begins, coming from above and from below."""
    split = theory.critical_beta(p_xy)
    early, late = theory.lopsided_onsets(lopsided)
    right = np.array([[split, split], [early, late]])

    def around(other: list[list[float]]) -> Callable[[Answer], bool]:
        return _shows(lambda found: found.shape == (2, 2) and bool((np.abs(found / other - 1) < 0.04).all()))

    def too_early(found: np.ndarray) -> bool:
        """All but the sweep up of the lopsided joint is right, and that lies between the two onsets."""
        others = np.abs(found / right - 1)[[0, 0, 1], [0, 1, 0]]
        return bool((others < 0.04).all()) and 0.98 * early < found[1, 1] < ONSET[0] * late

    return Exercise(
        name="4c",
        answer="onsets",
        parameters=None,
        reference=right,
        visible=(Visible("where information begins, in four sweeps", tuple, judged=judge_onsets(p_xy, lopsided)),),
        hints=(
            Hint("columns", "Down and up are exchanged: the sweep down comes first.", around(right[:, ::-1].tolist())),
            Hint("rows", "The lopsided joint belongs into the second row.", around(right[::-1].tolist())),
            Hint("fresh", "Your sweep down of the lopsided joint begins anew at each beta: start where the last ended.",
                 around([[split, split], [late, late]])),
            Hint("far", "Your sweep up of the lopsided joint starts too far from the trivial encoder: at each beta, "
                 "take 1/|T| plus random numbers below 0.01.", _shows(too_early)),
            Hint("first", "You report the first beta of the sweep. Count as information what exceeds 0.01 bits.",
                 _shows(lambda found: (found[:, 0] <= SWEEP[0] + 0.05).any())),
            Hint("never", "A sweep that never leaves the trivial solution started in it exactly: add random numbers.",
                 _shows(lambda found: (found[:, 1] >= SWEEP[-1] - 0.05).any())),
        ),
    )  # fmt: skip


# ---- 5a: random starts


def judge_losses(grouped: np.ndarray) -> Judge:
    """Judges (n,) losses in bits that random starts reached: the best is known, and a share of them misses it."""
    best = theory.best_of_groups(grouped, PRICE)

    def judged(losses: np.ndarray) -> str:
        if losses.ndim != 1 or len(losses) < STARTS:
            return f"a row of at least {STARTS} losses is asked for; the shape was {losses.shape}."
        if losses.min() < best - LOSS:
            return f"a loss of {losses.min():.3f} bits lies below what six clusters can reach."
        if losses.min() > best + LOSS:
            return f"none of the starts comes near the best known loss; yours is {losses.min():.3f} bits."
        share = float((losses > best + STUCK).mean())
        if not SHARE[0] <= share <= SHARE[1]:
            return f"{share:.0%} of the starts end above the best; from random encoders it should be another share."
        return ""

    return judged


def losses(grouped: np.ndarray) -> Exercise:
    """Question 5a: the losses that random starts reach."""
    best = theory.best_of_groups(grouped, PRICE)

    def lowest(value: float) -> Callable[[Answer], bool]:
        return _shows(lambda found: abs(found.min() - value) < 0.02)

    return Exercise(
        name="5a",
        answer="losses",
        parameters=None,
        reference=np.full(STARTS, best),
        visible=(Visible("the losses of your random starts, in bits", tuple, judged=judge_losses(grouped)),),
        hints=(
            Hint("nats", "Your losses are in nats; bits are asked for.", lowest(BITS * best)),
            Hint("sign", "The sign: the loss is I(X;T) - beta I(T;Y), and the best is far below zero.",
                 _shows(lambda found: abs(found.max() + best) < 0.02)),
            Hint("few", f"At least {STARTS} starts are asked for.", _shows(lambda found: len(found) < STARTS)),
            Hint("same", "All your losses are the same. Does each start draw new random numbers? Has T six values?",
                 _shows(lambda found: len(found) > 1 and np.ptp(found) < 1e-4)),
            Hint("beta", "beta multiplies I(T;Y), and nothing else.",
                 _shows(lambda found: found.min() > 0.2 and abs(found.max() + best) > 1)),
            Hint("not-solved", "These are losses of random encoders, as they are: run the solver on each.",
                 _shows(lambda found: 0.5 * best < found.min() < 0.2 and np.ptp(found) > 1e-4)),
        ),
    )  # fmt: skip
