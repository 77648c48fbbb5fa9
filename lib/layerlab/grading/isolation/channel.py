"""The grader's end of the three pipes: a request out, a message in, what is printed kept up to a limit."""

from __future__ import annotations

import os
import selectors
import time
from typing import IO

from layerlab.grading.isolation import wire
from layerlab.grading.isolation.backends import MB
from layerlab.grading.isolation.limits import Limits

CHUNK = 1 << 18
READS = 8  # of printed text, before the answer is looked at again
ABSURD = 1000  # times the output that is kept: more than that is an attack


class Ended(Exception):
    """The other end is closed."""


class Flood(Exception):
    """More was printed than anyone would keep."""


class Channel:
    """Never waits longer than told, whatever the other end does."""

    def __init__(self, streams: tuple[IO[bytes], IO[bytes], IO[bytes]], limits: Limits) -> None:
        self._streams = streams
        self._in, self._out, self._text = (stream.fileno() for stream in self._streams)
        for stream in self._streams:
            os.set_blocking(stream.fileno(), False)
        self._most, self._keep = limits.message_mb * MB, limits.output_kb * 1000
        self._received, self._printed, self._bytes = bytearray(), bytearray(), 0

    def exchange(self, data: bytes, seconds: float) -> bytes:
        """Send the data, give the body of the message that comes back.

        Raises TimeoutError, Ended, Flood, and wire.Malformed for what is no message.
        """
        end = time.monotonic() + seconds
        view = memoryview(data)
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._out, selectors.EVENT_READ)
            waiting.register(self._text, selectors.EVENT_READ)
            if view:
                waiting.register(self._in, selectors.EVENT_WRITE)
            while True:
                rest = end - time.monotonic()
                ready = {key.fd for key, _ in waiting.select(max(rest, 0.0))}
                if self._in in ready:
                    view = view[self._write(view) :]
                    if not view:
                        waiting.unregister(self._in)
                if self._text in ready and not self.drain():
                    waiting.unregister(self._text)
                if self._out in ready and (message := self._take()) is not None:
                    return message
                if rest <= 0:
                    raise TimeoutError

    def drain(self) -> bool:
        """Read what was printed by now, keep its beginning; False when there will be no more. Raises Flood."""
        for _ in range(READS):
            try:
                part = os.read(self._text, CHUNK)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._printed += part[: max(0, self._keep - len(self._printed))]
            self._bytes += len(part)
            if self._bytes > ABSURD * self._keep:
                raise Flood(f"it printed more than {ABSURD * self._keep / 1e6:g} MB")
        return True

    def forget(self) -> None:
        """What is printed from now on is a new text."""
        self._printed, self._bytes = bytearray(), 0

    def text(self) -> str:
        """The beginning of what was printed, and a mark where more followed."""
        text = printable(bytes(self._printed).decode(errors="replace"))
        return text + ("\n[...]" if self._bytes > len(self._printed) else "")

    def close(self) -> None:
        """Hang up."""
        for stream in self._streams:
            stream.close()

    def _write(self, view: memoryview) -> int:
        try:
            return os.write(self._in, view[:CHUNK])
        except BlockingIOError:
            return 0
        except BrokenPipeError:  # what it said before its end is read first
            return len(view)

    def _take(self) -> bytes | None:
        """What has arrived of the answer; the message once it is whole."""
        try:
            part = os.read(self._out, CHUNK)
        except BlockingIOError:
            return None
        if not part:
            raise Ended
        self._received += part
        size = wire.PREFIX.size
        if len(self._received) < size:
            return None
        end = size + wire.length(bytes(self._received[:size]), self._most)
        if len(self._received) < end:
            return None
        if len(self._received) > end:
            raise wire.Malformed("more than one answer")
        message, self._received = bytes(self._received[size:end]), bytearray()
        return message


def printable(text: str) -> str:
    """Text without control characters and lone surrogates, which a report could not show."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
