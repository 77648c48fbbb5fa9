"""A student's feedback in a real browser: quiet, accessible, light and dark, and no wider than a phone."""

import json

import pytest

from layerlab.grading import feedback
from layerlab.grading.results import GRADED, Mark, Result
from layerlab.grading.standing import Standing

HOSTILE = "</style><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">" + "w" * 300
MARKS = (
    Mark("1a-tests", "1a", 3, 3.0, "All 4 visible checks passed."),
    Mark("1b-tests", "1b", 3, 0.0, HOSTILE, HOSTILE),
    Mark("1c", "1c", 4, None),
    Mark("2", "2", 4, 2.5),
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_a_feedback_page_is_quiet_accessible_and_fits(page, axe, tmp_path, scheme, width):
    result = Result("random-projections", "ada" + HOSTILE, GRADED, "", MARKS, (HOSTILE,), digest="0123456789ab")
    standing = Standing(result, MARKS, {"2": ("Well argued.", HOSTILE)}, frozenset({"2"}))
    [path] = feedback.write([standing], "Random projections", tmp_path)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert page.title().startswith("Random projections: feedback for ada")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
    assert dark == (scheme == "dark")
    page.evaluate(axe)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations'], preload: false})")
    assert json.dumps([(v["id"], [n["html"][:160] for n in v["nodes"]]) for v in found["violations"]]) == "[]"
