"""Published weights: folders as Hugging Face keeps them, loaded into a model and saved from one.

A folder holds `config.json` and the tensors, in `model.safetensors` or in shards that `model.safetensors.index.json`
lists. Every parameter must be there in its shape, and every tensor must have a use: what is not understood is refused
by name. What a file repeats, such as an output layer tied to the embedding, must repeat it exactly.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merganser import hub
from merganser.atomic import atomic_write, force_folder_to_disk
from merganser.errors import FormatError, InternalError, UnsupportedError
from merganser.transformer import hf_names
from merganser.transformer.bert import Bert
from merganser.transformer.configs import BertConfig, Config, GptConfig, Seq2SeqConfig, T5Config
from merganser.transformer.gpt import Gpt
from merganser.transformer.hf_config import read_config, write_config
from merganser.transformer.model import Model
from merganser.transformer.seq2seq import Seq2Seq
from merganser.transformer.t5 import T5
from merganser.transformer.tape import Parameters
from merganser.transformer.tensor_file import FloatName, TensorFile, parse_json, shown, write_tensors

_CONFIG, _WEIGHTS, _INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
_SHARD_NAME = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_MAX_JSON_BYTES = 50_000_000
# The usual size of a shard.
_SHARD_BYTES = 5_000_000_000

# Prefixes that some files leave out.
_PREFIXES = {"gpt2": "transformer.", "bert": "bert.", "t5": "", "marian": "model."}
_OUTSIDE_PREFIX = ("lm_head.", "cls.", "classifier.", "qa_outputs.", "final_logits_bias")
# Tensors without information: constants that the code makes anew.
_CONSTANTS = {
    "gpt2": re.compile(r"transformer\.h\.\d+\.attn\.(bias|masked_bias)"),
    "bert": re.compile(r"bert\.embeddings\.position_ids"),
    "t5": re.compile(r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight"),
    "marian": re.compile(r"model\.(encoder|decoder)\.embed_positions\.weight"),
}
# Tensors that repeat another.
_REPEATED = {
    "gpt2": {"lm_head.weight": "transformer.wte.weight"},
    "bert": {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    "t5": {"encoder.embed_tokens.weight": "shared.weight", "decoder.embed_tokens.weight": "shared.weight"},
    "marian": {
        "lm_head.weight": "model.shared.weight",
        "model.encoder.embed_tokens.weight": "model.shared.weight",
        "model.decoder.embed_tokens.weight": "model.shared.weight",
    },
}


def load_pretrained(
    source: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    endpoint: str | None = None,
) -> tuple[Gpt | Bert | T5 | Seq2Seq, dict[str, NDArray[np.float32]]]:
    """Load a published model.

    Parameters
    ----------
    source : str or PathLike
        A folder with `config.json` and safetensors files; or, where there is no such folder, the name of a repository
        on the Hugging Face hub.
    revision : str, optional
        A branch, tag or commit on the hub; by default the main branch.
    cache_dir : path, optional
        Where files from the hub are kept; by default where `huggingface_hub` keeps them.
    token : str or bool, optional
        For gated and private repositories. True: the stored one must be there; False: none is sent.
    local_files_only : bool, default False
        Whether to look into the cache alone.
    endpoint : str, optional
        The address of another hub.

    Returns
    -------
    model : Gpt, Bert, T5 or Seq2Seq
    params : dict of str to ndarray of float32
        Half precision is widened, which loses nothing.

    Raises
    ------
    FormatError
        A file is damaged, or a tensor is missing or has the wrong shape; the message names it.
    UnsupportedError
        The model is not computed here.
    MissingDependencyError
        The hub is asked for without `huggingface_hub`.
    OSError
        The hub cannot be reached, or the repository does not exist or may not be read.

    Notes
    -----
    The families are GPT-2, BERT, T5 and Marian. Nothing from a file is executed. Marian's models were never taught
    their padding id: when they write, ban it, ``generate(..., banned_ids=[model.config.start_id])``.
    """
    folder = Path(source)
    if not os.path.isdir(folder):
        cache = None if cache_dir is None else Path(cache_dir)
        options = {"revision": revision, "cache_dir": cache, "token": token}
        folder = _fetch(os.fspath(source), **options, local_files_only=local_files_only, endpoint=endpoint)
    config_path = folder / _CONFIG
    data = _read_json(config_path)
    family = str(data.get("model_type"))
    found = _names_in_files(folder, family)
    config = read_config(data, found, os.fspath(config_path))
    model = _model(config)
    return model, _read_parameters(model, family, found)


def save_pretrained(
    folder: str | os.PathLike[str],
    model: Model[Any],
    params: Parameters,
    *,
    dtype: FloatName = "float32",
    max_shard_bytes: int = _SHARD_BYTES,
) -> None:
    """Save a model as a folder that `load_pretrained` and `transformers` load.

    A model that the folder held before is replaced, also where it was divided over other files. It stands until the
    new one is on disk as a whole; where the renaming after that is interrupted, the folder holds no configuration and
    is refused. So there is room for both needed.

    Parameters
    ----------
    folder : str or PathLike
        Made where it does not exist.
    model : Gpt, Bert, T5 or Seq2Seq
        A Seq2Seq must be of Marian's form: post-norm, sinusoidal halves.
    params : mapping of str to ndarray of float32
    dtype : {"float32", "float16", "bfloat16"}
        What the weights are rounded to.
    max_shard_bytes : int
        Where the weights take more, they are divided over several files.

    Raises
    ------
    UnsupportedError
        No published family has such a model.
    ConfigError
        The parameters do not fit the model, or a value does not fit into float16.
    """
    model.check_parameters(params)
    config = write_config(model.config)
    family = config["model_type"]
    config["dtype"] = dtype
    tensors: dict[str, NDArray[Any]] = {}
    for ours, (theirs, is_transposed) in _table(model, family).items():
        array = params[ours]
        tensors[theirs] = array.T if is_transposed else array[None] if theirs == "final_logits_bias" else array
    shards = list(_shards(tensors, max_shard_bytes, 4 if dtype == "float32" else 2))
    names = (
        [_WEIGHTS]
        if len(shards) == 1
        else [f"model-{index + 1:05}-of-{len(shards):05}.safetensors" for index in range(len(shards))]
    )
    hidden = Path(folder, f".unfinished-{secrets.token_hex(6)}")
    hidden.mkdir(parents=True)
    try:
        for name, shard in zip(names, shards, strict=True):
            write_tensors(hidden / name, shard, metadata={"format": "pt"}, dtype=dtype)
        if len(shards) > 1:
            places = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
            size = sum(array.size for array in tensors.values()) * (4 if dtype == "float32" else 2)
            _write_json(hidden / _INDEX, {"metadata": {"total_size": size}, "weight_map": places})
        _write_json(hidden / _CONFIG, config)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    _replace_model(Path(folder), hidden)


def _replace_model(folder: Path, new: Path) -> None:
    """Put the files of a model, written in a folder of their own, in the place of an earlier one's.

    Without a configuration nobody loads what is there: it goes first and comes last.
    """
    (folder / _CONFIG).unlink(missing_ok=True)
    force_folder_to_disk(folder)
    for path in list(folder.iterdir()):
        if path.name in (_WEIGHTS, _INDEX) or _SHARD_NAME.fullmatch(path.name):
            path.unlink()
    for path in list(new.iterdir()):
        if path.name != _CONFIG:
            path.rename(folder / path.name)
    force_folder_to_disk(folder)
    (new / _CONFIG).rename(folder / _CONFIG)
    new.rmdir()
    force_folder_to_disk(folder)


def _model(config: Config) -> Gpt | Bert | T5 | Seq2Seq:
    if isinstance(config, GptConfig):
        return Gpt(config)
    if isinstance(config, BertConfig):
        return Bert(config)
    if isinstance(config, T5Config):
        return T5(config)
    if isinstance(config, Seq2SeqConfig):
        return Seq2Seq(config)
    raise InternalError(f"no model has a {type(config).__name__}")


def _table(model: Model[Any], family: str) -> dict[str, tuple[str, bool]]:
    tables = {"gpt2": hf_names.GPT2, "bert": hf_names.BERT, "t5": hf_names.T5, "marian": hf_names.MARIAN}
    table = tables[family]
    if isinstance(model.config, T5Config) and model.config.is_gated:
        table = hf_names.T5_GATED
    return hf_names.their_names(table, list(model.shapes()))


def _names_in_files(folder: Path, family: str) -> dict[str, tuple[TensorFile, str]]:
    """Return for each tensor, by its full published name, the file that holds it and its name there."""
    found: dict[str, tuple[TensorFile, str]] = {}
    prefix = _PREFIXES.get(family, "")
    for file in _files(folder):
        for name in file:
            full = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
            if not full.startswith((prefix, *_OUTSIDE_PREFIX)):
                full = prefix + full
            if full in found:
                raise FormatError(f"{file.path}: tensor {shown(name)} is there twice")
            found[full] = (file, name)
    return found


def _files(folder: Path) -> Iterator[TensorFile]:
    if (folder / _WEIGHTS).is_file():
        yield TensorFile(folder / _WEIGHTS)
        return
    index = folder / _INDEX
    if not index.is_file():
        raise FormatError(f"{folder}: has neither {_WEIGHTS} nor {_INDEX}")
    for name, tensors in _read_index(index).items():
        # Asked in this way, a name that no system takes is no file either.
        if not os.path.isfile(folder / name):
            raise FormatError(f"{index}: {shown(name)} is not a file of this folder")
        file = TensorFile(folder / name)
        for tensor in tensors:
            if tensor not in file:
                raise FormatError(f"{index}: tensor {shown(tensor)} is not in {name}")
        yield file


def _read_index(path: Path) -> dict[str, list[str]]:
    """Return the names of the shards, in order, each with its tensors."""
    places = _read_json(path).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise FormatError(f"{path}: weight_map must give a file for each tensor")
    shards: dict[str, list[str]] = {name: [] for name in sorted(set(places.values()))}
    for tensor, name in places.items():
        # A name with a folder in it could lead anywhere.
        if Path(name).name != name:
            raise FormatError(f"{path}: {shown(name)} is not a file of this folder")
        shards[name].append(tensor)
    return shards


def _read_parameters(
    model: Model[Any], family: str, found: Mapping[str, tuple[TensorFile, str]]
) -> dict[str, NDArray[np.float32]]:
    table, shapes = _table(model, family), model.shapes()
    _check_uses(family, {theirs for theirs, _ in table.values()}, found)
    params: dict[str, NDArray[np.float32]] = {}
    for ours, (published, is_transposed) in table.items():
        copies = [name for name, of in _REPEATED[family].items() if of == published]
        theirs = next((name for name in (published, *copies) if name in found), published)
        if theirs not in found:
            raise FormatError(f"tensor {theirs!r} is missing")
        file, name = found[theirs]
        expected = shapes[ours][::-1] if is_transposed else shapes[ours]
        if theirs == "final_logits_bias":
            expected = (1, *expected)
        if file.shape(name) != expected:
            raise FormatError(
                f"{file.path}: tensor {shown(name)} must have the shape {expected}, got {file.shape(name)}"
            )
        array = file[name]
        if array.dtype.kind != "f":
            raise FormatError(f"{file.path}: tensor {shown(name)} must be of floats, got {array.dtype}")
        params[ours] = np.ascontiguousarray(array.T if is_transposed else array.reshape(shapes[ours]), np.float32)
    return params


def _check_uses(family: str, used: set[str], found: Mapping[str, tuple[TensorFile, str]]) -> None:
    """Refuse tensors without a use, and repetitions that differ from what they repeat."""
    for theirs, (file, name) in found.items():
        if theirs in used or _CONSTANTS[family].fullmatch(theirs):
            continue
        original = _REPEATED[family].get(theirs)
        if original is None:
            raise UnsupportedError(f"{file.path}: tensor {shown(name)} belongs to nothing that is computed here")
        if original in found:
            other, other_name = found[original]
            if not np.array_equal(file[name], other[other_name]):
                raise UnsupportedError(f"{file.path}: tensor {name!r} must equal {other_name!r}, to which it is tied")


def _shards(tensors: Mapping[str, NDArray[Any]], max_bytes: int, item_bytes: int) -> Iterator[dict[str, NDArray[Any]]]:
    shard: dict[str, NDArray[Any]] = {}
    size = 0
    for name, array in tensors.items():
        n_bytes = array.size * item_bytes
        if shard and size + n_bytes > max_bytes:
            yield shard
            shard, size = {}, 0
        shard[name] = array
        size += n_bytes
    yield shard


def _read_json(path: Path) -> dict[str, Any]:
    try:
        n_bytes = path.stat().st_size
    except OSError:
        hint = "; where saving was interrupted, save again" if path.name == _CONFIG else ""
        raise FormatError(f"{path.parent}: has no {path.name}{hint}") from None
    if n_bytes > _MAX_JSON_BYTES:
        raise FormatError(f"{path}: must have at most {_MAX_JSON_BYTES} bytes, got {n_bytes}")
    return parse_json(path.read_bytes(), os.fspath(path))


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(data, indent=2, sort_keys=True).encode() + b"\n")


def _fetch(name: str, **options: Any) -> Path:
    """Fetch what is read of a repository, and nothing else; return the folder that holds it."""
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name):
        raise FormatError(f"{shown(name)} is neither a folder nor the name of a repository")
    download = hub.downloader(name, **options)
    config = download(_CONFIG)
    if config is None:
        raise FormatError(f"{name}: the repository holds no {_CONFIG}")
    if download(_WEIGHTS) is None and (index := download(_INDEX)) is not None:
        for shard in _read_index(index):
            download(shard)
    return config.parent
