"""merganser: train, encode and compare tokenizers.

Three jobs: train a vocabulary (`train_bpe`, `train_wordpiece`, `train_unigram`), encode a corpus into token shards
(`corpus.encode`), and compare tokenizers (`compare`). `read` finds documents; `Tokenizer.load` loads what others made.
"""

from merganser import _core, corpus, errors
from merganser.compare import Comparison, compare
from merganser.corpus import Documents, read
from merganser.encoding import Encoding
from merganser.ragged import Ragged
from merganser.settings import Padding, Truncation
from merganser.tokenizer import Tokenizer
from merganser.training import (
    CharacterAlphabet,
    Superwords,
    WordCounts,
    train_bpe,
    train_sentencepiece,
    train_unigram,
    train_wordpiece,
)
from merganser.training_report import TrainingReport

__version__ = _core.VERSION

__all__ = [
    "CharacterAlphabet",
    "Comparison",
    "Documents",
    "Encoding",
    "Padding",
    "Ragged",
    "Superwords",
    "Tokenizer",
    "TrainingReport",
    "Truncation",
    "WordCounts",
    "__version__",
    "compare",
    "corpus",
    "errors",
    "read",
    "train_bpe",
    "train_sentencepiece",
    "train_unigram",
    "train_wordpiece",
]
