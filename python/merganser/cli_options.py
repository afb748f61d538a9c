"""Options that several subcommands of ``merganser`` take, and what their values are read from."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Annotated, Literal

import typer

__all__ = [
    "Errors",
    "Files",
    "Format",
    "OnSpecial",
    "Pattern",
    "Separator",
    "TextField",
    "Threads",
    "TokenizerPath",
    "check_number",
    "parse_size",
]

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]?)i?b?", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """Read a number of bytes.

    Parameters
    ----------
    text : str
        ``"2000000"``, ``"512M"``, ``"4G"``; 1024 bytes are a K.

    Returns
    -------
    int

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is no size; write bytes, or such as 512M or 4G"
        raise typer.BadParameter(msg)
    number, unit = match.groups()
    return int(Fraction(number) * 1024 ** " kmgt".index(unit.lower() or " "))


def check_number(number: float) -> float:
    """Refuse what is not a number, which lies within any range for some versions of typer."""
    if math.isnan(number):
        msg = f"{number} is not a number"
        raise typer.BadParameter(msg)
    return number


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES",
        show_default=False,
        help="Files or patterns of documents: .txt, .jsonl, .parquet; also .gz and .zst; - is standard input.",
    ),
]
TokenizerPath = Annotated[
    str,
    typer.Option(
        "--tokenizer",
        metavar="PATH",
        show_default=False,
        help="tokenizer.json, a .tiktoken file, or a folder that holds a tokenizer.",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(help="For a .tiktoken file of your own: gpt2, cl100k, o200k or a regular expression."),
]
OnSpecial = Annotated[
    Literal["raise", "encode", "text"],
    typer.Option(help="A special token's text in the documents is an error, becomes its id, or is ordinary text."),
]
Threads = Annotated[int | None, typer.Option(min=1, show_default="all", help="Threads to work with.")]
TextField = Annotated[str, typer.Option(metavar="NAME", help="Field or column that holds the text (.jsonl, .parquet).")]
Separator = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        show_default="a file is one document",
        help=r"What stands between two documents of a text file, such as $'<|endoftext|>\n'.",
    ),
]
Format = Annotated[
    Literal["text", "jsonl", "parquet"] | None,
    typer.Option("--format", show_default="by the name", help="What the files, or standard input (text), hold."),
]
Errors = Annotated[
    Literal["strict", "replace"],
    typer.Option(help="Invalid UTF-8 is an error, or is replaced by U+FFFD and counted."),
]
