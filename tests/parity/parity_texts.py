"""The texts that libraries are compared on, and the counting of differences."""

import functools
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

END_OF_DOCUMENT = b"\n<|endoftext|>\n"
_MEGABYTE = 1_000_000

# Characters that patterns look at, of classes that no Unicode version has changed for long.
_PIECES = list(" \t\n\r'stSTmMdDlLvVeErR/!_-aéÉЖж中東ก한1²٣Ⅷ½\u0301\u0903ſǅʰ\u00a0\u2003\u3000\u200b\u200d\u0085\0\x1c")
_PIECES += [
    "  ",
    "'ll",
    "'VE",
    "'re",
    "\r\n",
    "\n\n",
    "🙂",
    "👩‍👩‍👧",
    "abc",
    "AbC",
    "1234",
    " the",
    "HTTPServer",
    "don't",
    "<|",
    "|>",
]


@functools.cache
def read_zst(path: Path) -> bytes:
    """Read a compressed file whole."""
    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as file:
        return file.read()


@functools.cache
def corpus(data: Path, name: str, n_bytes: int = 2 * _MEGABYTE) -> list[str]:
    """Documents from all over a corpus, a few megabytes in all."""
    documents = read_zst(data / "corpora" / f"{name}.txt.zst").removesuffix(END_OF_DOCUMENT).split(END_OF_DOCUMENT)
    random.Random(name).shuffle(documents)
    chosen = []
    total = 0
    for document in documents:
        if len(document) < n_bytes // 4:
            chosen.append(document.decode())
            total += len(document)
        if total >= n_bytes:
            break
    return chosen


@functools.cache
def flores(data: Path) -> list[str]:
    """The same thousand sentences in 45 languages."""
    lines = read_zst(data / "corpora" / "parity" / "flores200_devtest_45.jsonl.zst").splitlines()
    return [json.loads(line)["text"] for line in lines]


@functools.cache
def hostile(data: Path) -> dict[str, bytes]:
    """Files that are hard on tokenizers, by name."""
    with tarfile.open(fileobj=io.BytesIO(read_zst(data / "corpora" / "hostile.tar.zst"))) as archive:
        members = [member for member in archive if member.isfile()]
        return {member.name: archive.extractfile(member).read() for member in members}


@functools.cache
def random_texts(n_texts: int = 5_000) -> list[str]:
    """Short texts of pieces that decide where patterns cut; each third has any assigned character too."""
    rng = random.Random(11)
    texts = []
    for place in range(n_texts):
        pieces = rng.choices(_PIECES, k=rng.randrange(1, 40))
        if place % 3 == 0:
            pieces += [
                chr(
                    rng.choice(
                        [rng.randrange(0x20, 0x250), rng.randrange(0x370, 0x2000), rng.randrange(0x4E00, 0x9FA6)]
                    )
                )
            ]
            rng.shuffle(pieces)
        texts.append("".join(pieces))
    return texts


@functools.cache
def any_unicode_texts(n_texts: int) -> list[str]:
    """Short texts of characters from everywhere: all planes, marks, joiners, jamo, controls, unassigned ones."""
    rng = random.Random(17)
    blocks = [
        (0x00, 0x80), (0x00, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x700), (0x900, 0xE80),
        (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x20D0, 0x2600), (0x3000, 0x3100), (0x4E00, 0xA000),
        (0xAC00, 0xD7A4), (0xE000, 0xE100), (0xF900, 0xFB50), (0xFB50, 0xFE00), (0xFE00, 0x10000), (0x10000, 0x10800),
        (0x1D400, 0x1D800), (0x1F000, 0x1FB00), (0x20000, 0x2FA20), (0xE0000, 0xE01F0), (0x0, 0x110000),
    ]  # fmt: skip
    texts = []
    for _ in range(n_texts):
        chosen = rng.choices(blocks, k=rng.randrange(1, 4))
        codes = [rng.randrange(*rng.choice(chosen)) for _ in range(rng.randrange(1, 60))]
        texts.append("".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000))
    return texts


def with_special_tokens(special_tokens: Iterable[str], n_texts: int = 1_000) -> list[str]:
    """Short texts with special tokens and parts of them."""
    rng = random.Random(13)
    specials = list(special_tokens)
    parts = [special[:cut] for special in specials for cut in (1, 2, -1)] + [special[2:] for special in specials]
    return ["".join(rng.choices(specials * 3 + parts + _PIECES, k=rng.randrange(1, 20))) for _ in range(n_texts)]


@dataclass
class Comparison:
    """Counts texts on which two libraries agree, and keeps the first on which they do not."""

    name: str
    n_texts: int = 0
    n_bytes: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, text: str, ours: Sequence[int], theirs: Sequence[int], label: str = "") -> None:
        """Compare the ids of one text."""
        self.n_texts += 1
        self.n_bytes += len(text.encode())
        if list(ours) != list(theirs):
            place = next(
                (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
            )
            around = slice(max(0, place - 3), place + 5)
            self.differences.append(
                f"{label or repr(text[:80])}: from id {place} on {list(ours[around])}, not {list(theirs[around])}"
            )

    def close(self, report_line: Callable[[str], None]) -> None:
        """Report, and fail if there were differences."""
        notes = "".join(f"; {note}" for note in self.notes)
        report_line(
            f"parity: {self.name}: {self.n_texts:,} texts, {self.n_bytes / _MEGABYTE:.1f} MB, "
            f"{len(self.differences)} differences{notes}"
        )
        assert self.n_texts > 0
        assert not self.differences, "\n".join([self.name, *self.differences[:5]])
