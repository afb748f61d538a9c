"""One trainer in a process of its own: `python -m benchmarks.trainers METHOD ENGINE TEXT SAVED VOCAB_SIZE N_THREADS`.

Prints a line of JSON: CPU and wall time, peak memory, and digests of the learned tokens. `TRAINERS` holds, by method
and engine, a function that trains, and saves the vocabulary where another library can load it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from benchmarks import measure
from benchmarks.corpora import END_OF_DOCUMENT, stream_documents
from merganser.reference.bpe import PATTERNS

CL100K, GPT2 = PATTERNS["cl100k"], PATTERNS["gpt2"]
_MAX_LINE_BYTES = 1 << 30


class Trained(NamedTuple):
    """What a trainer gave.

    Attributes
    ----------
    tokens : list of bytes
        The learned tokens, in order.
    phases : mapping of str to float
        Wall time of each phase in seconds, where the library tells.
    """

    tokens: list[bytes]
    phases: Mapping[str, float] = MappingProxyType({})


def main() -> None:
    """Train once and tell."""
    method, engine, text, saved, vocab_size, n_threads = sys.argv[1:]
    prepare = TRAINERS[method][engine]
    train = prepare(Path(text), Path(saved), int(vocab_size), int(n_threads))
    before = measure.peak_bytes()
    kept: list[Callable[[], Trained]] = []
    wall, cpu = measure.time_calls(lambda: kept.append(train()), n_calls=1)
    peak = measure.peak_bytes()
    told = {"cpu": cpu, "wall": wall, "peak_bytes": peak, "peak_bytes_before": before}
    trained = kept[0]()
    print(json.dumps(told | {"phases": dict(trained.phases)} | measure.describe_tokens(trained.tokens)))


def _by_id(tokens: Iterable[tuple[Any, int]]) -> Trained:
    return Trained([bytes(token) for token, _ in sorted(tokens, key=lambda one: one[1])])


def _ours(trainer: str, **options: Any) -> Callable[..., Callable[[], Callable[[], Trained]]]:
    def prepare(text: Path, saved: Path, vocab_size: int, n_threads: int) -> Callable[[], Callable[[], Trained]]:
        import merganser as mg

        def train() -> Callable[[], Trained]:
            documents = mg.read(text, separator=f"{END_OF_DOCUMENT}\n")
            tok = getattr(mg, trainer)(documents, vocab_size=vocab_size, n_threads=n_threads, **options)

            def tell() -> Trained:
                tok.save(saved.with_suffix(".model" if trainer == "train_sentencepiece" else ".json"))
                phases = tok.training_report.seconds if tok.training_report else {}
                return Trained([tok.token_bytes(token) for token in range(tok.vocab_size)], phases)

            return tell

        return train

    return prepare


def _gigatoken(text: Path, _saved: Path, vocab_size: int, _n_threads: int) -> Callable[[], Callable[[], Trained]]:
    import gigatoken

    separator = f"{END_OF_DOCUMENT}\n".encode()

    def train() -> Callable[[], Trained]:
        source = gigatoken.TextFileSource([text], separator=separator)
        vocabulary, _ = gigatoken.train_bpe(source, vocab_size=vocab_size, special_tokens=[], separator=separator)
        return lambda: Trained([vocabulary[token] for token in sorted(vocabulary)])

    return train


def _ffbpe(pattern: str) -> Callable[..., Callable[[], Callable[[], Trained]]]:
    def prepare(text: Path, _saved: Path, vocab_size: int, _n_threads: int) -> Callable[[], Callable[[], Trained]]:
        import ffbpe

        def train() -> Callable[[], Trained]:
            splitter = ffbpe.PreTokenizer([END_OF_DOCUMENT], eot_token=END_OF_DOCUMENT, pat_str=pattern)
            trainer = ffbpe.BpeTrainer([], initial_alphabet="byte_level", tie_break="smallest_pair_id")
            counter = splitter.word_counter()
            counter.add_source(stream_documents(text))
            trainer.add_word_counter(counter)
            trainer.train(vocab_size)
            return lambda: _by_id(trainer.vocab.items())

        return train

    return prepare


def _rustbpe(pattern: str) -> Callable[..., Callable[[], Callable[[], Trained]]]:
    def prepare(text: Path, _saved: Path, vocab_size: int, _n_threads: int) -> Callable[[], Callable[[], Trained]]:
        import rustbpe

        def train() -> Callable[[], Trained]:
            tokenizer = rustbpe.Tokenizer()
            tokenizer.train_from_iterator(stream_documents(text), vocab_size, pattern=pattern)
            return lambda: _by_id(tokenizer.get_mergeable_ranks())

        return train

    return prepare


def _tokenizers(kind: str) -> Callable[..., Callable[[], Callable[[], Trained]]]:
    def prepare(text: Path, saved: Path, vocab_size: int, _n_threads: int) -> Callable[[], Callable[[], Trained]]:
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        trainer: Any
        if kind == "wordpiece":
            tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
            tokenizer.normalizer = normalizers.BertNormalizer()
            tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            tokenizer.decoder = decoders.WordPiece()
            specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
            trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=specials, show_progress=False)
        else:
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)

        def train() -> Callable[[], Trained]:
            tokenizer.train_from_iterator(stream_documents(text), trainer)

            def tell() -> Trained:
                import merganser as mg

                tokenizer.save(str(saved.with_suffix(".json")))
                tok = mg.Tokenizer.load(saved.with_suffix(".json"))
                return Trained([tok.token_bytes(token) for token in range(tok.vocab_size)])

            return tell

        return train

    return prepare


def _sentencepiece(kind: str, **options: Any) -> Callable[..., Callable[[], Callable[[], Trained]]]:
    def prepare(text: Path, saved: Path, vocab_size: int, n_threads: int) -> Callable[[], Callable[[], Trained]]:
        import sentencepiece

        def train() -> Callable[[], Trained]:
            sentencepiece.SentencePieceTrainer.train(
                input=str(text),
                model_prefix=str(saved),
                model_type=kind,
                vocab_size=vocab_size,
                max_sentence_length=_MAX_LINE_BYTES,
                num_threads=n_threads,
                minloglevel=2,
                **options,
            )

            def tell() -> Trained:
                processor = sentencepiece.SentencePieceProcessor(model_file=f"{saved}.model")
                return Trained([processor.id_to_piece(i).encode() for i in range(processor.get_piece_size())])

            return tell

        return train

    return prepare


_RAW = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True}
_BYTE_LEVEL: dict[str, Any] = {
    "merganser": _ours("train_bpe", pre_tokenizer="gpt2", allow_smaller=True),
    "gigatoken": _gigatoken,
    "ffbpe": _ffbpe(GPT2),
    "rustbpe": _rustbpe(GPT2),
    "tokenizers": _tokenizers("bpe"),
    "sentencepiece": _sentencepiece("bpe", **_RAW),
}
TRAINERS: dict[str, dict[str, Any]] = {
    "bpe-gpt2": _BYTE_LEVEL,
    "bpe-cl100k": {
        "merganser": _ours("train_bpe", pre_tokenizer="cl100k", allow_smaller=True),
        "ffbpe": _ffbpe(CL100K),
        "rustbpe": _rustbpe(CL100K),
    },
    "wordpiece": {
        "merganser": _ours("train_wordpiece", criterion="frequency"),
        "merganser-likelihood": _ours("train_wordpiece", criterion="likelihood"),
        "tokenizers": _tokenizers("wordpiece"),
    },
    "unigram": {
        "merganser": _ours("train_unigram"),
        "merganser-preset": _ours("train_sentencepiece", model_type="unigram"),
        "sentencepiece": _sentencepiece("unigram"),
    },
    "spm-bpe": {
        "merganser": _ours("train_sentencepiece", model_type="bpe"),
        "sentencepiece": _sentencepiece("bpe"),
    },
}

if __name__ == "__main__":
    main()
