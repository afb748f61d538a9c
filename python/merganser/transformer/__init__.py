"""The transformer in NumPy: the architecture of "Attention Is All You Need" and its families, forward and backward.

It sees ids, never text. A model is made of a frozen configuration and is a pure function of (parameters, batch, random
generator); parameters are a flat mapping from names to arrays. The files, from the bottom up:

- `ops/`: each operation as ``x_forward`` and ``x_backward`` side by side, arrays only, derived by hand;
- `tape.py`, `layers.py`: an operation with its parameters' names, and a note of how gradients pass back through it;
- `blocks.py`: attention, feed-forward, and the residual connection around them;
- `gpt.py`, `bert.py`, `t5.py`, `seq2seq.py`: a family each, its forward pass alone;
- `model.py`: loss and gradients over shards of a batch, and the checks of what comes in;
- `cache.py`: keys and values of an incremental pass; `pretrained.py`: published weights;
- `loader.py`, `packing.py`, `masking.py`: batches from ids, as functions of a seed and a step;
- `training.py`: the loop, with `optimizer.py`, `schedules.py`, `checkpoint.py`, `curves.py` (its record and picture);
- `generation.py`: writing token by token, with `decoding.py`, `sampling.py`, `beam.py`, `text_stream.py`.

Why a tape. Backward passes wired by hand, block by block, would write every model twice, and each of pre-norm and
post-norm, tied and untied, one attention and two, would be a place for the two to differ. A tape of fine operations
costs several times the arithmetic. This one has a note for each *operation of a layer*, some ten a block, whose
backward functions are the hand-written ones, and a model reads as its forward pass. Both were measured, on the same
operations with gradients equal to the bit (``python -m benchmarks.transformer_step``: GPT, 4 layers of 256, 8 x 256
tokens, V 8,192; one thread of an Intel Xeon that did other work too, medians of CPU time): 843 ms a step through the
tape, 863 ms by hand, whose sums take new arrays; with next to no arithmetic, 3.2 ms and 2.5 ms. What makes it quick
lies in the operations, and is the same with either: work in parts that stay in a core's cache, buffers used again
(`workspace.py`), causal blocks that skip hidden keys, logits that never exist all at once, shards of the batch on
threads with a BLAS of one thread each (`threads.py`).

Why kernels in Rust (`kernels.py`). GELU, norms, softmax and Adam take NumPy several passes over memory, and a kernel
one: the step above, with two threads of an AMD processor, takes 498 ms with them and 575 in NumPy alone
(``python -m benchmarks.transformer``). A token for each of a few texts meets all weights, and BLAS packs them anew each
time: a kernel reads them once (`ops/product.py`). What a kernel would speed up by less than a hundredth of a step is in
NumPy alone.
"""

from merganser.transformer.batch import IGNORED, Batch, LabelBatch, LmBatch, MlmBatch, Seq2SeqBatch, SpanBatch
from merganser.transformer.beam import Hypothesis, beam_search
from merganser.transformer.bert import Bert
from merganser.transformer.cache import Cache
from merganser.transformer.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from merganser.transformer.configs import BertConfig, Config, GptConfig, Seq2SeqConfig, T5Config
from merganser.transformer.curves import plot_curves, read_log
from merganser.transformer.evaluation import bits_per_byte
from merganser.transformer.generation import generate, stream
from merganser.transformer.gpt import Gpt
from merganser.transformer.loader import ArraySource, Blocks, Pairs, TokenSource
from merganser.transformer.loss import Loss
from merganser.transformer.masking import corrupt_spans, mask_tokens, next_sentence_batch, restore_spans
from merganser.transformer.model import Model
from merganser.transformer.optimizer import Adam, AdamW, Moments, ParameterGroup
from merganser.transformer.packing import next_token_targets, pack, pad
from merganser.transformer.pretrained import load_pretrained, save_pretrained
from merganser.transformer.sampling import Sampling
from merganser.transformer.schedules import Constant, Cosine, Linear, Noam
from merganser.transformer.seq2seq import Seq2Seq
from merganser.transformer.t5 import T5
from merganser.transformer.text_stream import TextStream
from merganser.transformer.training import StepReport, Trainer

__all__ = [
    "IGNORED",
    "T5",
    "Adam",
    "AdamW",
    "ArraySource",
    "Batch",
    "Bert",
    "BertConfig",
    "Blocks",
    "Cache",
    "Config",
    "Constant",
    "Cosine",
    "Gpt",
    "GptConfig",
    "Hypothesis",
    "LabelBatch",
    "Linear",
    "LmBatch",
    "Loss",
    "MlmBatch",
    "Model",
    "Moments",
    "Noam",
    "Pairs",
    "ParameterGroup",
    "Sampling",
    "Seq2Seq",
    "Seq2SeqBatch",
    "Seq2SeqConfig",
    "SpanBatch",
    "StepReport",
    "T5Config",
    "TextStream",
    "TokenSource",
    "Trainer",
    "TrainingState",
    "beam_search",
    "bits_per_byte",
    "corrupt_spans",
    "generate",
    "load_checkpoint",
    "load_pretrained",
    "mask_tokens",
    "next_sentence_batch",
    "next_token_targets",
    "pack",
    "pad",
    "plot_curves",
    "read_log",
    "restore_spans",
    "save_checkpoint",
    "save_pretrained",
    "stream",
]
