"""Checkpoints: a training's whole state in a folder of its own, complete or absent.

``step-000001000/`` holds ``model.safetensors`` (the parameters), ``optimizer.safetensors`` (both moments) and
``checkpoint.json`` (step, settings, checksums of the others). The folder is written under a hidden name, forced to disk
and renamed. So a write that is interrupted leaves the checkpoints before it as they were, and the newest one is always
whole. What a killed process leaves under a hidden name is removed by the next one that writes there: the lock that
writers share shows that none of them is still at work.

The order of the parameters is part of the state, since sums over all of them are taken in it; the files keep it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
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

from merganser.atomic import atomic_write, force_folder_to_disk, lock_folder, sha256_of
from merganser.errors import FormatError
from merganser.transformer.optimizer import Moments
from merganser.transformer.tensor_file import TensorFile, parse_json, write_tensors

__all__ = ["TrainingState", "checkpoint_steps", "load_checkpoint", "save_checkpoint"]

VERSION = 1
MODEL_NAME, OPTIMIZER_NAME, HEAD_NAME = "model.safetensors", "optimizer.safetensors", "checkpoint.json"
_FOLDER = re.compile(r"step-(\d{9,})")
_HIDDEN = ".unfinished-"
_MAX_HEAD_BYTES = 1 << 20
Params = dict[str, NDArray[np.float32]]


@dataclasses.dataclass
class TrainingState:
    """All that a training knows: how far it is, what it has learned, and what its optimizer remembers.

    Attributes
    ----------
    step : int
        Updates made.
    params : dict of str to ndarray of float32, any shape ()
        The parameters.
    moments : Moments
        The optimizer's memory.
    """

    step: int
    params: Params
    moments: Moments


def checkpoint_steps(folder: str | os.PathLike[str]) -> list[int]:
    """Return the steps of which `folder` holds a checkpoint, in rising order; none where there is no folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for match in map(_FOLDER.fullmatch, names) if match)


def save_checkpoint(
    folder: str | os.PathLike[str], state: TrainingState, *, settings: Mapping[str, str], n_kept: int | None = None
) -> Path:
    """Write a checkpoint that is complete or absent.

    Parameters
    ----------
    folder : str or PathLike
        Holds all checkpoints of a training; made where it is missing.
    state : TrainingState
        What to keep.
    settings : mapping of str to str
        What the training was started with; kept beside the state.
    n_kept : int, optional
        Older checkpoints than the last so many are deleted. None: none is.

    Returns
    -------
    Path
        The checkpoint's folder.

    Raises
    ------
    FileExistsError
        There is a checkpoint of this step.
    OSError
        It cannot be written; those before stand as they were.
    """
    target = _step_folder(folder, state.step)
    if target.exists():
        raise FileExistsError(errno.EEXIST, "holds a checkpoint of this step", str(target))
    Path(folder).mkdir(parents=True, exist_ok=True)
    with _writing(folder):
        _write(Path(folder) / f"{_HIDDEN}{secrets.token_hex(6)}", target, state, settings)
    force_folder_to_disk(folder)
    if n_kept is not None:
        for step in checkpoint_steps(folder)[: -max(1, n_kept)]:
            shutil.rmtree(_step_folder(folder, step))
    return target


@contextlib.contextmanager
def _writing(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a share of the folder's lock; first, where no other process has one, remove what killed ones have left."""
    # Not to be had: another process is writing.
    with contextlib.suppress(BlockingIOError):
        alone = lock_folder(folder)
        if alone is not None:
            try:
                for left in Path(folder).glob(f"{_HIDDEN}*"):
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(alone)
    share = lock_folder(folder, is_shared=True)
    try:
        yield
    finally:
        if share is not None:
            os.close(share)


def _write(hidden: Path, target: Path, state: TrainingState, settings: Mapping[str, str]) -> None:
    hidden.mkdir()
    try:
        moments = {f"first.{name}": array for name, array in state.moments.first.items()}
        moments |= {f"second.{name}": array for name, array in state.moments.second.items()}
        files = {}
        for name, arrays in ((MODEL_NAME, state.params), (OPTIMIZER_NAME, moments)):
            write_tensors(hidden / name, arrays)
            files[name] = {"sha256": sha256_of(hidden / name)}
        head = {"version": VERSION, "step": state.step, "settings": dict(settings), "files": files}
        with atomic_write(hidden / HEAD_NAME) as file:
            file.write(json.dumps(head, indent=2).encode() + b"\n")
        force_folder_to_disk(hidden)
        os.rename(hidden, target)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def load_checkpoint(folder: str | os.PathLike[str], *, step: int | None = None) -> tuple[TrainingState, dict[str, str]]:
    """Read a checkpoint, and check it whole.

    Parameters
    ----------
    folder : str or PathLike
        Holds all checkpoints of a training.
    step : int, optional
        Which. None: the newest.

    Returns
    -------
    state : TrainingState
        Equal to the bit to what was saved.
    settings : dict of str to str
        As given to `save_checkpoint`.

    Raises
    ------
    FileNotFoundError
        There is no such checkpoint.
    FormatError
        A file of it is damaged; the message names the file.
    """
    steps = checkpoint_steps(folder)
    wanted = step if step is not None else (steps[-1] if steps else None)
    if wanted is None or wanted not in steps:
        what = "no checkpoint" if wanted is None else f"no checkpoint of step {wanted}"
        raise FileNotFoundError(errno.ENOENT, f"holds {what}", os.fspath(folder))
    place = _step_folder(folder, wanted)
    head = _read_head(place)
    params = _read_arrays(place / MODEL_NAME, head["files"])
    moments = _read_arrays(place / OPTIMIZER_NAME, head["files"])
    expected = {f"{kind}.{name}": array.shape for kind in ("first", "second") for name, array in params.items()}
    if {name: array.shape for name, array in moments.items()} != expected:
        msg = f"{place / OPTIMIZER_NAME}: must hold a first and a second moment for each parameter, in its shape"
        raise FormatError(msg)
    state = TrainingState(
        step=wanted,
        params=params,
        moments=Moments(
            first={name: moments[f"first.{name}"] for name in params},
            second={name: moments[f"second.{name}"] for name in params},
        ),
    )
    return state, head["settings"]


def _step_folder(folder: str | os.PathLike[str], step: int) -> Path:
    return Path(folder) / f"step-{step:09}"


def _read_head(place: Path) -> dict[str, Any]:
    path = place / HEAD_NAME
    try:
        with path.open("rb") as file:
            head = parse_json(file.read(_MAX_HEAD_BYTES), str(path))
        is_sound = (
            head["version"] == VERSION
            and type(head["step"]) is int
            and _step_folder(place.parent, head["step"]) == place
            and all(isinstance(value, str) for value in head["settings"].values())
            and all(isinstance(head["files"][name]["sha256"], str) for name in (MODEL_NAME, OPTIMIZER_NAME))
        )
    except FormatError:
        raise
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: is not the head of a checkpoint ({type(error).__name__}: {error})"
        raise FormatError(msg) from None
    if not is_sound:
        msg = f"{path}: must be of version {VERSION}, of the step in its folder's name, and name every file"
        raise FormatError(msg)
    return head


def _read_arrays(path: Path, files: Mapping[str, Any]) -> Params:
    if not path.exists():
        msg = f"{path}: the file is missing"
        raise FormatError(msg)
    if sha256_of(path) != files[path.name]["sha256"]:
        msg = f"{path}: its bytes are not those that were written (sha256 differs)"
        raise FormatError(msg)
    return dict(TensorFile(path))
