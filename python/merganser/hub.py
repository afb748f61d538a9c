"""Files by name from the Hugging Face hub, through `huggingface_hub`: its cache, its offline mode, its tokens.

Of a repository only the files that are read are fetched, for a tokenizer those of the first kind that it has; they land
in one folder of the cache, which is then loaded like any other folder.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from merganser.errors import FormatError, MissingDependencyError

__all__ = ["downloader", "fetch"]

# The kinds of files that make a tokenizer, the most telling first.
_KINDS = (
    ("tokenizer.json",),
    ("tekken.json",),
    ("tokenizer.model",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
)
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json")


def downloader(
    name: str,
    *,
    revision: str | None = None,
    cache_dir: Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    endpoint: str | None = None,
) -> Callable[[str], Path | None]:
    """Return what fetches a file of a repository; `Tokenizer.from_pretrained` documents the parameters.

    Returns
    -------
    callable
        From a file's name to where it is, or None where the repository has none of this name.
    """
    hub = _huggingface_hub(name)
    missing = importlib.import_module("huggingface_hub.errors").EntryNotFoundError
    options: dict[str, Any] = {
        "revision": revision,
        "cache_dir": cache_dir,
        "token": token,
        "local_files_only": local_files_only,
        "endpoint": endpoint,
    }

    def download(file_name: str) -> Path | None:
        try:
            return Path(hub.hf_hub_download(name, file_name, **options))
        except missing as error:
            if isinstance(error, FileNotFoundError) and not local_files_only:
                # Not that the repository lacks the file, but that neither the hub nor the cache could be asked.
                raise
            return None

    return download


def fetch(name: str, *, local_files_only: bool = False, **options: Any) -> Path:
    """Fetch the tokenizer files of a repository; the parameters are those of `downloader`.

    Returns
    -------
    Path
        The folder that holds them.
    """
    download = downloader(name, local_files_only=local_files_only, **options)
    for kind in _KINDS:
        found = [download(file_name) for file_name in kind]
        if all(found) and found[0] is not None:
            for file_name in _BESIDE:
                download(file_name)
            return found[0].parent
    where = "the cache" if local_files_only else "the repository"
    msg = f"{name}: {where} holds no tokenizer; looked for {', '.join(' with '.join(kind) for kind in _KINDS)}"
    raise FormatError(msg)


def _huggingface_hub(name: str) -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        msg = f"{name!r}: loading by name needs huggingface_hub: pip install 'merganser[hub]'"
        raise MissingDependencyError(msg) from None
