"""`compare`: run tokenizers over one text, a batch at a time, and add up.

Each batch goes through every tokenizer before the next is read, so that memory is bounded by a batch whatever the size
of the text, and a source that can be read only once will do. Tokenizers get UTF-8, made once: a `str` remembers its
UTF-8 after the first call, which would make the first tokenizer look slower than the others.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from merganser.arguments import OnSpecial, many_texts, utf8
from merganser.compare.metrics import Comparison, Row, TextTotals
from merganser.compare.naming import Listed, Named, load_named
from merganser.corpus.batches import Batch, located_batches
from merganser.corpus.documents import Documents
from merganser.errors import ConfigError, MerganserError, TextError
from merganser.progress import Progress, reporting
from merganser.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from merganser.ragged import Ragged

__all__ = ["compare"]

BATCH_BYTES = 8 << 20
# A text of one batch is timed again until it has this many runs and this much time.
N_RUNS = 5
MIN_SECONDS = 0.1
MAX_RUNS = 1000
WORD_SLICE_CHARS = 1 << 20


def compare(
    tokenizers: Named | Listed,
    documents: Documents | Iterable[str | bytes],
    *,
    on_special: OnSpecial = "text",
    n_threads: int | None = 1,
    progress: Progress = None,
) -> Comparison:
    """Compare what tokenizers make of the same text.

    Parameters
    ----------
    tokenizers : mapping of str to Tokenizer, or iterable of Tokenizers and paths
        What to compare, by name. A path is loaded with :meth:`Tokenizer.load` and named after its file or folder; a
        Tokenizer without a name is named after its place.
    documents : Documents or iterable of str or bytes
        The text; bytes must be UTF-8. A single `str` is one text, not many, and is refused.
    on_special : {"text", "encode", "raise"}, default "text"
        What becomes of a special token's text: ordinary text, so that all tokenizers work on the same; its id; or an
        error.
    n_threads : int or None, default 1
        Threads to encode with; None: as many as the machine gives. Only the speed depends on it.
    progress : bool, callable or None, default None
        True draws a bar; a callable is called as ``progress(done, total, "encode")`` with bytes.

    Returns
    -------
    Comparison
        A row a tokenizer: tokens, bytes per token, fertility, vocabulary use, round trip and speed. Each
        entry of `METRICS` (``from merganser.compare import METRICS``) says what a figure is and what it does not tell.

    Raises
    ------
    ConfigError
        There is no tokenizer, or the text is empty.
    DisallowedSpecialError, TextError, UnknownTokenError
        A document cannot be encoded; the message names the tokenizer and the document.
    FormatError, OSError
        A tokenizer or a document cannot be read.

    Notes
    -----
    Memory: the tokenizers, a batch (8 MiB of text or one longer document) and its ids. The post-processor's special
    tokens (RoBERTa's ``<s>``) are left out, for they do not stand for text; so are a tokenizer's truncation and
    padding, for all are compared on the whole text. Time is taken around the encode call alone.
    A text of one batch is encoded at least five times, and the median counts.

    Examples
    --------
    >>> import merganser as mg
    >>> text = ["low lower lowest", "new newer newest"]
    >>> bytes_only = mg.train_bpe(text, vocab_size=256)
    >>> merged = mg.train_bpe(text, vocab_size=262)
    >>> comparison = mg.compare({"bytes": bytes_only, "merged": merged}, text)
    >>> [(row.name, row.n_tokens, row.bytes_per_token, row.round_trip) for row in comparison]
    [('bytes', 32, 1.0, 1.0), ('merged', 16, 2.0, 1.0)]
    """
    many_texts(documents, "documents")
    if on_special not in ("text", "encode", "raise"):
        msg = f'on_special must be "text", "encode" or "raise", got {on_special!r}'
        raise ConfigError(msg)
    contestants = [_Contestant(name, tokenizer, on_special, n_threads) for name, tokenizer in load_named(tokenizers)]
    n_documents = n_bytes = n_chars = n_words = n_batches = 0
    texts: list[bytes] = []
    with reporting(progress) as report:
        for batch in located_batches(documents, BATCH_BYTES):
            texts, batch_chars, batch_words = _measure(batch)
            for contestant in contestants:
                contestant.take(texts, batch)
            n_batches += 1
            n_documents += len(texts)
            n_bytes += sum(map(len, texts))
            n_chars += batch_chars
            n_words += batch_words
            if isinstance(documents, Documents):
                report(documents.n_bytes_read, documents.total_bytes, "encode")
            else:
                report(n_bytes, None, "encode")
    if not n_bytes:
        msg = f"the text is empty ({n_documents} documents, 0 bytes): there is nothing to compare"
        raise ConfigError(msg)
    if n_batches == 1:
        for contestant in contestants:
            contestant.time_again(texts)
    totals = TextTotals(n_documents=n_documents, n_bytes=n_bytes, n_chars=n_chars, n_words=n_words)
    rows = tuple(contestant.row(totals) for contestant in contestants)
    return Comparison(rows=rows, text=totals, n_threads=n_threads, on_special=on_special)


@dataclass
class _Contestant:
    """A tokenizer and the sums of what it did so far."""

    name: str
    tokenizer: Tokenizer
    on_special: OnSpecial
    n_threads: int | None
    n_tokens: int = 0
    n_round_trip: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    is_used: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.is_used = np.zeros(self.tokenizer.vocab_size, dtype=np.bool_)

    def take(self, texts: list[bytes], batch: Batch) -> None:
        """Encode a batch, decode it again, and add up."""
        try:
            ragged, seconds, cpu_seconds = self._encode(texts)
        except MerganserError as error:
            raise type(error)(f"{self.name}: {batch.located(error)}") from error
        self.seconds += seconds
        self.cpu_seconds += cpu_seconds
        self.n_tokens += len(ragged.ids)
        self.is_used[ragged.ids] = True
        decode = self.tokenizer.decode_bytes
        self.n_round_trip += sum(decode(ids) == text for ids, text in zip(ragged, texts, strict=True))

    def time_again(self, texts: list[bytes]) -> None:
        """Encode a short text again and again: one run of it says little."""
        runs = [(self.seconds, self.cpu_seconds)]
        while len(runs) < N_RUNS or (len(runs) < MAX_RUNS and sum(seconds for seconds, _ in runs) < MIN_SECONDS):
            runs.append(self._encode(texts)[1:])
        self.seconds = statistics.median(seconds for seconds, _ in runs)
        self.cpu_seconds = statistics.median(cpu_seconds for _, cpu_seconds in runs)

    def row(self, text: TextTotals) -> Row:
        """Give the figures."""
        special_ids = set(self.tokenizer.special_tokens.values())
        self.is_used[list(special_ids)] = False
        return Row(
            name=self.name,
            fingerprint=self.tokenizer.fingerprint,
            text=text,
            vocab_size=self.tokenizer.vocab_size,
            n_tokens=self.n_tokens,
            n_ids=self.tokenizer.n_tokens - len(special_ids),
            n_ids_used=int(self.is_used.sum()),
            n_round_trip=self.n_round_trip,
            encode_seconds=self.seconds,
            encode_cpu_seconds=self.cpu_seconds,
        )

    def _encode(self, texts: list[bytes]) -> tuple[Ragged, float, float]:
        cpu_start, start = time.process_time(), time.perf_counter()
        ragged = self.tokenizer.encode_batch(
            texts, add_special_tokens=False, on_special=self.on_special, n_threads=self.n_threads
        )
        end, cpu_end = time.perf_counter(), time.process_time()
        return ragged, end - start, cpu_end - cpu_start


def _measure(batch: Batch) -> tuple[list[bytes], int, int]:
    """Turn a batch into UTF-8, and count its characters and words."""
    encoded: list[bytes] = []
    n_chars = n_words = 0
    for index, document in enumerate(batch.texts):
        try:
            data, text = (utf8(document), document) if isinstance(document, str) else (document, document.decode())
        except TextError as error:
            msg = f"{batch.origin(index)}: {error}"
            raise TextError(msg) from None
        except UnicodeDecodeError as error:
            msg = f"{batch.origin(index)}: invalid UTF-8 at byte {error.start}"
            raise TextError(msg) from None
        encoded.append(data)
        n_chars += len(text)
        n_words += count_words(text)
    return encoded, n_chars, n_words


def count_words(text: str) -> int:
    r"""Count the words of a text: maximal runs of characters that are not white space.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    int

    Notes
    -----
    The text is split a slice at a time: a list of all words would take ten times its memory.

    Examples
    --------
    >>> count_words("  to be,\nor not ")
    4
    """
    n_words = 0
    is_in_word = False
    for start in range(0, len(text), WORD_SLICE_CHARS):
        piece = text[start : start + WORD_SLICE_CHARS]
        n_words += len(piece.split()) - (is_in_word and not piece[0].isspace())
        is_in_word = not piece[-1].isspace()
    return n_words
