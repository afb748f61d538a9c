"""What a tokenizer makes of a text, token by token, for people to look at.

A token is bytes, and not every token is text: one may hold half a character. So each is shown by its bytes: what is
printable as it stands, white space by a mark, and the rest, such as a part of a character, as ``<E4>``. The letters
that a vocabulary file writes for bytes (``Ġ``) are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.text import Text

    from merganser.arguments import OnSpecial
from merganser.tokenizer import Tokenizer

__all__ = ["TokenView", "inspect_text", "render", "visible"]

_MARKS = {" ": "·", "\n": "↵", "\t": "→", "\r": "␍"}
# Neighbours differ, and black is readable on each.
_COLORS = ("#a6cee3", "#fdbf6f", "#b2df8a", "#fb9a99", "#cab2d6", "#ffff99")
# More than anyone looks at; a file of a megabyte would take minutes and gigabytes.
_MAX_SHOWN = 2000
_FIRST_ESCAPED = 0xDC80
_LAST_ESCAPED = 0xDCFF


@dataclass(frozen=True)
class TokenView:
    """One token of a text.

    Attributes
    ----------
    id : int
        Its id.
    data : bytes
        The bytes it stands for.
    is_special : bool
        Whether it is a special token.
    """

    id: int
    data: bytes
    is_special: bool

    @property
    def text(self) -> str | None:
        """The bytes as text; None where they are no UTF-8, as in a part of a character."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data.

        Returns
        -------
        dict
            ``id``, ``bytes`` in hexadecimal digits, ``text`` or None, and ``is_special``.
        """
        return {"id": self.id, "bytes": self.data.hex(), "text": self.text, "is_special": self.is_special}


def inspect_text(
    tokenizer: Tokenizer, text: str | bytes, *, add_special_tokens: bool = True, on_special: OnSpecial = "raise"
) -> list[TokenView]:
    """Encode a text and return its tokens with their bytes.

    Parameters
    ----------
    tokenizer : Tokenizer
        What to encode with.
    text : str or bytes
        The text; bytes must be UTF-8.
    add_special_tokens, on_special
        As :meth:`Tokenizer.encode`.

    Returns
    -------
    list of TokenView
        In the order of the text.

    Raises
    ------
    DisallowedSpecialError, TextError, UnknownTokenError
        As :meth:`Tokenizer.encode`.

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_bpe(["banana"], vocab_size=258)
    >>> [(token.id, token.data) for token in inspect_text(tok, "banana")]
    [(257, b'ban'), (256, b'an'), (64, b'a')]
    """
    special_ids = set(tokenizer.special_tokens.values())
    ids = tokenizer.encode(text, add_special_tokens=add_special_tokens, on_special=on_special)
    return [TokenView(id=id_, data=tokenizer.token_bytes(id_), is_special=id_ in special_ids) for id_ in ids]


def visible(data: bytes) -> str:
    r"""Show bytes so that nothing in them is hidden and nothing acts on a terminal.

    Parameters
    ----------
    data : bytes
        The bytes of a token.

    Returns
    -------
    str
        Printable characters as they are, white space by a mark, every other byte as ``<E4>``.

    Examples
    --------
    >>> visible(b" the\n"), visible("\u00e4".encode()[:1]), visible(b"\x1b[31m")
    ('·the↵', '<C3>', '<1B>[31m')
    """
    shown = []
    for char in data.decode("utf-8", "surrogateescape"):
        if char in _MARKS:
            shown.append(_MARKS[char])
        elif char.isprintable():
            shown.append(char)
        elif _FIRST_ESCAPED <= ord(char) <= _LAST_ESCAPED:
            shown.append(f"<{ord(char) - _FIRST_ESCAPED + 0x80:02X}>")
        else:
            shown.extend(f"<{byte:02X}>" for byte in char.encode())
    return "".join(shown)


def render(tokens: Sequence[TokenView], *, has_color: bool) -> RenderableType:
    """Lay tokens out for a terminal: the text with each token in a colour, and a table of ids and bytes.

    Parameters
    ----------
    tokens : sequence of TokenView
        The tokens; of more than 2,000 the first ones are shown.
    has_color : bool
        Whether colours will be seen; without them a bar stands between tokens.

    Returns
    -------
    rich renderable
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    n_tokens, n_bytes = len(tokens), sum(len(token.data) for token in tokens)
    tokens = tokens[:_MAX_SHOWN]
    running = Text("" if has_color else "|").join(
        _colored(token, place, has_color=has_color) for place, token in enumerate(tokens)
    )
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="")
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("token", overflow="fold")
    table.add_column("bytes", overflow="fold")
    for place, token in enumerate(tokens):
        shown = _colored(token, place, has_color=has_color, is_row=True)
        table.add_row(str(place), str(token.id), shown, Text(token.data.hex(" "), style="dim"))
    total = f"{n_tokens:,} token{'' if n_tokens == 1 else 's'}, {n_bytes:,} byte{'' if n_bytes == 1 else 's'}"
    if n_tokens > _MAX_SHOWN:
        total += f"; the first {_MAX_SHOWN:,} are shown, --json gives all"
    return Group(running, Text(), table, Text(), Text(total)) if tokens else Text("no tokens: the text is empty")


def _colored(token: TokenView, place: int, *, has_color: bool, is_row: bool = False) -> Text:
    """One token; in the running text a line feed also ends the line."""
    from rich.text import Text

    style = f"#000000 on {_COLORS[place % len(_COLORS)]}" + (" bold underline" if token.is_special else "")
    text = Text()
    for number, piece in enumerate(token.data.split(b"\n")):
        if number:
            text.append(_MARKS["\n"], style=style if has_color else "")
            text.append("" if is_row else "\n")
        text.append(visible(piece), style=style if has_color else "")
    return text
