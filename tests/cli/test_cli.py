"""The command line as a user types it: what it prints, and how it fails."""

import json
import subprocess
import sys

import pytest

from layerlab import lab
from layerlab.cli import main


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERLAB_RESULTS", str(tmp_path / "results"))


def test_list_names_and_titles(tiny, capsys):
    assert main(["list"]) == 0
    assert capsys.readouterr().out.split(maxsplit=1) == ["tiny/mean", "The mean of uniform numbers\n"]
    assert main(["list", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row["name"] == "tiny/mean"
    assert [f["name"] for f in row["fields"]] == ["n", "top", "kind", "seed", "seeds"]
    assert len(row["grid"]) == 4


def test_run_prints_claims_and_changes_no_stored_run(tiny, capsys):
    assert main(["run", "tiny/mean", "--set", "n=50", "top=2", "--seeds", "4", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "n=50  top=2  kind=plain  seed=0  seeds=4  on cpu" in out
    assert "holds           The mean is half the upper end." in out
    assert not lab.Store().root.exists()


def test_run_as_json_and_saved(tiny, capsys, tmp_path):
    folder = tmp_path / "out"
    assert main(["run", "tiny/mean", "--json", "--save", str(folder), "--device", "cpu"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["claims"][0]["verdict"] == "holds"
    assert told["provenance"]["parameters"]["n"] == 100
    assert {p.suffix for p in (folder / "tiny" / "mean").iterdir()} == {".nc", ".json", ".svg", ".csv"}
    assert lab.Store(folder).load(tiny, tiny.Config()) is not None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "tiny/men"], "did you mean tiny/mean"),
        (["run", "tiny/mean", "--set", "n=0"], "n must be a whole number from 1 to 1000; it was 0"),
        (["run", "tiny/mean", "--set", "n"], "--set takes field=value"),
        (["run", "tiny/mean", "--set", "m=3"], "has no field 'm'"),
        (["run", "tiny/mean", "--set", "kind=other"], "kind must be one of plain, squared, broken"),
        (["run", "tiny/mean", "--seeds", "0"], "seeds must be a whole number from 1 to 100; it was 0"),
        (["sweep", "nothing"], "there is no experiment 'nothing'"),
    ],
)
def test_a_wrong_request_is_answered_in_one_sentence(tiny, capsys, words, sentence):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


def test_interrupting_a_run_ends_it_quietly(tiny, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(tiny.module, "run", interrupted)
    assert main(["run", "tiny/mean", "--device", "cpu"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_sweep_status_refresh_and_prune(tiny, capsys):
    assert main(["results", "status"]) == 1
    assert "tiny/mean: 4 missing" in capsys.readouterr().out
    assert main(["sweep", "tiny/mean", "--jobs", "1", "--device", "cpu"]) == 0
    assert "tiny/mean: 4 run, 0 already there, 0 failed" in capsys.readouterr().out
    assert main(["results", "status"]) == 0
    assert "tiny/mean: 4 current" in capsys.readouterr().out

    store = lab.Store()
    store.path(tiny, tiny.grid()[0]).write_bytes(b"harmed")
    store.save(lab.execute(tiny, tiny.Config(n=7), "cpu"))
    assert main(["results", "status"]) == 1
    out = capsys.readouterr().out
    assert "3 current, 1 damaged, 2 files of no grid point" in out
    assert "checksum differs" in out
    assert main(["results", "refresh", "--jobs", "1", "--device", "cpu", "--prune"]) == 0
    assert main(["results", "status"]) == 0


def test_verify_finds_other_numbers_and_failing_claims(tiny, capsys, monkeypatch):
    main(["sweep", "tiny/mean", "--jobs", "1", "--device", "cpu"])
    assert main(["results", "verify"]) == 0
    run = tiny.module.run
    with monkeypatch.context() as patch:
        patch.setattr(tiny.module, "run", lambda *a: run(*a) + 0.25)
        assert main(["results", "verify"]) == 1
    assert "mean differs by up to 0.25" in capsys.readouterr().out
    store = lab.Store()
    wrong = lab.execute(tiny, tiny.grid()[0], "cpu")
    wrong.result["mean"] += 3
    store.save(wrong)
    assert main(["results", "verify"]) == 1
    assert "does not hold for n=10" in capsys.readouterr().out


def test_a_failing_point_makes_the_sweep_fail_but_not_stop(tiny, capsys, monkeypatch):
    run = tiny.module.run

    def sometimes(config, device, progress):
        if config.n == 10:
            raise ArithmeticError("no")
        return run(config, device, progress)

    monkeypatch.setattr(tiny.module, "run", sometimes)
    assert main(["sweep", "tiny/mean", "--jobs", "1", "--device", "cpu"]) == 1
    assert "2 run, 0 already there, 2 failed" in capsys.readouterr().out


def test_without_a_store_the_answer_is_one_sentence(tiny, capsys, monkeypatch):
    monkeypatch.delenv("LAYERLAB_RESULTS")
    monkeypatch.setattr("layerlab.lab.paths.checkout", lambda: None)
    assert main(["results", "status"]) == 2
    assert "set LAYERLAB_RESULTS" in capsys.readouterr().err
    assert main(["build"]) == 1
    assert "checkout" in capsys.readouterr().err


def test_doctor_reports_everything(tiny, capsys):
    assert main(["doctor"]) == 1  # the store is empty
    out = capsys.readouterr().out
    for word in ("Python", "torch", "cpu:", "digits", "Results", "Cache", "layerlab results refresh"):
        assert word in out


def test_data_list_names_every_data_set(capsys):
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    for name in ("digits", "mnist", "fashion-mnist", "cifar-10", "gaussian"):
        assert name in out
    assert main(["data", "fetch", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_the_installed_command_starts_without_torch():
    code = "import sys; from layerlab.cli import main; main(['list']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
