"""An assignment's page as a student meets it: given cells run, a wrong idea meets its hint, a solution passes."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.sync_api import Page, expect
from test_live import go_live, open_page, output, type_code

from layerlab.grading import open_assignment
from layerlab.grading.source import find, names, without_markers

ASSIGNMENTS = names()
VARIANT = "import hashlib\nfound = hashlib.sha256(repr(vars(variant)).encode()).hexdigest()"


def mutants(name: str) -> list[dict[str, Any]]:
    return yaml.safe_load(find(name).path.with_name("mutants.yml").read_text(encoding="utf-8"))


def number_of(page: Page, text: str) -> int:
    """The place of the first code cell that holds this text."""
    editors = page.locator(".thebe-cell .CodeMirror")
    code = editors.evaluate_all("editors => editors.map((editor) => editor.CodeMirror.getValue())")
    return next(i for i, source in enumerate(code) if text in source)


def run_cell(page: Page, number: int, code: str | None = None):
    """Put code into a cell, run it, and give its output once the kernel is done with it."""
    if code is None:
        cell = page.locator(".thebe-cell").nth(number)
        cell.locator(".CodeMirror").evaluate("editor => editor.CodeMirror.focus()")
    else:
        cell = type_code(page, number, code)
    page.keyboard.press("Control+Enter")
    expect(cell).not_to_have_class(re.compile("is-waiting|is-running"))
    return output(cell)


def variant_of(name: str, student: str) -> str:
    """What the code VARIANT finds for a student."""
    known = {"variant": open_assignment(name, student).variant}
    exec(VARIANT, known)
    return known["found"]


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_a_wrong_idea_meets_its_hint_and_a_solution_passes_the_visible_checks(page, server, name):
    source = find(name)
    mutant = next(m for m in mutants(name) if m.get("hint"))
    question = mutant["question"]
    exercise = next(e for e in open_assignment(name).exercises if e.name == question)
    hint = next(h for h in exercise.hints if h.key == mutant["hint"])
    open_page(page, server, f"assignments/{name}.html")
    go_live(page)

    # what is given runs; where an answer is missing, no traceback
    expect(output(page.locator(".thebe-cell").nth(number_of(page, "open_assignment(")))).to_be_empty()
    expect(page.locator(".layerlab-cell-open").first).to_be_visible()

    # a wrong idea, then the solution
    answer = number_of(page, source.cell(question).source.partition("###")[0].strip().splitlines()[0])
    tests = number_of(page, f'check("{question}")')
    run_cell(page, answer, mutant["code"])
    said = run_cell(page, tests)
    expect(said.locator(".layerlab-check--open")).to_contain_text("Not yet")
    expect(said.locator(".layerlab-check-hint").first).to_have_text(f"Hint. {hint.text}")
    run_cell(page, answer, without_markers(source.cell(question).source))
    said = run_cell(page, tests)
    expect(said.locator(".layerlab-check--passed")).to_contain_text(re.compile(r"visible checks? passed"))
    assert "correct" not in said.inner_text().lower()

    # an id changes the data, and needs no nbgrader
    run_cell(page, number_of(page, "STUDENT ="), 'STUDENT = "ada"')
    run_cell(page, number_of(page, "open_assignment("))
    said = run_cell(page, tests, f"{VARIANT}\nimport sys\nprint(found, 'nbgrader' in sys.modules)")
    expect(said).to_contain_text(f"{variant_of(name, 'ada')} False")
    assert variant_of(name, "ada") != variant_of(name, "")


@pytest.fixture
def asked(page, hosted):
    """A section whose figure waits for a prediction, and the question."""
    page.goto(f"{hosted}projection/length.html")
    page.wait_for_load_state("networkidle")
    return page.locator("layerlab-predict[for]").first


def commit_to(question):
    question.locator("input").first.check()
    question.get_by_role("button", name="Commit to it").click()


def test_a_prediction_is_asked_before_the_figure_stays_in_the_browser_and_is_answered(page, asked):
    figure = page.locator(f'layerlab-replay[name="{asked.get_attribute("for")}"] .ll-figure').first
    answer = asked.locator(".ll-predict-answer")
    expect(figure).to_be_hidden()
    assert answer.get_attribute("open") is None
    sent = []
    page.on("request", lambda request: sent.append((request.method, request.post_data, urlsplit(request.url).query)))
    page.on("websocket", lambda socket: sent.append(("WEBSOCKET", socket.url, "")))
    commit_to(asked)
    expect(figure).to_be_visible()
    expect(answer.locator("> :not(summary)").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert {tuple(each) for each in sent} <= {("GET", None, "")}  # stored runs, as for every reader
    assert page.context.cookies() == []
    assert (
        page.evaluate("() => Object.keys(localStorage).filter((key) => key.startsWith('layerlab:predict:')).length")
        == 1
    )


def test_a_figure_that_two_questions_ask_about_waits_for_both(page, asked):
    asked.evaluate("(one) => { const two = one.cloneNode(true); two.setAttribute('key', 'two'); one.after(two); }")
    figure = page.locator(f'layerlab-replay[name="{asked.get_attribute("for")}"] .ll-figure').first
    commit_to(asked)
    expect(asked.locator(".ll-predict-said")).to_be_visible()
    expect(figure).to_be_hidden()
    commit_to(page.locator("layerlab-predict[key=two]"))
    expect(figure).to_be_visible()
    asked.get_by_role("button", name="Ask me again").click()
    expect(figure).to_be_hidden()
    page.get_by_role("button", name="Show it without predicting").click()
    expect(figure).to_be_visible()
