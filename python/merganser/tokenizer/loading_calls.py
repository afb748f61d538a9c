"""The calls of `Tokenizer` that make one from files, from a name, or from text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from merganser import _core, files, hub, openai
from merganser.arguments import path_of, utf8, valid_text

if TYPE_CHECKING:
    from typing_extensions import Self

    from merganser.tokenizer_config import TokenizerConfig

__all__ = ["LoadingCalls"]


class LoadingCalls:
    """See the module's head."""

    __slots__ = ()

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, core: _core.Tokenizer, config: TokenizerConfig | None = None) -> Self: ...

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
        lowercase: bool | None = None,
    ) -> Self:
        """Load a tokenizer from a file or a folder.

        Parameters
        ----------
        path : path
            ``tokenizer.json``; ``tekken.json``; a SentencePiece ``.model``; a ``.tiktoken`` file; ``vocab.json`` with
            ``merges.txt`` beside it; ``vocab.txt`` (WordPiece); or a folder that holds one of these, the first in this
            order. A ``tokenizer_config.json`` beside it becomes :attr:`config`.
        pattern : str, optional
            For a ``.tiktoken`` file that OpenAI does not publish: ``"gpt2"``, ``"cl100k"``, ``"o200k"`` or a regular
            expression. The file does not say it, and it is never guessed.
        special_tokens : mapping of str to int, optional
            For a ``.tiktoken`` file: texts and ids of the special tokens. The files that OpenAI publishes have theirs.
        lowercase : bool, optional
            For a ``vocab.txt``: whether text becomes lower case and loses accents. Required unless a
            ``tokenizer_config.json`` beside it says so.

        Returns
        -------
        Tokenizer

        Raises
        ------
        FormatError
            If the file is not what it claims to be; the message says where. `UnsupportedError`, a subclass, if it needs
            something that is not reproduced exactly.
        VocabError
            If tokens and merges contradict each other.
        OSError
            If a file cannot be read.

        Notes
        -----
        The file is data: nothing in it is executed, and no file that it names is opened. It takes time and memory
        linear in its size.

        Examples
        --------
        >>> import merganser as mg, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> mg.train_bpe(["banana"], vocab_size=258).save(f"{folder.name}/tokenizer.json")
        >>> mg.Tokenizer.load(folder.name).encode("banana")
        [257, 256, 64]
        >>> folder.cleanup()
        """
        options = files.LoadOptions(pattern=pattern, special_tokens=special_tokens, lowercase=lowercase)
        return cls._wrap(*files.load(path_of(path), options))

    @classmethod
    def from_pretrained(
        cls,
        name: str,
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        endpoint: str | None = None,
    ) -> Self:
        """Load a tokenizer by name from the Hugging Face hub.

        Parameters
        ----------
        name : str
            A repository, ``"openai-community/gpt2"``.
        revision : str, optional
            A branch, tag or commit; by default the main branch. A commit makes sure of the same tokenizer for ever.
        cache_dir : path, optional
            Where files are kept; by default where `huggingface_hub` keeps them.
        token : str or bool, optional
            For gated and private repositories. True: the stored one must be there; False: none is sent.
        local_files_only : bool, default False
            Whether to look into the cache alone.
        endpoint : str, optional
            The address of another hub.

        Returns
        -------
        Tokenizer

        Raises
        ------
        MissingDependencyError
            If `huggingface_hub` is not installed (``pip install 'merganser[hub]'``).
        FormatError
            If the repository holds no tokenizer, and as :meth:`load`.
        OSError
            If the hub cannot be reached, or the repository does not exist or may not be read.
        """
        cache = None if cache_dir is None else path_of(cache_dir, "cache_dir")
        valid_text(name, "name")
        folder = hub.fetch(
            name,
            revision=revision,
            cache_dir=cache,
            token=token,
            local_files_only=local_files_only,
            endpoint=endpoint,
        )
        return cls.load(folder)

    @classmethod
    def from_openai(
        cls, name: str, *, cache_dir: str | os.PathLike[str] | None = None, base_url: str | None = None
    ) -> Self:
        """Load an encoding that OpenAI publishes, fetched once from its public address.

        Parameters
        ----------
        name : str
            ``"gpt2"``, ``"r50k_base"``, ``"p50k_base"``, ``"p50k_edit"``, ``"cl100k_base"``, ``"o200k_base"`` or
            ``"o200k_harmony"``.
        cache_dir : path, optional
            Where the file is kept; by default ``~/.cache/merganser/openai``.
        base_url : str, optional
            The address of a mirror; the content must be the published one all the same.

        Returns
        -------
        Tokenizer

        Raises
        ------
        ConfigError
            If no encoding has that name.
        FormatError
            If what comes is not the published file.
        OSError
            If it cannot be fetched.
        """
        cache = None if cache_dir is None else path_of(cache_dir, "cache_dir")
        valid_text(name, "name")
        data, encoding = openai.fetch(name, cache_dir=cache, base_url=base_url)
        specials = None if encoding.special_tokens is None else list(encoding.special_tokens.items())
        return cls._wrap(_core.Tokenizer.from_tiktoken(data, encoding.pattern, specials))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Build from the text of a ``tokenizer.json``.

        Parameters
        ----------
        text : str or bytes
            The JSON text itself, not a path.

        Returns
        -------
        Tokenizer

        Raises
        ------
        FormatError, VocabError
            As :meth:`load`.
        """
        if not isinstance(text, (str, bytes)):
            msg = f"text must be str or bytes, got {type(text).__name__}; load(path) reads a file"
            raise TypeError(msg)
        return cls._wrap(_core.Tokenizer.from_json(utf8(text) if isinstance(text, str) else text))
