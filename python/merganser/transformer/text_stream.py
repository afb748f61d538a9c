"""Text from tokens as they come: whole characters only, and nothing of a stop string.

A character may lie across several tokens, and a stop string across several more. So text is held back while it ends
in an incomplete character, or in what may be the beginning of a stop string. The tokenizer enters as a function
from ids to bytes or text; the transformer knows none. `generate` stops by it; with `stream` it shows text as it comes.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError

__all__ = ["TextStream", "checked_strings"]

# Decoders may treat the first token of a text apart (a leading space), so a few earlier ones go before the new ones.
_N_CONTEXT = 4
# What decoders to str write for an incomplete character.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class TextStream:
    """Turns tokens into text piece by piece.

    Parameters
    ----------
    decode : callable
        From a list of ids to `bytes` (best: ``tokenizer.decode_bytes``) or `str`, where a U+FFFD at the end waits for
        the next token, since it may be an incomplete character.
    stop_strings : sequence of str
        The text ends before the first of these. With a `decode` to str, one with a U+FFFD in it may be seen a token
        later.
    after : sequence of int
        Tokens that the new ones go on from, such as the prompt. Decoders drop the space before the first word of a
        text, so the new text has its own only where what comes before is known.

    Attributes
    ----------
    is_stopped : bool
        Whether a stop string was met; nothing comes after it.

    Examples
    --------
    >>> stream = TextStream(bytes, stop_strings=["END"])
    >>> [stream.push(byte) for byte in "né EN, END!".encode()]
    ['n', '', 'é', ' ', '', '', 'EN,', ' ', '', '', '', '']
    >>> stream.is_stopped
    True
    """

    def __init__(
        self,
        decode: Callable[[list[int]], bytes | str],
        *,
        stop_strings: Sequence[str] = (),
        after: Sequence[int] | NDArray[np.integer[Any]] = (),
    ) -> None:
        self._decode = decode
        self._stops = checked_strings(stop_strings)
        self._context = [int(token) for token in after[-_N_CONTEXT:]]
        self._pending: list[int] = []
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.is_stopped = False

    def push(self, token: int) -> str:
        """Take the next token and return the text that is certain now.

        Parameters
        ----------
        token : int
            The token.

        Returns
        -------
        str
            What follows the text returned before; often empty.
        """
        if self.is_stopped:
            return ""
        self._pending.append(int(token))
        before = self._decode(self._context)
        after = self._decode(self._context + self._pending)
        if isinstance(before, bytes) and isinstance(after, bytes):
            return self._take(self._utf8.decode(after[len(before) :]))
        if not (isinstance(before, str) and isinstance(after, str)):
            msg = f"decode must return bytes or str, got {type(after).__name__}"
            raise TypeError(msg)
        new = _after(before, after)
        if not after.endswith(_REPLACEMENT):
            return self._take(new)
        # The end may be an incomplete character, and is waited for; a stop string before it stands.
        text, self.is_stopped = self._cut(self._held + new.rstrip(_REPLACEMENT))
        return text if self.is_stopped else ""

    def finish(self) -> str:
        """Return what was held back, when no more tokens come.

        Returns
        -------
        str
            An incomplete character is U+FFFD.
        """
        if self.is_stopped:
            return ""
        rest = self._utf8.decode(b"", final=True)
        if self._pending:
            before, after = self._decode(self._context), self._decode(self._context + self._pending)
            if isinstance(before, str) and isinstance(after, str):
                rest += _after(before, after)
        self._pending = []
        text, self._held = self._held + rest, ""
        return self._cut(text)[0]

    def _take(self, new: str) -> str:
        self._context = (self._context + self._pending)[-_N_CONTEXT:]
        self._pending = []
        text, self.is_stopped = self._cut(self._held + new)
        if self.is_stopped:
            self._held = ""
            return text
        n_held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - n_held :]
        return text[: len(text) - n_held]

    def _cut(self, text: str) -> tuple[str, bool]:
        """Cut a text before the first stop string; say whether there was one."""
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        return (text[: min(places)], True) if places else (text, False)


def checked_strings(stop_strings: Sequence[str]) -> tuple[str, ...]:
    """Return stop strings; raise ConfigError unless each is a string that is not empty, or there are none."""
    if not isinstance(stop_strings, str) and isinstance(stop_strings, Iterable):
        strings = tuple(stop_strings)
        if all(isinstance(string, str) and string for string in strings):
            return strings
    msg = "stop_strings must be a sequence of strings, none empty"
    raise ConfigError(msg)


def _after(before: str, whole: str) -> str:
    """Return what a text has after an earlier one, whose incomplete end may have become a character."""
    while before.endswith(_REPLACEMENT) and not whole.startswith(before):
        before = before[:-1]
    return whole[len(before) :]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that is a beginning of `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
