"""Documents as tokens, each with the byte of the raw text at which it starts.

The audit: the tokens of a document must decode to it byte for byte. Where they do not, the tokenizer does not keep the
text (it normalizes, or has unknown tokens), and the document is counted as lossy: all its raw bytes are still in the
denominator, but what the tokenizer lost it need not predict.

Where the bytes of the tokens add up to the document, each starts where the ones before it end. Elsewhere (a space that
the tokenizer puts in front, a text that it changes) the tokenizer is asked for the offsets of its tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merganser.arguments import utf8
from merganser.errors import ConfigError, MerganserError, TextError
from merganser.tokenizer import Tokenizer
from merganser.transformer.randomness import generator

__all__ = ["Split", "Stream", "encode_stream", "split_documents"]

Ids = NDArray[np.integer[Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """The documents of an experiment, as UTF-8.

    Attributes
    ----------
    training, held_out : list of bytes
        No document is in both, and none is there twice.
    n_duplicates : int
        Documents left out because an equal one was there.
    """

    training: list[bytes]
    held_out: list[bytes]
    n_duplicates: int


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """One tokenizer's view of documents.

    Attributes
    ----------
    ids : list of ndarray of int, shape (n_tokens,)
        Tokens of each document.
    starts : list of ndarray of int64, shape (n_tokens,)
        Byte at which each token starts; never falling.
    n_lossy : int
        Documents that the tokens do not decode to byte for byte.
    """

    ids: list[Ids]
    starts: list[NDArray[np.int64]]
    n_lossy: int

    def cut(self, document: int, start: int, stop: int) -> Ids:
        """Return the tokens that start from byte `start` on and before byte `stop` of a document."""
        first, last = np.searchsorted(self.starts[document], [start, stop])
        return self.ids[document][first:last]


def split_documents(documents: Iterable[str | bytes], *, held_out_bytes: int, seed: int) -> Split:
    """Shuffle documents, leave out copies, and hold some out.

    Parameters
    ----------
    documents : iterable of str or bytes
        The text.
    held_out_bytes : int
        Documents are held out until they have so many bytes, but never more than a third of the text.
    seed : int
        Chooses the order.

    Returns
    -------
    Split

    Raises
    ------
    ConfigError
        There are fewer than three different documents that are not empty.
    """
    unique: dict[bytes, None] = {}
    n_documents = 0
    for index, document in enumerate(documents):
        text = utf8(document) if isinstance(document, str) else bytes(document)
        try:
            text.decode()
        except UnicodeDecodeError as error:
            msg = f"document {index}: invalid UTF-8 at byte {error.start}"
            raise TextError(msg) from None
        if text:
            n_documents += 1
            unique[text] = None
    texts = list(unique)
    if len(texts) < 3:
        msg = (
            f"the text must have at least 3 different documents, to train on some and test on others, "
            f"got {len(texts)}; a text file is one document unless a separator is given"
        )
        raise ConfigError(msg)
    order = generator(seed, 0).permutation(len(texts)).tolist()
    limit = min(held_out_bytes, sum(map(len, texts)) // 3)
    held_out: list[bytes] = []
    n_held_out = 0
    while n_held_out < limit and len(order) > 1:
        held_out.append(texts[order.pop()])
        n_held_out += len(held_out[-1])
    return Split([texts[place] for place in order], held_out, n_documents - len(texts))


def encode_stream(name: str, tokenizer: Tokenizer, texts: Sequence[bytes], *, n_threads: int | None) -> Stream:
    """Encode documents, and audit their bytes.

    Parameters
    ----------
    name : str
        Of the tokenizer, for errors.
    tokenizer : Tokenizer
        Special tokens are neither added nor found in the text.
    texts : sequence of bytes
        The documents.
    n_threads : int or None
        Threads to encode with.

    Returns
    -------
    Stream
    """
    try:
        ragged = tokenizer.encode_batch(texts, add_special_tokens=False, on_special="text", n_threads=n_threads)
    except MerganserError as error:
        msg = f"{name}: {error}"
        raise type(error)(msg) from error
    n_bytes_of = _token_lengths(tokenizer, ragged.ids)
    ids: list[Ids] = []
    starts: list[NDArray[np.int64]] = []
    n_lossy = 0
    for document, text in zip(ragged, texts, strict=True):
        is_kept = tokenizer.decode_bytes(document) == text
        n_lossy += not is_kept
        ends = np.cumsum(n_bytes_of[document])
        if is_kept and len(document) and ends[-1] == len(text):
            places = np.concatenate([[0], ends[:-1]])
        else:
            places = _offsets(tokenizer, text)
        ids.append(document.astype(np.int64))
        # A token without bytes at the end of a text starts within it, too, so that every token is in a window.
        starts.append(np.minimum(places, len(text) - 1).astype(np.int64))
    return Stream(ids, starts, n_lossy)


def _offsets(tokenizer: Tokenizer, text: bytes) -> NDArray[np.int64]:
    """Return where in the raw text each token starts, never falling."""
    encoding = tokenizer.encode_full(text, add_special_tokens=False, on_special="text")
    return np.maximum.accumulate(encoding.offsets[:, 0].astype(np.int64))


def _token_lengths(tokenizer: Tokenizer, ids: Ids) -> NDArray[np.int64]:
    """Return the bytes of each token that occurs; special tokens, such as an unknown token, have none."""
    lengths = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    special = set(tokenizer.special_tokens.values())
    for token in np.unique(ids).tolist():
        if token not in special:
            lengths[token] = len(tokenizer.token_bytes(token))
    return lengths
