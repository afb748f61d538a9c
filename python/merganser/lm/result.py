"""What an experiment gave: a row a tokenizer, every raw sum, and the table."""

from __future__ import annotations

import dataclasses
import io
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from merganser.compare.named_rows import NamedRows

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["LmComparison", "LmRow"]

CAVEATS = (
    "Small models rank tokenizers as large ones do only where the differences are clear; a difference whose interval "
    "holds 0 says nothing.",
    "Bits for what a lossy tokenizer drops are not counted: its figure is too low, and not comparable.",
)


@dataclasses.dataclass(frozen=True)
class LmRow:
    """One tokenizer's figures.

    Attributes
    ----------
    name, fingerprint : str
        Which tokenizer.
    vocab_size : int
        Ids, without the one that stands for the start of a window.
    n_body_parameters, n_embedding_parameters : int
        Parameters of the model: the same body for all, and the embedding, which is the output layer too.
    n_steps : int
        Updates of each training.
    train_bytes, train_tokens : int
        Text of each training, repeats included, and its tokens.
    train_flops : float
        Estimate: 6 for each parameter and token, and the attention's products.
    n_bytes, n_tokens : int
        Held-out text.
    bits_per_byte, low, high : float
        Mean over seeds, and its interval.
    difference, difference_low, difference_high : float
        To the first tokenizer, on the same documents and seeds.
    n_lossy : int
        Documents, trained on and held out, whose tokens do not decode to them byte for byte.
    """

    name: str
    fingerprint: str
    vocab_size: int
    n_body_parameters: int
    n_embedding_parameters: int
    n_steps: int
    train_bytes: int
    train_tokens: int
    train_flops: float
    n_bytes: int
    n_tokens: int
    bits_per_byte: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    n_lossy: int

    @property
    def is_lossy(self) -> bool:
        """Whether the tokens of some document do not give it back: the figure is not comparable then."""
        return self.n_lossy > 0

    @property
    def bytes_per_token(self) -> float:
        """Of the held-out text."""
        return self.n_bytes / self.n_tokens


@dataclasses.dataclass(frozen=True)
class LmComparison(NamedRows[LmRow]):
    """Bits per byte of the same model on the tokens of several tokenizers.

    Attributes
    ----------
    rows : tuple of LmRow
        In the order given; the first is what the others are compared with.
    settings : dict
        What was trained.
    n_training_documents, n_held_out_documents, n_duplicates : int
        The text; copies were left out.
    records : tuple of dict
        Raw sums of each training: ``tokenizer``, ``seed``, ``step``, ``train_bytes``, ``train_tokens``,
        ``train_flops``, ``nats``, ``tokens``, ``bytes``, ``document_nats``.
    """

    rows: tuple[LmRow, ...]
    settings: dict[str, Any]
    n_training_documents: int
    n_held_out_documents: int
    n_duplicates: int
    records: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as lists and dictionaries.

        Returns
        -------
        dict
        """
        return {
            "merganser": version("merganser"),
            "settings": self.settings,
            "n_training_documents": self.n_training_documents,
            "n_held_out_documents": self.n_held_out_documents,
            "n_duplicates": self.n_duplicates,
            "tokenizers": [
                {**dataclasses.asdict(row), "is_lossy": row.is_lossy, "bytes_per_token": row.bytes_per_token}
                for row in self.rows
            ],
            "records": list(self.records),
            "caveats": list(CAVEATS),
        }

    def __rich__(self) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="")
        table.add_column(Text("tokenizer"), overflow="fold", min_width=9)
        for head in (
            "vocab\nids",
            "bytes\n/token",
            "training\ntokens",
            "training\nTFLOP",
            "parameters\nbody + embedding",
            "bits per byte\n95 % interval ↓",
            "difference\n95 % interval",
        ):
            table.add_column(Text(head), justify="right", no_wrap=True)
        exact = [row for row in self.rows if not row.is_lossy]
        best = min(exact, key=lambda row: row.bits_per_byte) if len(exact) > 1 else None
        for row in self.rows:
            figure = f"{row.bits_per_byte:.4f}  {row.low:.3f}-{row.high:.3f}"
            difference = f"{row.difference:+.4f}  {row.difference_low:+.4f} to {row.difference_high:+.4f}"
            table.add_row(
                Text(f"{row.name} (lossy)" if row.is_lossy else row.name),
                f"{row.vocab_size:,}",
                f"{row.bytes_per_token:.3f}",
                f"{row.train_tokens:,}",
                f"{row.train_flops / 1e12:.2f}",
                f"{row.n_body_parameters / 1e6:.2f} M + {row.n_embedding_parameters / 1e6:.2f} M",
                Text(figure, style="bold green" if row is best else ""),
                difference if row is not self.rows[0] else "-",
            )
        table.caption = Text(self._caption(), style="dim")
        table.caption_justify = "left"
        return table

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(file=io.StringIO(), color_system=None, width=10_000)
        table = self.__rich__()
        console.width = console.measure(table).maximum
        with console.capture() as capture:
            console.print(table)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def _caption(self) -> str:
        first, settings = self.rows[0], self.settings
        seeds = len(settings["seeds"])
        lines = [
            f"{self.n_training_documents:,} documents trained on, {self.n_held_out_documents:,} held out "
            f"({first.n_bytes:,} bytes), {seeds} seed{'' if seeds == 1 else 's'}, context "
            f"{settings['context_bytes']} bytes, equal {settings['budget']}",
            *(f"{row.name} (lossy): {row.n_lossy:,} documents cannot be restored" for row in self.rows if row.is_lossy),
            *CAVEATS,
        ]
        return "\n".join(lines)
