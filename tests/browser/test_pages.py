"""Every page as a reader meets it: complete, quiet, self-contained, accessible, light and dark, wide and narrow."""

import gzip
import json
import statistics
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HTML = TOP / "_build" / "html"
NAMES = sorted(p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html") if "_static" not in p.parts)
SECTION = "projection/length.html"
ALL_RULES = {"resultTypes": ["violations"]}
COLOUR_RULES = ALL_RULES | {"runOnly": ["color-contrast", "link-in-text-block"]}


def use_theme(page, theme):
    page.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")


def settle(page):
    page.wait_for_load_state("networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")


def turn(page, theme):
    """Give the page another theme, and wait until the colours that fade have arrived."""
    page.evaluate(
        """async (theme) => {
            document.documentElement.dataset.theme = theme;
            const fades = document.getAnimations().filter((each) => each instanceof CSSTransition);
            await Promise.allSettled(fades.map((each) => each.finished));
        }""",
        theme,
    )


def unveil(page):
    """Show the figures that wait for a prediction, as the button on each does."""
    page.evaluate("() => document.querySelectorAll('layerlab-predict').forEach((p) => p.veil(false))")


def test_the_book_was_built():
    assert "index.html" in NAMES, "build the book first: layerlab build"
    assert SECTION in NAMES


def empty_pictures(page):
    """Take the drawings out of the figures: axe walks through them, often half of a page, and sees nothing there.

    To its rules a picture has no inside, unless the keyboard can reach something in it.
    """
    reached = page.evaluate(
        """() => {
            const pictures = [...document.querySelectorAll("svg[role=img]")];
            const reached = pictures.filter((each) => each.querySelector("a, button, input, [tabindex]"));
            pictures.forEach((each) => each.replaceChildren());
            return reached.map((each) => each.outerHTML.slice(0, 160));
        }"""
    )
    assert reached == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_quiet_self_contained_accessible_in_both_themes_and_fits_a_phone(page, hosted, axe, name):
    use_theme(page, "light")
    page.goto(f"{hosted}{name}")
    settle(page)
    wide = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 800})
    settle(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    for view in page.locator(".ll-figure:visible svg").all():
        assert view.bounding_box()["width"] <= 390
    page.set_viewport_size(wide)
    settle(page)
    empty_pictures(page)
    page.evaluate(axe)
    for theme, rules in (("light", ALL_RULES), ("dark", COLOUR_RULES)):  # a theme changes nothing but colours
        turn(page, theme)
        found = page.evaluate("(rules) => axe.run(document, {...rules, preload: false})", rules)
        bad = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        told = [f"{v['id']}: {v['help']}: {[n['html'][:160] for n in v['nodes'][:3]]}" for v in bad]
        assert told == [], theme


def test_a_page_comes_in_the_theme_that_the_reader_chose(page, hosted):
    use_theme(page, "dark")
    page.goto(f"{hosted}{SECTION}")
    settle(page)
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_one_header_and_mathematics_set(page, hosted):
    page.goto(f"{hosted}{SECTION}")
    settle(page)
    assert page.locator("header.bd-header:visible, .bd-header-article:visible").count() <= 1
    assert page.locator("h1:visible").count() == 1  # the theme keeps a second one for print
    assert page.locator("mjx-container").count() > 10
    assert page.locator("mjx-merror").count() == 0


def slide(page, view, key="ArrowRight"):
    """Move a view's first slider by one step with the keyboard; milliseconds until the figure has changed."""
    return page.evaluate(
        """([view, key]) => new Promise((resolve) => {
            const slider = view.querySelector("input[type=range]");
            const figures = view.querySelectorAll(".ll-figure");
            const start = performance.now();
            const watch = new MutationObserver(() => requestAnimationFrame(() => resolve(performance.now() - start)));
            figures.forEach((figure) => watch.observe(figure, { childList: true, subtree: true }));
            slider.value = Number(slider.value) + (key === "ArrowRight" ? 1 : -1);
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        })""",
        [view.element_handle(), key],
    )


def test_a_slider_shows_another_stored_run_without_a_kernel(page, hosted, capsys):
    page.goto(f"{hosted}{SECTION}")
    settle(page)
    unveil(page)
    view = page.locator("layerlab-replay").first
    figure = view.locator(".ll-figure:visible svg")
    before = figure.get_attribute("aria-label")
    slider = view.locator("input[type=range]").first
    slider.scroll_into_view_if_needed()
    slider.hover()
    slider.focus()
    page.wait_for_timeout(500)  # a reader takes as long to reach for the slider: neighbours are fetched meanwhile
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("([f, old]) => f.querySelector('svg').getAttribute('aria-label') !== old",
                           arg=[view.locator(".ll-figure:visible").element_handle(), before])  # fmt: skip
    page.wait_for_timeout(300)
    times = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight", "ArrowLeft", "ArrowRight"):
        times.append(slide(page, view, key))
        page.wait_for_timeout(250)
    with capsys.disabled():
        print(
            f"\nslider to figure: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms (aim: under 50)"
        )


def test_the_numbers_are_there_as_a_table_and_as_csv(page, hosted):
    page.goto(f"{hosted}{SECTION}")
    settle(page)
    unveil(page)
    view = page.locator("layerlab-replay").first
    view.get_by_role("button", name="Numbers").click()
    view.locator("table.ll-table").wait_for()
    assert view.locator("table.ll-table tbody tr").count() > 5
    with page.expect_download() as download:
        view.get_by_role("link", name="Download as CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) > 5
    assert all("," in line for line in lines)


def test_a_prediction_is_asked_kept_in_the_browser_and_answered(page, hosted):
    page.goto(f"{hosted}{SECTION}")
    settle(page)
    question = page.locator("layerlab-predict").first
    option = question.locator("input").first
    if option.get_attribute("type") == "radio":
        option.check()
    else:
        option.fill("1")
    question.get_by_role("button").first.click()
    assert question.locator(".ll-predict-said").inner_text().startswith("You predicted")
    page.reload()
    settle(page)
    assert page.locator("layerlab-predict").first.locator(".ll-predict-said").is_visible()
    keys = page.evaluate("() => Object.keys(localStorage).filter((k) => k.startsWith('layerlab:predict'))")
    assert len(keys) == 1


def test_without_javascript_the_first_figure_its_claims_and_provenance_are_there(browser, hosted):
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{hosted}{SECTION}")
        view = page.locator("layerlab-replay").first
        assert view.locator(".ll-figure svg").first.is_visible()
        assert view.locator(".ll-claims-slot").inner_text().strip()
        assert view.locator(".ll-provenance").count() == 1
    finally:
        context.close()


def test_every_control_of_a_section_is_reached_by_keyboard(page, hosted):
    page.goto(f"{hosted}{SECTION}")
    settle(page)
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("article input, article select, article button, article summary")]
            .filter((e) => e.checkVisibility() && !e.disabled && e.type !== "radio")
            .map((e, i) => (e.dataset.wanted = i))"""
    )
    reached = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        mark = page.evaluate("() => document.activeElement?.dataset.wanted")
        if mark is not None:
            reached.add(int(mark))
        if len(reached) == len(wanted):
            break
    assert reached == set(wanted)


def test_a_downloaded_notebook_is_one(hosted, page):
    page.goto(f"{hosted}{SECTION}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download notebook").click()
    notebook = json.loads(Path(download.value.path()).read_text())
    assert notebook["nbformat"] == 4
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert "pip install" in "".join(first["source"])
    assert any("explore(" in "".join(cell["source"]) for cell in notebook["cells"])


def test_page_weights(browser, hosted, capsys):
    """Printed, not asserted: what a first visit loads, compressed as a web server would."""
    rows = []
    for name in [n for n in NAMES if n.startswith("projection/")] + ["index.html"]:
        context = browser.new_context()
        page = context.new_page()
        sizes = {}
        page.on("response", lambda response, sizes=sizes: sizes.setdefault(response.url, response))
        page.goto(f"{hosted}{name}")
        settle(page)
        total = 0
        for url, response in sizes.items():
            body = response.body()
            plain = url.rpartition(".")[2].partition("?")[0] in ("woff", "woff2", "png", "jpg")
            total += len(body) if plain else len(gzip.compress(body, 6))
        experiments = page.locator("layerlab-replay").count()
        rows.append((name, total / 1000, len(sizes), experiments))
        context.close()
    with capsys.disabled():
        print("\npage weight, compressed, first visit (aim: under 800 kB with three experiments)")
        for name, weight, requests, experiments in rows:
            print(f"  {name:40} {weight:6.0f} kB  {requests:3} requests  {experiments} experiments")
    assert all(weight > 0 for _, weight, _, _ in rows)
