"""Tiny data sets of the real formats, and a server on loopback that misbehaves as told."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from layerlab.data.registry import File, Source


def sha(content):
    return hashlib.sha256(content).hexdigest()


def idx(array):
    """The IDX file of a uint8 array."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def zipped_file(name, content):
    """A registry entry for gzipped content, and its bytes."""
    packed = gzip.compress(content, mtime=0)
    return File(name, len(packed), sha(packed), len(content), sha(content)), packed


class Tiny:
    """A data set of a few images: its registry entry, its files' bytes and its arrays."""

    def __init__(self, source, contents, arrays):
        self.source, self.contents, self.arrays = source, contents, arrays

    def write(self, folder, *names):
        """Put the named files (all by default) into the data set's subfolder of `folder`."""
        target = folder / self.source.folder
        target.mkdir(parents=True, exist_ok=True)
        for file in self.source.files:
            if not names or file.name in names:
                (target / file.name).write_bytes(self.contents[file.name])
        return target


def tiny_mnist():
    generator = np.random.default_rng(0)
    arrays = {
        "x_train": generator.integers(0, 256, (7, 2, 3), dtype=np.uint8),
        "y_train": np.arange(7, dtype=np.uint8) % 3,
        "x_test": generator.integers(0, 256, (4, 2, 3), dtype=np.uint8),
        "y_test": np.arange(4, dtype=np.uint8) % 3,
    }
    names = ("train-images.gz", "train-labels.gz", "test-images.gz", "test-labels.gz")
    made = [zipped_file(name, idx(array)) for name, array in zip(names, arrays.values(), strict=True)]
    source = Source(
        title="Tiny MNIST",
        folder="tiny-mnist",
        files=tuple(file for file, _ in made),
        mirrors=("http://127.0.0.1:9/",),
        shape=(2, 3),
        labels=("a", "b", "c"),
        reference="made here",
    )
    return Tiny(source, {file.name: content for file, content in made}, arrays)


def batch_bytes(pixels, labels):
    return pickle.dumps({b"data": pixels, b"labels": labels, b"batch_label": b"tiny"}, protocol=2)


def tiny_cifar():
    generator = np.random.default_rng(1)
    batches = {
        name: (generator.integers(0, 256, (5, 12), dtype=np.uint8), generator.integers(0, 3, 5).tolist())
        for name in ("batch_1", "batch_2", "batch_3", "test")
    }
    contents = {name: python2_pickle(*batch) for name, batch in batches.items()}
    packed = tar_gz({f"tiny-cifar/{name}": content for name, content in contents.items()})
    source = Source(
        title="Tiny CIFAR",
        folder="tiny-cifar",
        files=tuple(File(name, 0, sha(content)) for name, content in contents.items()),
        optional=("batch_1", "batch_2", "batch_3"),
        archive=File("tiny.tar.gz", len(packed), sha(packed)),
        mirrors=("http://127.0.0.1:9/",),
        shape=(3, 2, 2),
        labels=("a", "b", "c"),
        reference="made here",
    )
    return Tiny(source, contents | {"tiny.tar.gz": packed}, batches)


def python2_pickle(pixels, labels):
    """A batch as Python 2 and its numpy wrote it: byte strings, protocol 2, numpy.core names. Put together by hand."""

    def short(text):
        return b"U" + bytes([len(text)]) + text

    raw = pixels.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short(b"b") + b"\x87R"
        b"(K\x01" + b"".join(b"M" + struct.pack("<H", size) for size in pixels.shape) + b"\x86"
        b"cnumpy\ndtype\n" + short(b"u1") + b"K\x00K\x01\x87R(K\x03" + short(b"|") + b"NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    )
    items = b"(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + short(b"data") + array + short(b"labels") + b"]" + items + b"u."


def tar_gz(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Mirrors:
    """A server with several mirrors: /good/NAME sends files, other mirrors do what `behave` says."""

    def __init__(self):
        self.files, self.behaviours, self.requests = {}, {}, []
        mirrors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                _, mirror, name = self.path.split("/", 2)
                mirrors.requests.append((mirror, name))
                mirrors.behaviours.get(mirror, mirrors.send)(self, mirrors.files.get(name, b""))

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def url(self, mirror):
        return f"http://127.0.0.1:{self.server.server_port}/{mirror}/"

    def behave(self, mirror, behaviour):
        self.behaviours[mirror] = behaviour
        return self.url(mirror)

    @staticmethod
    def send(handler, body, status=200, length=None, kind="application/octet-stream"):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
