"""What is measured, and what it means.

Every figure is a ratio of sums over the whole text, never a mean of ratios: a mean would weigh a short document like a
long one. The sums are kept, so that any other ratio can be computed from them, and the figures of two texts joined.

Sources: fertility, Rust et al. (2021), "How Good is Your Tokenizer?", section 3; bytes per token as the script-neutral
form of compression, Petrov et al. (2023), "Language Model Tokenizers Introduce Unfairness Between Languages".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from merganser.compare.named_rows import NamedRows

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["METRICS", "Comparison", "Metric", "Row", "TextTotals"]


@dataclass(frozen=True)
class Metric:
    """A figure of a `Row`: its name there, and how to read it.

    Attributes
    ----------
    name : str
        The attribute of `Row`.
    title, unit : str
        What to call it, and what it is counted in.
    direction : {"higher", "lower"} or None
        Which is better; None where neither is.
    formula : str
        How it is computed.
    trap : str
        What it does not tell.
    """

    name: str
    title: str
    unit: str
    direction: Literal["higher", "lower"] | None
    formula: str
    trap: str


METRICS = (
    Metric(
        "vocab_size",
        "vocabulary size",
        "ids",
        None,
        "largest id + 1",
        "A larger vocabulary compresses better and costs the language model more parameters.",
    ),
    Metric(
        "n_tokens",
        "tokens",
        "tokens",
        "lower",
        "sum of the lengths of all encoded documents",
        "Special tokens that the post-processor would add are not counted.",
    ),
    Metric(
        "bytes_per_token",
        "bytes per token",
        "bytes/token",
        "higher",
        "n_bytes / n_tokens",
        "Comparable between tokenizers on one text, not between scripts: UTF-8 takes 1 byte for a Latin letter, 3 for "
        "a Chinese character.",
    ),
    Metric(
        "fertility",
        "fertility",
        "tokens/word",
        "lower",
        "n_tokens / n_words in running text, where a word is a maximal run of characters that are not white space",
        "Means little for scripts that put no white space between words (Chinese, Japanese, Thai): read tokens per "
        "character there. White space and punctuation are part of the tokens, so 1.0 is not a bound.",
    ),
    Metric(
        "tokens_per_char",
        "tokens per character",
        "tokens/char",
        "lower",
        "n_tokens / n_chars, where a character is a Unicode code point",
        "A code point is not what a reader takes for a character where marks combine.",
    ),
    Metric(
        "vocab_use",
        "vocabulary use",
        "%",
        "higher",
        "ids that occur / ids of the vocabulary, special tokens left out of both",
        "Grows with the text and falls with the vocabulary: comparable on one text only.",
    ),
    Metric(
        "round_trip",
        "round trip",
        "% documents",
        "higher",
        "share of the documents whose decoded bytes are their UTF-8, exactly",
        "Below 100 % the tokenizer is lossy, and its other figures are of a text that lost something.",
    ),
    Metric(
        "mb_per_s",
        "speed",
        "MB/s",
        "higher",
        "n_bytes / 10**6 / encode_seconds",
        "Wall time of this machine as loaded as it was; mb_per_cpu_s is steadier. A short text is repeated, so its "
        "speed is that of warm caches.",
    ),
)
"""What a comparison shows, in this order."""


@dataclass(frozen=True)
class TextTotals:
    """The text that tokenizers are compared on.

    Attributes
    ----------
    n_documents : int
        Documents.
    n_bytes : int
        Bytes of their UTF-8.
    n_chars : int
        Unicode code points.
    n_words : int
        Maximal runs of characters that are not white space, as `str.split` sees it.
    """

    n_documents: int
    n_bytes: int
    n_chars: int
    n_words: int


@dataclass(frozen=True)
class Row:
    """One tokenizer's figures; `METRICS` says how to read them.

    Attributes
    ----------
    name : str
        What the tokenizer is called in this comparison.
    fingerprint : str
        `Tokenizer.fingerprint`.
    text : TextTotals
        The text.
    vocab_size : int
        The largest id + 1.
    n_tokens : int
        Tokens of the text.
    n_ids : int
        Ids of the vocabulary, special tokens left out.
    n_ids_used : int
        Those of them that occur in the text.
    n_round_trip : int
        Documents that come back byte for byte.
    encode_seconds, encode_cpu_seconds : float
        Wall and CPU time to encode the whole text; the median where it was repeated.
    """

    name: str
    fingerprint: str
    text: TextTotals
    vocab_size: int
    n_tokens: int
    n_ids: int
    n_ids_used: int
    n_round_trip: int
    encode_seconds: float
    encode_cpu_seconds: float

    @property
    def bytes_per_token(self) -> float | None:
        """Bytes of UTF-8 that a token stands for; higher is better."""
        return _ratio(self.text.n_bytes, self.n_tokens)

    @property
    def fertility(self) -> float | None:
        """Tokens per word in running text; lower is better. None for a text of white space alone."""
        return _ratio(self.n_tokens, self.text.n_words)

    @property
    def tokens_per_char(self) -> float | None:
        """Tokens per code point; lower is better."""
        return _ratio(self.n_tokens, self.text.n_chars)

    @property
    def vocab_use(self) -> float | None:
        """Share of the ordinary ids that occur in the text, from 0 to 1."""
        return _ratio(self.n_ids_used, self.n_ids)

    @property
    def round_trip(self) -> float | None:
        """Share of the documents that come back byte for byte, from 0 to 1."""
        return _ratio(self.n_round_trip, self.text.n_documents)

    @property
    def is_lossy(self) -> bool:
        """Whether a document did not come back byte for byte."""
        return self.n_round_trip < self.text.n_documents

    @property
    def mb_per_s(self) -> float | None:
        """Megabytes (10**6 bytes) of UTF-8 encoded in a second of wall time; higher is better."""
        return _ratio(self.text.n_bytes / 1e6, self.encode_seconds)

    @property
    def mb_per_cpu_s(self) -> float | None:
        """Megabytes of UTF-8 encoded in a second of CPU time of all threads; higher is better."""
        return _ratio(self.text.n_bytes / 1e6, self.encode_cpu_seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return sums and ratios, without the text they share.

        Returns
        -------
        dict
            Numbers, strings and None only.
        """
        sums = {name: value for name, value in asdict(self).items() if name != "text"}
        names = [metric.name for metric in METRICS if metric.name not in sums]
        ratios = {name: getattr(self, name) for name in [*names, "mb_per_cpu_s", "is_lossy"]}
        return sums | ratios


