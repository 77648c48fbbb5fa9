"""`fetch` against a server on loopback: whatever it does, nothing half-written stays."""

import errno
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_data import Mirrors, sha, tar_gz

from layerlab import data
from layerlab.data import DataDamaged, DataMissing
from layerlab.data.registry import SOURCES


def files_in(folder):
    """Names of all files below the folder, locks aside."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock") if folder.exists() else []


class TestGood:
    def test_brings_every_file_and_load_reads_them(self, mnist, server, cache):
        status = data.fetch("tiny-mnist", mirrors=(server.url("good"),))
        assert status.present
        assert status.where == str(cache / "tiny-mnist")
        assert files_in(cache) == sorted(mnist.contents)
        loaded = data.load("tiny-mnist")
        np.testing.assert_array_equal(np.rint(loaded.x_train * 255).reshape(7, 2, 3), mnist.arrays["x_train"])

    def test_mirrors_of_the_registry_are_the_default(self, mnist, server, monkeypatch):
        monkeypatch.setitem(SOURCES, "tiny-mnist", replace(mnist.source, mirrors=(server.url("good"),)))
        assert data.fetch("tiny-mnist").present

    def test_asks_for_nothing_that_is_there(self, mnist, server, cache):
        mnist.write(cache, "train-images.gz", "test-labels.gz")
        data.fetch("tiny-mnist", mirrors=(server.url("good"),))
        assert [name for _, name in server.requests] == ["train-labels.gz", "test-images.gz"]
        data.fetch("tiny-mnist", mirrors=(server.url("good"),))
        assert len(server.requests) == 2

    def test_leaves_the_readers_own_folder_alone(self, mnist, server, cache, tmp_path, monkeypatch):
        monkeypatch.setenv("LAYERLAB_DATA", str(tmp_path / "own"))
        folder = mnist.write(tmp_path / "own")
        assert data.fetch("tiny-mnist", mirrors=(server.url("good"),)).where == str(folder)
        assert server.requests == []
        assert files_in(cache) == []

    def test_progress_counts_bytes_up_to_the_whole(self, mnist, server):
        seen = []
        data.fetch("tiny-mnist", lambda done, total: seen.append((done, total)), mirrors=(server.url("good"),))
        whole = sum(file.size for file in mnist.source.files)
        assert {total for _, total in seen} == {whole}
        assert seen[-1] == (whole, whole)
        assert all(0 <= done <= whole for done, _ in seen)

    def test_data_sets_without_files_need_nothing(self, cache):
        assert data.fetch("digits").present
        assert data.fetch("gaussian").present
        assert files_in(cache) == []

    def test_unknown_names_are_refused(self):
        with pytest.raises(ValueError, match=r"name must be one of digits, .*, gaussian, not 'imagenet'"):
            data.fetch("imagenet")

    def test_an_encoded_answer_is_not_unpacked_on_the_way(self, server):
        """Some hosts label .gz files as an encoding, which clients then undo; we ask for the file as it is."""
        asked = []

        def record(handler, body):
            asked.append(handler.headers.get("Accept-Encoding"))
            server.send(handler, body)

        data.fetch("tiny-mnist", mirrors=(server.behave("watched", record),))
        assert set(asked) == {"identity"}


def truncated(handler, body):
    Mirrors.send(handler, body[: len(body) // 2], length=len(body))


def short_but_consistent(handler, body):
    Mirrors.send(handler, body[:-1])


def wrong_content(handler, body):
    Mirrors.send(handler, bytes(len(body)))


def web_page(handler, body):
    Mirrors.send(handler, b"\n <!DOCTYPE html><html>please log in</html>", kind="text/html")


def endless(handler, body):
    Mirrors.send(handler, body + bytes(3 * 2**20))


def not_found(handler, body):
    Mirrors.send(handler, b"gone", status=404)


def hang_up(handler, body):
    handler.close_connection = True


FAULTS = {
    truncated: (DataMissing, "the connection broke off half-way"),
    short_but_consistent: (DataDamaged, r"expected \d+ bytes, found \d+"),
    wrong_content: (DataDamaged, "expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}"),
    web_page: (DataDamaged, r"expected a data file, found a web page \(a login or an error page\?\)"),
    endless: (DataDamaged, r"expected \d+ bytes, found more"),
    not_found: (DataMissing, "it answers 404"),
    hang_up: (DataMissing, "no connection"),
}


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
    def test_each_is_one_sentence_and_leaves_nothing(self, fault, server, cache):
        error, message = FAULTS[fault]
        with pytest.raises(error, match=message) as caught:
            data.fetch("tiny-mnist", mirrors=(server.behave("bad", fault),))
        assert "train-images.gz" in str(caught.value)
        assert "set LAYERLAB_DATA" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert files_in(cache) == []
        with pytest.raises(DataMissing, match="layerlab data fetch tiny-mnist"):
            data.load("tiny-mnist")

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
    def test_the_second_mirror_makes_it_good(self, fault, mnist, server, cache):
        assert data.fetch("tiny-mnist", mirrors=(server.behave("bad", fault), server.url("good"))).present
        assert files_in(cache) == sorted(mnist.contents)
        assert [mirror for mirror, _ in server.requests] == ["bad", "good"] * 4

    def test_all_mirrors_dead_names_every_one(self, server, cache):
        mirrors = (server.behave("bad", not_found), "http://127.0.0.1:9/", server.behave("worse", hang_up))
        with pytest.raises(DataMissing) as caught:
            data.fetch("tiny-mnist", mirrors=mirrors)
        for mirror in mirrors:
            assert mirror in str(caught.value)

    def test_no_answer_is_given_up(self, server, monkeypatch):
        monkeypatch.setattr("layerlab.data.download._TIMEOUT", 0.2)
        import time

        slow = server.behave("slow", lambda handler, body: time.sleep(1.0))
        with pytest.raises(DataMissing, match="no answer for"):
            data.fetch("tiny-mnist", mirrors=(slow,))

    def test_whole_files_are_kept_and_the_next_call_goes_on(self, mnist, server, cache):
        def third_fails(handler, body):
            (not_found if "test-images" in handler.path else server.send)(handler, body)

        with pytest.raises(DataMissing, match=r"test-images\.gz: it answers 404"):
            data.fetch("tiny-mnist", mirrors=(server.behave("bad", third_fails),))
        assert files_in(cache) == ["train-images.gz", "train-labels.gz"]
        assert not data.available()["tiny-mnist"].present
        server.requests.clear()
        assert data.fetch("tiny-mnist", mirrors=(server.url("good"),)).present
        assert [name for _, name in server.requests] == ["test-images.gz", "test-labels.gz"]

    def test_a_damaged_download_is_replaced(self, mnist, server, cache):
        folder = mnist.write(cache)
        (folder / "train-images.gz").write_bytes(mnist.contents["train-images.gz"][:-9])
        with pytest.raises(DataDamaged, match="Run `layerlab data fetch tiny-mnist` to replace it"):
            data.load("tiny-mnist")
        data.fetch("tiny-mnist", mirrors=(server.url("good"),))
        assert [name for _, name in server.requests] == ["train-images.gz"]
        assert data.load("tiny-mnist").x_train.shape == (7, 6)

    def test_a_damaged_file_of_the_readers_own_is_an_error_not_a_download(
        self, mnist, server, cache, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("LAYERLAB_DATA", str(tmp_path / "own"))
        bad = mnist.write(tmp_path / "own") / "test-labels.gz"
        bad.write_bytes(b"scrap")
        with pytest.raises(DataDamaged, match=r"test-labels\.gz.*Replace it by the original"):
            data.fetch("tiny-mnist", mirrors=(server.url("good"),))
        assert bad.read_bytes() == b"scrap"
        assert server.requests == []


class TestInterruption:
    def test_what_progress_raises_ends_it_cleanly(self, server, cache):
        def stop(done, total):
            if done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            data.fetch("tiny-mnist", stop, mirrors=(server.url("good"),))
        assert files_in(cache) == []

    def test_leftovers_of_a_killed_process_are_cleared(self, mnist, server, cache):
        stale = cache / "tiny-mnist" / ".part-dead"
        stale.mkdir(parents=True)
        (stale / "train-images.gz").write_bytes(b"half")
        data.fetch("tiny-mnist", mirrors=(server.url("good"),))
        assert files_in(cache) == sorted(mnist.contents)
        assert not stale.exists()

    def test_a_process_killed_mid_download_leaves_no_file_under_its_name(self, mnist, server, cache):
        """A child is stopped for good inside its second file; the parent then finishes the job."""

        def stall(handler, body):
            if "labels" not in handler.path:
                return server.send(handler, body)
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[:5])
            handler.wfile.flush()
            stalled.set()
            release.wait(30)
            return None

        import threading

        stalled, release = threading.Event(), threading.Event()
        child = run_fetch(server.behave("stalls", stall))
        try:
            assert stalled.wait(60)
        finally:
            child.kill()
            child.communicate()
            release.set()
        assert "train-labels.gz" not in [p.name for p in (cache / "tiny-mnist").iterdir()]
        data.fetch("tiny-mnist", mirrors=(server.url("good"),))
        assert files_in(cache) == sorted(mnist.contents)


class TestDisk:
    def test_a_full_disk_is_said_and_leaves_nothing(self, server, cache, monkeypatch):
        def full(*args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("layerlab.data.download.os.replace", full)
        with pytest.raises(DataMissing, match=r"cannot be written \(No space left on device\); free some space"):
            data.fetch("tiny-mnist", mirrors=(server.url("good"),))
        assert files_in(cache) == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full: run on Linux")
    def test_a_disk_that_fills_while_writing_does_not_try_other_mirrors(self, server, cache, monkeypatch):
        from layerlab.data import download

        real = download._download
        monkeypatch.setattr(download, "_download", lambda url, path, *rest: real(url, Path("/dev/full"), *rest))
        with pytest.raises(DataMissing, match="No space left on device"):
            data.fetch("tiny-mnist", mirrors=(server.url("good"), server.url("other")))
        assert [mirror for mirror, _ in server.requests] == ["good"]

    def test_a_cache_that_cannot_be_a_folder_is_said(self, server, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("LAYERLAB_CACHE", str(tmp_path / "file"))
        with pytest.raises(DataMissing, match=r"cannot be written .* set LAYERLAB_CACHE to a folder that can be"):
            data.fetch("tiny-mnist", mirrors=(server.url("good"),))


def run_fetch(mirror):
    """`fetch` of tiny MNIST in a process of its own."""
    program = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from tiny_data import tiny_mnist
        from layerlab import data
        from layerlab.data.registry import SOURCES
        SOURCES["tiny-mnist"] = tiny_mnist().source
        print(data.fetch("tiny-mnist", mirrors=({mirror!r},)).present)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_at_once_download_once(mnist, server, cache):
    import time

    def slowly(handler, body):
        time.sleep(0.3)
        server.send(handler, body)

    children = [run_fetch(server.behave("slow", slowly)) for _ in range(3)]
    for child in children:
        out, err = child.communicate(timeout=120)
        assert out.strip() == "True", err
    assert sorted(name for _, name in server.requests) == sorted(mnist.contents)
    assert files_in(cache) == sorted(mnist.contents)


class TestArchive:
    @pytest.fixture
    def archive(self, cifar, server):
        server.files = dict(cifar.contents)
        return cifar

    def test_is_unpacked_and_only_the_batches_are_kept(self, archive, server, cache):
        assert data.fetch("tiny-cifar", mirrors=(server.url("good"),)).present
        assert files_in(cache) == ["batch_1", "batch_2", "batch_3", "test"]
        assert data.load("tiny-cifar").x_train.shape == (15, 12)

    def test_completes_a_folder_that_has_some_batches(self, archive, server, cache, tmp_path, monkeypatch):
        monkeypatch.setenv("LAYERLAB_DATA", str(tmp_path / "own"))
        archive.write(tmp_path / "own", "batch_2", "test")
        assert len(data.load("tiny-cifar").x_train) == 5
        data.fetch("tiny-cifar", mirrors=(server.url("good"),))
        assert len(data.load("tiny-cifar").x_train) == 15
        assert files_in(tmp_path / "own") == ["batch_2", "test"]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"no archive at all", "expected Tiny CIFAR's files, found"),
            (tar_gz({"elsewhere/batch_1": b"x"}), "expected Tiny CIFAR's files, found"),
            (tar_gz({f"tiny-cifar/{name}": b"x" for name in ("batch_1", "batch_2", "batch_3", "test")}), "SHA-256"),
            (tar_gz({"tiny-cifar/batch_1": bytes(10**5)})[:-20], "expected Tiny CIFAR's files, found"),
        ],
        ids=["no tar", "other names", "other content", "cut off"],
    )
    def test_another_archive_of_the_right_checksum_is_still_refused(
        self, archive, server, cache, monkeypatch, content, message
    ):
        wrong = replace(archive.source.archive, size=len(content), sha256=sha(content))
        monkeypatch.setitem(SOURCES, "tiny-cifar", replace(archive.source, archive=wrong))
        server.files["tiny.tar.gz"] = content
        with pytest.raises(DataDamaged, match=message):
            data.fetch("tiny-cifar", mirrors=(server.url("good"),))
        assert files_in(cache) == []
