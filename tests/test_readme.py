"""What the README promises is so: its experiment runs, its commands and places exist."""

import re
import sys

from layerlab import lab
from layerlab.cli.main import parser


def test_the_experiment_in_ten_lines_is_one(checkout, tmp_path, monkeypatch):
    [code] = re.findall(r"```python\n(.*?)```", (checkout / "README.md").read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    (tmp_path / "readme_example.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    import readme_example

    try:
        experiment = lab.from_module("readme/example", readme_example)
        monkeypatch.setattr(lab.Experiment, "fingerprint", lambda self: "example")
        run = lab.execute(experiment, device="cpu")
        assert [e.holds for _, e in run.evidence()] == [True]
        assert "<svg" in lab.figure_svg(experiment, run.result, "example")
        assert len(experiment.table(run.result)) == 1
    finally:
        sys.modules.pop("readme_example")


def test_every_command_that_it_names_is_understood(checkout):
    text = (checkout / "README.md").read_text()
    commands = re.findall(r"^    layerlab ([^#\n]+)", text, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        parser().parse_args(command.split())


def test_every_place_that_it_names_is_there(checkout):
    text = (checkout / "README.md").read_text()
    for place in re.findall(r"^\| `([^`]+)`", text, re.MULTILINE):
        assert (checkout / place).exists(), place
    for image in re.findall(r"\]\(([^)]+\.png)\)", text):
        assert (checkout / image).exists(), image
