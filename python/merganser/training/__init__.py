"""Training vocabularies: `WordCounts` and the trainers, a module each."""

from merganser.training.alphabet import CharacterAlphabet
from merganser.training.bpe import train_bpe
from merganser.training.sentencepiece import train_sentencepiece
from merganser.training.stages import Normalizer, NormalizerName, PreTokenizer, PreTokenizerName
from merganser.training.superwords import Superwords
from merganser.training.unigram import train_unigram
from merganser.training.word_counts import WordCounts
from merganser.training.wordpiece import train_wordpiece

__all__ = [
    "CharacterAlphabet",
    "Normalizer",
    "NormalizerName",
    "PreTokenizer",
    "PreTokenizerName",
    "Superwords",
    "WordCounts",
    "train_bpe",
    "train_sentencepiece",
    "train_unigram",
    "train_wordpiece",
]