@dataclass(frozen=True, repr=False)
class Comparison(NamedRows[Row]):
    """Tokenizers compared on one text: a row each, in the order given.

    It prints as a table, shows as one in a notebook, and turns into JSON.

    Attributes
    ----------
    rows : tuple of Row
        The figures.
    text : TextTotals
        The text they are of.
    n_threads : int or None
        Threads that encoded; None: as many as the machine gives.
    on_special : str
        What became of special tokens' texts: "text", "encode" or "raise".

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_bpe(["banana"], vocab_size=258)
    >>> comparison = mg.compare({"mine": tok}, ["banana", "ban"])
    >>> comparison["mine"].n_tokens, comparison["mine"].bytes_per_token
    (4, 2.25)
    """

    rows: tuple[Row, ...]
    text: TextTotals
    n_threads: int | None
    on_special: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Returns
        -------
        dict
            ``text`` (the sums of the text), ``tokenizers`` (a dict each) and how they were run.
        """
        return {
            "merganser_version": version("merganser"),
            "n_threads": self.n_threads,
            "on_special": self.on_special,
            "text": asdict(self.text),
            "tokenizers": [row.to_dict() for row in self.rows],
        }

    def __rich__(self) -> Table:
        from merganser.compare.table import rich_table

        return rich_table(self)

    def _repr_html_(self) -> str:
        from merganser.compare.table import html_table

        return html_table(self)

    def __str__(self) -> str:
        from merganser.compare.table import plain_table

        return plain_table(self)

    def __repr__(self) -> str:
        names = ", ".join(row.name for row in self.rows)
        return f"<Comparison of {len(self)} on {self.text.n_bytes:,} bytes: {names}>"


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None
