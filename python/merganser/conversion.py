"""`convert`: a tokenizer in another format, and what that format leaves out.

Every writer refuses what would change an id. What remains is of two kinds: what a format leaves to whoever reads it
(the pattern of a rank file), and, from SentencePiece to Hugging Face, rules that have no exact counterpart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from merganser.tokenizer import Tokenizer

__all__ = ["convert"]

_LEFT_OUT = {
    ".tiktoken": "the pattern and the special tokens are not in a rank file: hand them to whatever reads it",
    ".txt": "lower-casing and the treatment of accents are not in a vocab.txt: tell them to whatever reads it",
    "vocab.json": "which tokens are special is not in vocab.json and merges.txt",
}


def convert(tokenizer: Tokenizer, path: str | os.PathLike[str]) -> list[str]:
    """Save a tokenizer in the format that `path` means, and say what changes.

    Parameters
    ----------
    tokenizer : Tokenizer
        What to save.
    path : path
        As for `Tokenizer.save`. A SentencePiece tokenizer is turned into Hugging Face's terms for a ``.json``.

    Returns
    -------
    list of str
        What the format leaves out or treats otherwise, a sentence each; empty when everything is kept.

    Raises
    ------
    UnsupportedError
        If the format cannot express the tokenizer with the same ids.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import merganser as mg, tempfile
    >>> from merganser.conversion import convert
    >>> folder = tempfile.TemporaryDirectory()
    >>> convert(mg.train_bpe(["banana"], vocab_size=258, pre_tokenizer="gpt2"), f"{folder.name}/vocab.json")
    ['which tokens are special is not in vocab.json and merges.txt']
    >>> folder.cleanup()
    """
    name = str(path)
    notes: list[str] = []
    if tokenizer.family == "SentencePiece" and name.endswith(".json"):
        tokenizer, notes = tokenizer.to_hugging_face()
    tokenizer.save(path)
    return notes + [note for end, note in _LEFT_OUT.items() if name.endswith(end)]
