"""The tokenizers that the suite works on: small, one of each kind, built from nothing but this repository.

`tokenizer_json` writes the text of a ``tokenizer.json`` from plain Python values, by hand rather than by merganser's
writer, so that what is tested does not also make the test.
"""

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import merganser as mg
from merganser.reference import bpe

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SPELLING = {bytes([byte]): character for byte, character in bpe.byte_characters().items()}

TRAINING_TEXT = (
    "The quick brown fox jumps over the lazy dog. The dog's owner said: \"It's late; we'll go home!\" "
    "In 1984 there were 12,345 low, lower and lowest prices — new, newer, newest.\n\n"
    "def encode(text, *, n_threads=1):\n    return [tokenize(part) for part in text.split()]\n\n\n"
    "Le café était fermé. Größe, Äpfel, naïve, coöperate. Ελληνικά και русский язык. Привет, мир!\r\n"
    "東京は日本の首都です。我们在北京大学学习。안녕하세요 세계. ภาษาไทย हिन्दी भाषा العربية "
    "🙂🙃👩‍👩‍👧 e\u0301 a\u0308 \u00a0\u2003\u3000 \t\t tabs  and   spaces    \n"
    "HTTPServer getElementById XMLHttpRequest snake_case_name CONSTANT_NAME 0xdeadbeef 3.14159 (((( ----- ====== ###\n"
)


def spell(token: bytes) -> str:
    """Write a token as ``tokenizer.json`` does: one printable character a byte."""
    return "".join(SPELLING[bytes([byte])] for byte in token)


def pre_tokenizer_json(pattern: str | None) -> dict[str, Any]:
    """The pre-tokenizer of a named pattern, or of a regular expression."""
    split_regex = bpe.PATTERNS.get(pattern or "", pattern)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    if pattern == "gpt2":
        return {**byte_level, "use_regex": True}
    split = {"type": "Split", "pattern": {"Regex": split_regex}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, {**byte_level, "use_regex": False}]}


def added_token(content: str, token_id: int, **options: bool) -> dict[str, Any]:
    """An entry of ``added_tokens``."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": token_id, "content": content, **flags, **options}


def tokenizer_json(
    vocabulary: bpe.Vocabulary,
    pattern: str,
    *,
    ids: Sequence[int] | None = None,
    special_tokens: Iterable[str] = (),
    ignore_merges: bool = False,
    **parts: Any,
) -> dict[str, Any]:
    """Lay out a byte-level BPE; special tokens get the ids behind the vocabulary.

    Parameters
    ----------
    ids : sequence of int, optional
        The id of each token of `vocabulary`, where it is not its place.
    **parts
        Entries of the outermost object, such as ``normalizer``.
    """
    ids = range(len(vocabulary.tokens)) if ids is None else ids
    first_special = max(ids, default=-1) + 1
    added_tokens = [added_token(text, first_special + place) for place, text in enumerate(special_tokens)]
    vocab = {spell(token): token_id for token, token_id in zip(vocabulary.tokens, ids, strict=True)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens,
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer_json(pattern),
        "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignore_merges,
            # Ids with gaps are kept by `tokenizers` only where the model's vocabulary has them too.
            "vocab": vocab | {entry["content"]: entry["id"] for entry in added_tokens},
            "merges": [[spell(left), spell(right)] for left, right in vocabulary.merges],
        },
        **parts,
    }


def load(definition: dict[str, Any]) -> mg.Tokenizer:
    """Build the tokenizer of a definition."""
    return mg.Tokenizer.from_json(json.dumps(definition))


@functools.cache
def vocabulary(pattern: str, vocab_size: int = 600) -> bpe.Vocabulary:
    """A vocabulary that the reference learned from `TRAINING_TEXT`."""
    return bpe.train(bpe.count_words([TRAINING_TEXT], pattern), vocab_size)


def _trained(pattern: str) -> mg.Tokenizer:
    return mg.train_bpe([TRAINING_TEXT], vocab_size=600, pre_tokenizer=pattern, special_tokens=SPECIAL_TOKENS)


def _shuffled_ids() -> mg.Tokenizer:
    """Ids that do not follow the order of merges, with gaps, as RoBERTa's; and its ``<s>`` and ``</s>``."""
    learned = vocabulary("gpt2")
    n_tokens = len(learned.tokens)
    ids = [(7 * place) % n_tokens * 3 for place in range(n_tokens)]
    definition = tokenizer_json(learned, "gpt2", ids=ids, special_tokens=("<s>", "</s>", *SPECIAL_TOKENS))
    begin, end = (entry["id"] for entry in definition["added_tokens"][:2])
    definition["post_processor"] = {
        "type": "RobertaProcessing",
        "sep": ["</s>", end],
        "cls": ["<s>", begin],
        "trim_offsets": True,
        "add_prefix_space": False,
    }
    return load(definition)


def _ignoring_merges() -> mg.Tokenizer:
    """Llama 3's kind: whole pre-tokens that no merge makes are tokens all the same."""
    tokens, merges = vocabulary("cl100k")
    tokens = [*tokens, b" quick brown", b" unmergeable", "首都".encode()]
    unique = list(dict.fromkeys(tokens))
    return load(
        tokenizer_json(bpe.Vocabulary(unique, merges), "cl100k", special_tokens=SPECIAL_TOKENS, ignore_merges=True)
    )


def _custom_pattern() -> mg.Tokenizer:
    """A pattern that no compiled splitter knows: the generic path."""
    return load(
        tokenizer_json(
            vocabulary("gpt2"), r"[\p{L}\p{M}]+|\p{N}|\s+|[^\s\p{L}\p{M}\p{N}]+", special_tokens=SPECIAL_TOKENS
        )
    )


def _normalizing() -> mg.Tokenizer:
    return load(
        tokenizer_json(vocabulary("cl100k"), "cl100k", special_tokens=SPECIAL_TOKENS, normalizer={"type": "NFC"})
    )


def _added_tokens() -> mg.Tokenizer:
    """Added tokens that are not special, one of them the beginning of another."""
    definition = tokenizer_json(vocabulary("o200k"), "o200k", special_tokens=SPECIAL_TOKENS)
    after = definition["added_tokens"][-1]["id"] + 1
    for place, content in enumerate(["  ", "    ", "<tool>", "<tool>s"]):
        definition["added_tokens"].append(added_token(content, after + place, special=False))
    return load(definition)


@dataclass(frozen=True)
class Subject:
    """A kind of tokenizer."""

    name: str
    make: Callable[[], mg.Tokenizer]

    def build(self) -> mg.Tokenizer:
        """Build it, once."""
        return _built(self)


@functools.cache
def _built(subject: Subject) -> mg.Tokenizer:
    return subject.make()


SUBJECTS = [
    *(Subject(name, functools.partial(_trained, name)) for name in ("gpt2", "cl100k", "o200k")),
    Subject("shuffled_ids", _shuffled_ids),
    Subject("ignore_merges", _ignoring_merges),
    Subject("custom_pattern", _custom_pattern),
    Subject("nfc", _normalizing),
    Subject("added_tokens", _added_tokens),
]
