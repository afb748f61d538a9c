"""Writing: tokens one after the other, each chosen from what the model gives after all before it.

`stream` yields the tokens as they come; `generate` collects them. Rows of unequal prompts are written together; a row
that has met a stop id or a stop string leaves the batch, and the others go on without it. What a row gets does not
depend on its company, up to the last bits of the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer.decoding import Decoder, DecoderModel, EncoderDecoderModel, Params, Prompts
from merganser.transformer.sampling import Sampling
from merganser.transformer.text_stream import TextStream, checked_strings

__all__ = ["generate", "stream"]

GREEDY = Sampling(temperature=0.0)
Decode = Callable[[list[int]], "bytes | str"]


def generate(
    model: DecoderModel | EncoderDecoderModel,
    params: Params,
    prompts: Prompts,
    *,
    max_new_tokens: int,
    sampling: Sampling = GREEDY,
    stop_ids: Collection[int] = (),
    stop_strings: Sequence[str] = (),
    decode: Decode | None = None,
    banned_ids: Collection[int] = (),
) -> list[NDArray[np.int64]]:
    """Write on from prompts.

    Parameters
    ----------
    model : DecoderModel or EncoderDecoderModel
        A `Gpt` goes on where a prompt ends; a `Seq2Seq` or a `T5` reads the prompt and answers.
    params : mapping of str to ndarray of float32, any shape ()
        Its parameters.
    prompts : sequence of sequences of int
        At least one, none empty, of any lengths.
    max_new_tokens : int
        Most tokens that a row gets.
    sampling : Sampling
        How a token is chosen; the default takes the likeliest.
    stop_ids : collection of int
        A row ends with the first of these, which is its last token.
    stop_strings : sequence of str
        A row ends with the token that completes the first of these in its new text, wherever the borders of tokens
        lie; `TextStream` gives the text before it. Where `decode` returns str, one with a U+FFFD in it may be seen a
        token later.
    decode : callable, optional
        From a list of ids to bytes (best) or str, such as ``tokenizer.decode_bytes``. Stop strings need it; nothing
        else asks for it.
    banned_ids : collection of int
        Never chosen. Marian's models need it for their padding id, ``model.config.start_id``.

    Returns
    -------
    list of ndarray of int64, shape (n_new_tokens,)
        The new tokens of each prompt, without the prompt.

    Raises
    ------
    ConfigError
        The prompts, the parameters, the ids or the lengths do not fit the model, or there are stop strings without
        `decode`.
    NonFiniteError
        The logits are NaN or infinite, as they are with broken parameters.

    Notes
    -----
    Keys and values of all tokens so far are kept, so each new token costs one pass over one token.

    Examples
    --------
    >>> from merganser.transformer import Gpt, GptConfig, generate
    >>> model = Gpt(GptConfig(vocab_size=16, max_positions=8, d_model=8, d_ff=16, n_layers=1, n_heads=2))
    >>> rows = generate(model, model.initialize(seed=0), [[1, 2, 3], [4]], max_new_tokens=5)
    >>> [len(row) for row in rows]
    [5, 5]
    """
    rows: dict[int, list[int]] = {}
    steps = stream(
        model,
        params,
        prompts,
        max_new_tokens=max_new_tokens,
        sampling=sampling,
        stop_ids=stop_ids,
        stop_strings=stop_strings,
        decode=decode,
        banned_ids=banned_ids,
    )
    for tokens in steps:
        for row, token in tokens.items():
            rows.setdefault(row, []).append(token)
    return [np.array(rows[row], dtype=np.int64) for row in range(len(rows))]


def stream(
    model: DecoderModel | EncoderDecoderModel,
    params: Params,
    prompts: Prompts,
    *,
    max_new_tokens: int,
    sampling: Sampling = GREEDY,
    stop_ids: Collection[int] = (),
    stop_strings: Sequence[str] = (),
    decode: Decode | None = None,
    banned_ids: Collection[int] = (),
) -> Iterator[dict[int, int]]:
    """Write on from prompts, and give out each token as soon as it is chosen.

    Parameters
    ----------
    model, params, prompts, max_new_tokens, sampling, stop_ids, stop_strings, decode, banned_ids
        As for `generate`.

    Yields
    ------
    dict of int to int
        For each row that is still being written, its next token.
    """
    stop_strings = checked_strings(stop_strings)
    if stop_strings and decode is None:
        msg = "stop_strings need decode, from ids to text, such as tokenizer.decode_bytes"
        raise ConfigError(msg)
    decoder = Decoder(model, params, prompts, max_new_tokens=max_new_tokens, stop_ids=stop_ids, banned_ids=banned_ids)
    is_encoder_decoder = hasattr(model, "encode")
    # Padding must not count as seen, so the prompts are looked at, not the padded rows.
    seen = np.zeros(decoder.logits.shape, dtype=np.bool_)
    for row, prompt in enumerate(decoder.starts if is_encoder_decoder else prompts):
        seen[row, np.asarray(prompt)] = True
    texts: list[TextStream] = []
    if decode is not None and stop_strings:
        befores = [()] * len(prompts) if is_encoder_decoder else prompts
        texts = [TextStream(decode, stop_strings=stop_strings, after=before) for before in befores]
    rows = np.arange(decoder.n_rows)
    for step in range(max_new_tokens):
        decoder.logits[:, decoder.banned] = -np.inf
        tokens = sampling.choose(decoder.logits, rows=rows, step=step, seen=seen)
        yield dict(zip(rows.tolist(), tokens.tolist(), strict=True))
        seen[np.arange(len(rows)), tokens] = True
        is_stopped = np.isin(tokens, decoder.stops)
        for place, row in enumerate(rows.tolist() if texts else ()):
            texts[row].push(int(tokens[place]))
            is_stopped[place] |= texts[row].is_stopped
        goes_on = np.flatnonzero(~is_stopped)
        if step + 1 == max_new_tokens or not goes_on.size:
            return
        if goes_on.size < len(rows):
            decoder.reorder(goes_on)
            rows, tokens, seen = rows[goes_on], tokens[goes_on], seen[goes_on]
        decoder.advance(tokens)
