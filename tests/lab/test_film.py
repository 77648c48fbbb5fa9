"""Figures whose points move: what is stored of them, and that the last frame is where the points stand."""

import json
import re

import numpy as np
import pytest

from layerlab.lab import style
from layerlab.lab.drawing import FILM_STEPS, to_svg

AT = (0, 1, 10)


def figure(xy, *, log=False, at=AT, scatters=1):
    with style.context():
        fig, axes = style.figure(1, 1)
        axes.set(xlim=(0.5, 20) if log else (-1, 20), ylim=(-3, 3))
        if log:
            axes.set_xscale("log")
        for _ in range(scatters):
            artist = axes.scatter(*np.asarray(xy)[-1].T, s=9)
            style.film(artist, xy, at=at, label="epoch")
    return fig


def frames(svg):
    told = json.loads(re.search(r'<script type="application/json">(.*)</script>', svg)[1])
    for track in told["tracks"]:
        left, bottom, width, height = track["box"]
        steps = np.cumsum(track["steps"], axis=0).reshape(len(told["at"]), -1, 2) / told["parts"]
        track["points"] = np.stack([left + steps[..., 0] * width, bottom - steps[..., 1] * height], -1)
    return told


def drawn(svg, number):
    group = svg[svg.index(f'data-film="{number}"') :]
    group = group[: group.index("</g>\n</g>")]
    return np.array([[float(v) for v in re.search(r' x="([-\d.]+)" y="([-\d.]+)"', use).groups()]
                     for use in re.findall(r"<use[^>]*>", group)])  # fmt: skip


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_last_frame_is_the_figure_as_drawn(log, seed):
    rng = np.random.default_rng(seed)
    xy = np.stack([rng.uniform(1, 19, (3, 7)), rng.uniform(-3, 3, (3, 7))], -1)
    svg = to_svg(figure(xy, log=log), "words", "p")
    told = frames(svg)
    assert (told["label"], tuple(told["at"])) == ("epoch", AT)
    widest = max(told["tracks"][0]["box"][2:])
    np.testing.assert_allclose(told["tracks"][0]["points"][-1], drawn(svg, 0), atol=widest / FILM_STEPS + 0.02)


def test_frames_follow_the_axes():
    xy = np.zeros((3, 2, 2))
    xy[:, 0, 0] = (-1, 9.5, 20)  # left edge, middle, right edge
    xy[:, 1, 1] = (-3, 0, 3)  # bottom, middle, top
    [track] = frames(to_svg(figure(xy), "words", "p"))["tracks"]
    left, bottom, width, height = track["box"]
    np.testing.assert_allclose(track["points"][:, 0, 0], left + width * np.array([0, 0.5, 1]))
    np.testing.assert_allclose(track["points"][:, 1, 1], bottom - height * np.array([0, 0.5, 1]))


def test_several_scatters_share_a_film():
    xy = np.random.default_rng(0).uniform(0, 3, (3, 4, 2))
    svg = to_svg(figure(xy, scatters=2), "words", "p")
    assert len(frames(svg)["tracks"]) == 2
    np.testing.assert_allclose(drawn(svg, 0), drawn(svg, 1))


def test_a_still_figure_is_a_plain_svg():
    with style.context():
        fig, axes = style.figure(1, 1)
        axes.scatter([1], [2])
    assert to_svg(fig, "words", "p").startswith("<svg")


@pytest.mark.parametrize(
    ("xy", "at", "message"),
    [
        (np.zeros((3, 4)), AT, r"xy has shape \(3, 4\)"),
        (np.zeros((2, 4, 2)), AT, r"it must be \(3, 4, 2\)"),
        (np.full((3, 4, 2), np.nan), AT, "every point must stand somewhere"),
        (np.zeros((0, 4, 2)), (), "xy has shape"),
    ],
)
def test_what_cannot_be_shown_is_refused(xy, at, message):
    with style.context():
        _, axes = style.figure(1, 1)
        artist = axes.scatter(np.zeros(4), np.zeros(4))
        with pytest.raises(ValueError, match=message):
            style.film(artist, xy, at=at, label="epoch")


def test_films_of_one_figure_agree_on_their_moments():
    with style.context():
        _, axes = style.figure(1, 1)
        style.film(axes.scatter([0], [0]), np.zeros((3, 1, 2)), at=AT, label="epoch")
        with pytest.raises(ValueError, match="differ from those of the figure's film so far"):
            style.film(axes.scatter([0], [0]), np.zeros((3, 1, 2)), at=(0, 1, 2), label="epoch")


def test_points_of_several_sizes_cannot_be_told_apart_and_are_refused():
    with style.context():
        fig, axes = style.figure(1, 1)
        artist = axes.scatter([0.2, 0.4], [0, 1], s=[9, 30])
        style.film(artist, np.zeros((3, 2, 2)), at=AT, label="epoch")
    with pytest.raises(ValueError, match="use one marker and one size"):
        to_svg(fig, "words", "p")
