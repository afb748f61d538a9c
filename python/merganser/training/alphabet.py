"""`CharacterAlphabet`: words as characters, with the options that go with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from merganser.arguments import check_limits
from merganser.errors import ConfigError

__all__ = ["CharacterAlphabet"]


@dataclass(frozen=True, kw_only=True)
class CharacterAlphabet:
    """An alphabet of the characters that a text has.

    Parameters
    ----------
    initial : str, default ""
        Characters that get a token whether or not they occur.
    coverage : float, default 1.0
        The most frequent characters get a token until they make up this share of all; of equals the first by code
        point.
    limit : int, optional
        At most so many characters get a token, the most frequent.
    byte_fallback : bool, default False
        Whether the tokens ``<0x00>`` to ``<0xFF>`` stand for the bytes of characters without a token.
    unk_token : str, optional
        The token of a character without one; it must be among the special tokens.
    continuing_subword_prefix : str, default ""
        What a character has before it when it does not start its word, as ``"##"``: another symbol than without.
    end_of_word_suffix : str, default ""
        What a character has after it when it ends its word, as ``"</w>"``.

    Notes
    -----
    A character without a token parts its word in training: no token reaches across it. As `tokenizers` has it
    (``like="tokenizers"``) it is left out, and its neighbours become neighbours.

    Examples
    --------
    >>> import merganser as mg
    >>> alphabet = mg.CharacterAlphabet(end_of_word_suffix="</w>")
    >>> tok = mg.train_bpe(["low lower lowest"], vocab_size=11, alphabet=alphabet, pre_tokenizer="whitespace")
    >>> [tok.token_text(id) for id in range(11)]
    ['e', 'l', 'o', 'r', 's', 't', 'w', 'w</w>', 'r</w>', 't</w>', 'lo']
    """

    initial: str = ""
    coverage: float = 1.0
    limit: int | None = None
    byte_fallback: bool = False
    unk_token: str | None = None
    continuing_subword_prefix: str = ""
    end_of_word_suffix: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.coverage <= 1.0:
            msg = f"coverage must be from 0 to 1, got {self.coverage}"
            raise ConfigError(msg)
        check_limits(limit=(self.limit, 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name.

        Returns
        -------
        dict
        """
        return asdict(self)
