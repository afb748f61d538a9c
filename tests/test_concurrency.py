"""Threads, processes, forks, and Ctrl-C: one tokenizer serves them all, and long calls can be stopped."""

import concurrent.futures
import multiprocessing
import threading
from collections.abc import Callable

import child_process
import pytest
from common_checks import encode_all
from definitions import SUBJECTS

import merganser as mg

REPORT_LATENCY_SECONDS = 0.2
ALLOWED_LATENCY_SECONDS = 1.0

# Words that do not repeat, so that no cache makes the call too short to be met in the middle.
SLOW_TEXT = """
import numpy as np
letters = np.random.default_rng(1).integers(97, 123, size=(5_500_000, 12), dtype=np.uint8)
letters[:, -1] = 32
text = letters.tobytes()
import merganser as mg
tok = mg.train_bpe(["the lazy dog", "a quick brown fox"], vocab_size=270)
"""


@pytest.mark.parametrize("kind", ["cl100k", "shuffled_ids", "custom_pattern"])
def test_threads_share_a_tokenizer(kind: str) -> None:
    tok = next(subject for subject in SUBJECTS if subject.name == kind).build()
    expected = encode_all(tok)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for result in pool.map(lambda _: encode_all(tok), range(16)):
            assert result == expected


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_encode_alike(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    tokenizers = [subject.build() for subject in SUBJECTS]
    expected = [encode_all(tok) for tok in tokenizers]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(encode_all, tokenizers).get(timeout=60) == expected


def test_encode_releases_the_gil(tok: mg.Tokenizer) -> None:
    text = "no cache helps with " + " ".join(f"{n:x}word{n * 7919:x}" for n in range(1_000_000))
    running = threading.Event()
    done = threading.Event()

    def encode() -> None:
        running.set()
        tok.encode_to_numpy(text)
        done.set()

    thread = threading.Thread(target=encode)
    thread.start()
    running.wait()
    n_steps = 0
    while not done.wait(timeout=0.001):
        n_steps += 1
    thread.join()
    # With the GIL held this thread would wait for the end and count none or one.
    assert n_steps > 10


FORK_AFTER_USE = """
import json, os, signal
import merganser as mg
tok = mg.train_bpe(["the lazy dog"] * 10, vocab_size=264)
texts = ["the lazy dog " * 50] * 2000
expected = tok.encode_batch(texts, n_threads=4)
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        same = tok.encode_batch(texts, n_threads=4) == expected and tok.encode(texts[0]) == expected[0].tolist()
        trained = mg.train_bpe(texts, vocab_size=264, n_threads=4) == mg.train_bpe(texts, vocab_size=264, n_threads=1)
        os._exit(0 if same and trained else 1)
    children.append(child)
print(json.dumps([os.waitpid(child, 0)[1] for child in children]))
"""

FORK_WHILE_ENCODING = """
import json, os, signal, threading
import merganser as mg
tok = mg.train_bpe(["the lazy dog"] * 10, vocab_size=264)
texts = ["the lazy dog " * 50] * 2000
expected = tok.encode_batch(texts)
stop = threading.Event()
def work():
    while not stop.is_set():
        tok.encode_batch(texts, n_threads=2)
        tok.encode(texts[0] * 200)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
children = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        same = tok.encode_batch(texts[:200], n_threads=4) == expected[:200]
        os._exit(0 if same and tok.count(texts[0] * 400) > 0 else 1)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
stop.set()
for thread in threads:
    thread.join()
print(json.dumps(codes))
"""


@pytest.mark.parametrize("script", [FORK_AFTER_USE, FORK_WHILE_ENCODING], ids=["after_use", "while_encoding"])
def test_fork_leaves_the_child_able_to_encode(script: str) -> None:
    pytest.importorskip("fcntl", reason="this system has no fork")
    codes = child_process.run(script, PYTHONWARNINGS="ignore")
    assert codes == [0] * len(codes)


@pytest.mark.parametrize("is_daemon", [False, True])
def test_exit_while_a_thread_encodes_is_clean(is_daemon: bool) -> None:
    script = f"""
    import threading, time
    import merganser as mg
    tok = mg.train_bpe(["the lazy dog"] * 10, vocab_size=264)
    text = "the lazy dog and others " * 400_000
    def work():
        tok.encode_to_numpy(text)
        tok.encode_batch([text], n_threads=2)
    threading.Thread(target=work, daemon={is_daemon}).start()
    time.sleep(0.05)
    print("true")
    """
    assert child_process.run(script) is True


INTERRUPTED = {
    "encode": (
        """
print("ready")
try:
    tok.encode(text)
    result = {"error": "it ran to its end"}
except KeyboardInterrupt:
    print(now())
    result = {"usable": tok.decode(tok.encode("the lazy dog")) == "the lazy dog"}
""",
        0.1,
    ),
    "encode_parallel": (
        """
print("ready")
try:
    tok.encode_to_numpy(text, n_threads=2)
    result = {"error": "it ran to its end"}
except KeyboardInterrupt:
    print(now())
    result = {"usable": tok.decode(tok.encode("the lazy dog")) == "the lazy dog"}
""",
        0.1,
    ),
    "encode_batch": (
        """
texts = [text[start : start + 1200] for start in range(0, len(text), 1200)]
print("ready")
try:
    tok.encode_batch(texts)
    result = {"error": "it ran to its end"}
except KeyboardInterrupt:
    print(now())
    result = {"usable": len(tok.encode_batch(texts[:100])) == 100}
""",
        0.1,
    ),
    "count_words": (
        """
texts = [text[start : start + 1200] for start in range(0, len(text), 1200)]
print("ready")
try:
    mg.WordCounts.count(texts)
    result = {"error": "it ran to its end"}
except KeyboardInterrupt:
    print(now())
    result = {"usable": mg.WordCounts.count(["a b"]).total == 2}
""",
        0.1,
    ),
    "train_bpe": (
        """
counts = mg.WordCounts.count([text[:6_000_000]])
said = []
def progress(done, total, phase):
    if phase == "merge" and not said:
        said.append(print("ready"))
try:
    mg.train_bpe(counts, vocab_size=250_000, progress=progress)
    result = {"error": "it ran to its end"}
except KeyboardInterrupt:
    print(now())
    small = mg.WordCounts.from_dict({"ab": 5})
    result = {"usable": mg.train_bpe(small, vocab_size=257).n_tokens == 257 and counts.total > 0}
""",
        0.3,
    ),
}


# What each family does before its model sees a pre-token, on a text that every stage must write anew.
FAMILY_TEXT = """
text = text.decode().replace("q", "\u00e9").replace("x", "A")
marks = ["[UNK]", "\u2581", "\u00e9", *"abcdefghijklmnopqrstuvwxyz"]
vocab = {letter: place for place, letter in enumerate(marks)}
pieces = {**vocab, **{"##" + letter: len(vocab) + place for place, letter in enumerate(vocab)}}
WORD_PIECE = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100, "vocab": pieces}
UNIGRAM = {"type": "Unigram", "unk_id": 0, "vocab": [[piece, -1.0] for piece in vocab], "byte_fallback": False}
BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
        "lowercase": True}
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
def load(model, normalizer, pre_tokenizer):
    return mg.Tokenizer.from_json(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": None, "model": model}))
tok = load(%s, %s, %s)
print("ready")
try:
    tok.%s(text)
    result = {"error": "it ran to its end"}
except KeyboardInterrupt:
    print(now())
    result = {"usable": len(tok.encode("dog")) >= 3}
"""
LOWER = '{"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]}'
PUNCTUATION = '{"type": "Punctuation", "behavior": "Isolated"}'
FAMILIES = {
    "bert": ("WORD_PIECE", "BERT", '{"type": "BertPreTokenizer"}', "encode"),
    "bert_generic": ("WORD_PIECE", "BERT", PUNCTUATION, "encode"),
    "unigram_marked": ("UNIGRAM", '{"type": "NFKC"}', "METASPACE", "encode"),
    "unigram_normalized": ("UNIGRAM", LOWER, '{"type": "WhitespaceSplit"}', "encode"),
    "unigram_traced": ("UNIGRAM", LOWER, '{"type": "WhitespaceSplit"}', "encode_full"),
}


@pytest.mark.parametrize("after_seconds", [0.05, 0.4])
@pytest.mark.parametrize("family", FAMILIES)
def test_ctrl_c_stops_every_stage(family: str, after_seconds: float, report_line: Callable[[str], None]) -> None:
    script = SLOW_TEXT + FAMILY_TEXT % FAMILIES[family]
    end = "\nif 'error' in result: print(now())\nprint(json.dumps(result))\n"
    interrupted = child_process.interrupt(script + end, after_seconds=after_seconds)
    assert interrupted.result == {"usable": True}
    report_line(
        f"Ctrl-C in {family}: {1000 * interrupted.seconds:.0f} ms (promised: {1000 * REPORT_LATENCY_SECONDS:.0f})"
    )
    assert interrupted.seconds < ALLOWED_LATENCY_SECONDS


@pytest.mark.parametrize("call", INTERRUPTED)
def test_ctrl_c_stops_a_long_call(call: str, report_line: Callable[[str], None]) -> None:
    script, after_seconds = INTERRUPTED[call]
    end = "\nif 'error' in result: print(now())\nprint(json.dumps(result))\n"
    interrupted = child_process.interrupt(SLOW_TEXT + script + end, after_seconds=after_seconds)
    assert interrupted.result == {"usable": True}
    report_line(
        f"Ctrl-C in {call}: {1000 * interrupted.seconds:.0f} ms (promised: {1000 * REPORT_LATENCY_SECONDS:.0f})"
    )
    assert interrupted.seconds < ALLOWED_LATENCY_SECONDS
