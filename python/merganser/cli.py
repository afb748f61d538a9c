"""The command ``merganser``: each subcommand reads its options, makes one call of the library, and shows the result.

Results go to standard output; progress and errors to standard error. Exit codes: 0 done, 1 an error (one line, no
traceback), 2 wrong usage, 130 Ctrl-C, 141 the reader of the output left. What is written to disk is complete or absent.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console, RenderableType
from typer.core import TyperGroup

import merganser as mg
from merganser import conversion
from merganser.cli_options import (
    Errors,
    Files,
    Format,
    OnSpecial,
    Pattern,
    Separator,
    TextField,
    Threads,
    TokenizerPath,
    check_number,
    parse_size,
)
from merganser.demo import run_demo
from merganser.errors import ConfigError, MerganserError
from merganser.inspection import inspect_text, render
from merganser.training import NormalizerName, PreTokenizerName
from merganser.training.methods import check_format, train_by

__all__ = ["app", "main"]

_EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141
# The library's errors name arguments; on the command line they are options.
_ARGUMENT = re.compile(r"\b(overwrite|allow_smaller|on_special|errors|pattern|min_count|max_memory)=(\"?)(\w+)\2")


class _Commands(TyperGroup):
    """Turns what a command raises into one line on standard error and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(_EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            # Python flushes standard output once more on its way out; give it somewhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_EXIT_BROKEN_PIPE) from None
        except (MerganserError, OSError) as error:
            typer.echo(f"{typer.style('error:', fg='red', bold=True)} {_message(error)}", err=True)
            raise typer.Exit(1) from None
        return result


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train vocabularies, encode corpora into token shards, and compare tokenizers.",
    epilog="Start with [bold]merganser demo[/bold]: it needs no data.",
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"merganser {mg.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(
    epilog="Example: [bold]merganser train --vocab-size 32000 --special-token '<|endoftext|>' "
    "--out tokenizer.json 'data/*.txt'[/bold]"
)
def train(
    files: Files,
    out: Annotated[
        Path,
        typer.Option(
            show_default=False,
            help="A .json, .model, .tiktoken or vocab.txt file, or a folder for vocab.json and merges.txt.",
        ),
    ],
    method: Annotated[
        Literal["bpe", "wordpiece", "unigram", "sentencepiece"],
        typer.Option(help="How to train; sentencepiece: as that library does."),
    ] = "bpe",
    vocab_size: Annotated[int, typer.Option(min=1, help="Tokens in all.")] = 32_000,
    pre_tokenizer: Annotated[
        PreTokenizerName | None,
        typer.Option(
            show_default="cl100k; bert for wordpiece, metaspace for unigram",
            help="How text is split before training; like a normalizer not for sentencepiece.",
        ),
    ] = None,
    normalizer: Annotated[
        NormalizerName | None,
        typer.Option(show_default="none; bert for wordpiece", help="What text goes through first."),
    ] = None,
    min_frequency: Annotated[
        int | None,
        typer.Option(
            min=0,
            show_default="0; by likelihood the largest that fills the vocabulary",
            help="A rarer pair is not merged; for bpe and wordpiece.",
        ),
    ] = None,
    special_token: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", show_default=False, help="A special token; may be repeated.")
    ] = None,
    max_token_length: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="no limit; 16 for unigram and sentencepiece",
            help="Longest token, in bytes for bpe, else in characters.",
        ),
    ] = None,
    superwords: Annotated[
        int | None,
        typer.Option(min=1, metavar="START", show_default=False, help="BPE: later tokens may be several words."),
    ] = None,
    criterion: Annotated[
        Literal["frequency", "likelihood"] | None,
        typer.Option(show_default="frequency", help="WordPiece: which pair becomes a token next."),
    ] = None,
    model_type: Annotated[
        Literal["unigram", "bpe", "char", "word"] | None,
        typer.Option(show_default="unigram", help="SentencePiece: what is learned."),
    ] = None,
    byte_fallback: Annotated[
        bool,
        typer.Option("--byte-fallback", help="Unigram, SentencePiece: unknown characters are spelled in bytes."),
    ] = False,
    allow_smaller: Annotated[
        bool, typer.Option("--allow-smaller", help="Be content with fewer tokens where the text has no more to give.")
    ] = False,
    min_count: Annotated[
        int | None, typer.Option(min=0, show_default="0", help="Rarer words are left out, and told.")
    ] = None,
    max_memory: Annotated[
        int | None,
        typer.Option(
            parser=parse_size,
            metavar="SIZE",
            show_default="no limit",
            help="Memory to count words in, such as 4G; what outgrows it goes to disk. Learning takes more on top.",
        ),
    ] = None,
    spill_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", show_default="the system's", help="Where to put it, with --max-memory."),
    ] = None,
    threads: Threads = None,
    text_field: TextField = "text",
    separator: Separator = None,
    file_format: Format = None,
    errors: Errors = "strict",
) -> None:
    """Train a vocabulary on documents and save it as a tokenizer."""
    _check_place(out)
    start = time.perf_counter()
    documents = mg.read(*files, text_field=text_field, separator=separator, format=file_format, errors=errors)
    options = {
        "vocab_size": vocab_size,
        "pre_tokenizer": pre_tokenizer,
        "normalizer": normalizer,
        "min_frequency": min_frequency,
        "special_token": special_token,
        "max_token_length": max_token_length,
        "superwords": None if superwords is None else mg.Superwords(start=superwords),
        "criterion": criterion,
        "model_type": model_type,
        "byte_fallback": byte_fallback or None,
        "allow_smaller": allow_smaller or None,
        "min_count": min_count,
        "max_memory": max_memory,
        "spill_dir": spill_dir,
        "n_threads": threads,
        "progress": _has_terminal(),
    }
    check_format(method, options, out)
    tokenizer = train_by(method, documents, options)
    tokenizer.save(out)
    seconds = time.perf_counter() - start
    typer.echo(f"trained {method} on {_count(documents.n_documents_read, 'document')} in {seconds:.1f} s:", nl=False)
    typer.echo(f" {_count(tokenizer.n_tokens, 'token')}, {len(tokenizer.special_tokens)} of them special")
    _tell_replaced(documents)
    typer.echo(f"wrote {out}")


@app.command(
    epilog="Example: [bold]merganser encode --tokenizer tokenizer.json --append '<|endoftext|>' --out shards/ "
    "'data/*.jsonl.zst'[/bold]"
)
def encode(
    files: Files,
    tokenizer: TokenizerPath,
    out: Annotated[Path, typer.Option(show_default=False, help="Folder for the shards.")],
    pattern: Pattern = None,
    dtype: Annotated[
        Literal["uint16", "uint32"] | None,
        typer.Option(show_default="the smaller that holds the vocabulary", help="Type of an id on disk."),
    ] = None,
    shard_tokens: Annotated[int, typer.Option(min=1, help="Most tokens in a shard.")] = 100_000_000,
    append: Annotated[
        str | None,
        typer.Option(metavar="TEXT", show_default=False, help="Special token to put after each document."),
    ] = None,
    on_special: OnSpecial = "raise",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the corpus in the folder.")] = False,
    threads: Threads = None,
    text_field: TextField = "text",
    separator: Separator = None,
    file_format: Format = None,
    errors: Errors = "strict",
) -> None:
    """Encode documents into token shards on disk."""
    start = time.perf_counter()
    encoder = mg.Tokenizer.load(tokenizer, pattern=pattern)
    documents = mg.read(*files, text_field=text_field, separator=separator, format=file_format, errors=errors)
    manifest = mg.corpus.encode(
        documents,
        encoder,
        out,
        dtype=dtype,
        shard_tokens=shard_tokens,
        append_id=None if append is None else _special_id(encoder, append),
        on_special=on_special,
        n_threads=threads,
        progress=_has_terminal(),
        overwrite=overwrite,
    )
    seconds = time.perf_counter() - start
    typer.echo(f"encoded {_count(manifest.n_documents, 'document')}, {manifest.n_bytes / 1e6:,.1f} MB,", nl=False)
    typer.echo(f" into {_count(manifest.n_tokens, 'token')} in {seconds:.1f} s")
    _tell_replaced(documents)
    typer.echo(f"wrote {_count(len(manifest.shards), 'shard')} of {manifest.dtype} to {out}")


@app.command(
    epilog="Example: [bold]merganser compare tokenizer.json gpt2/ cl100k_base.tiktoken --text sample.txt[/bold]"
)
def compare(
    tokenizers: Annotated[
        list[str],
        typer.Argument(metavar="TOKENIZERS", show_default=False, help="Tokenizer files or folders."),
    ],
    text: Annotated[
        list[str],
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="File or pattern of documents; may be repeated; - is standard input.",
        ),
    ],
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every sum.")] = False,
    on_special: OnSpecial = "text",
    threads: Annotated[int, typer.Option(min=1, help="Threads to encode with.")] = 1,
    text_field: TextField = "text",
    separator: Separator = None,
    file_format: Format = None,
    errors: Errors = "strict",
) -> None:
    """Compare tokenizers on the same text: compression, fertility, vocabulary use, round trip, speed."""
    documents = mg.read(*text, text_field=text_field, separator=separator, format=file_format, errors=errors)
    comparison = mg.compare(tokenizers, documents, on_special=on_special, n_threads=threads, progress=_has_terminal())
    if is_json:
        typer.echo(comparison.to_json())
    else:
        _show(comparison.__rich__())
        _tell_replaced(documents)


def _check_width(width: int) -> int:
    from merganser.lm import LmSettings

    if width % LmSettings.n_heads:
        msg = f"{width} is not a multiple of {LmSettings.n_heads}, the attention heads of the model"
        raise typer.BadParameter(msg)
    return width


@app.command(epilog="Example: [bold]merganser lm --tokenizer bpe.json --tokenizer gpt2/ --text 'data/*.txt'[/bold]")
def lm(
    tokenizer: Annotated[
        list[str],
        typer.Option(metavar="PATH", show_default=False, help="Tokenizer file or folder; repeat to compare."),
    ],
    text: Annotated[
        list[str],
        typer.Option(metavar="FILE", show_default=False, help="File or pattern of documents; may be repeated."),
    ],
    train_mb: Annotated[
        float,
        typer.Option(
            min=0.001, max=1e6, callback=check_number, help="Text that each training reads, in MB, with repeats."
        ),
    ] = 4.0,
    held_out_kb: Annotated[
        float, typer.Option(min=0.1, max=1e9, callback=check_number, help="Text that is held out, in kB.")
    ] = 200.0,
    context_bytes: Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Text that the model sees at a time, in bytes.")
    ] = 512,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each tokenizer.")] = 3,
    budget: Annotated[
        Literal["bytes", "flops"], typer.Option(help="What is equal for all: text that is read, or arithmetic.")
    ] = "bytes",
    width: Annotated[
        int, typer.Option(min=8, max=65_536, callback=_check_width, help="Width of the model, a multiple of 4.")
    ] = 128,
    layers: Annotated[int, typer.Option(min=1, max=4096, help="Blocks of the model.")] = 4,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the sums of each document.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads to train with.")] = 2,
    text_field: TextField = "text",
    separator: Separator = None,
    file_format: Format = None,
    errors: Errors = "strict",
) -> None:
    """Compare tokenizers by bits per byte: train the same small GPT on each one's tokens."""
    from merganser.lm import LmSettings, compare_bits_per_byte

    documents = mg.read(*text, text_field=text_field, separator=separator, format=file_format, errors=errors)
    settings = LmSettings(
        train_bytes=round(train_mb * 1e6),
        held_out_bytes=round(held_out_kb * 1e3),
        context_bytes=context_bytes,
        seeds=tuple(range(seeds)),
        budget=budget,
        d_model=width,
        d_ff=4 * width,
        n_layers=layers,
        n_threads=threads,
    )
    comparison = compare_bits_per_byte(tokenizer, documents, settings=settings, progress=_has_terminal())
    if is_json:
        typer.echo(comparison.to_json())
    else:
        _show(comparison.__rich__())
        _tell_replaced(documents)


@app.command(epilog="Example: [bold]merganser inspect tokenizer.json 'some text'[/bold]")
def inspect(
    tokenizer: Annotated[str, typer.Argument(metavar="TOKENIZER", show_default=False, help="A file or folder.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False, help="The text; - is standard input.")],
    is_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: of each token id, bytes (hexadecimal), text, is_special.")
    ] = False,
    pattern: Pattern = None,
    add_special_tokens: Annotated[bool, typer.Option(help="Let the tokenizer add its own, such as <s>.")] = True,
    on_special: OnSpecial = "raise",
) -> None:
    """Show the tokens of a text in colour, with ids and bytes."""
    encoder = mg.Tokenizer.load(tokenizer, pattern=pattern)
    data = sys.stdin.buffer.read() if text == "-" else text
    tokens = inspect_text(encoder, data, add_special_tokens=add_special_tokens, on_special=on_special)
    if is_json:
        typer.echo(json.dumps([token.to_dict() for token in tokens], ensure_ascii=False, indent=2))
    else:
        console = Console()
        _show(render(tokens, has_color=console.color_system is not None and not console.no_color))


@app.command(epilog="Example: [bold]merganser convert spiece.model tokenizer.json[/bold]")
def convert(
    source: Annotated[str, typer.Argument(metavar="FROM", show_default=False, help="A file or folder.")],
    target: Annotated[Path, typer.Argument(metavar="TO", show_default=False, help="Its name says the format.")],
    pattern: Pattern = None,
    lowercase: Annotated[
        bool | None,
        typer.Option(
            "--lowercase/--cased",
            show_default="by the tokenizer_config.json beside it",
            help="For a vocab.txt: whether text becomes lower case.",
        ),
    ] = None,
) -> None:
    """Write a tokenizer in another format, and say what that format leaves out."""
    tokenizer = mg.Tokenizer.load(source, pattern=pattern, lowercase=lowercase)
    notes = conversion.convert(tokenizer, target)
    _announce(f"{target}: {_count(tokenizer.n_tokens, 'token')}")
    for note in notes:
        typer.echo(f"note: {note}", err=True)


@app.command(epilog="Example: [bold]merganser demo --out /tmp/demo[/bold]")
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write to: new, empty, or of an earlier demo.")] = Path(
        "merganser-demo"
    ),
    vocab_size: Annotated[int, typer.Option(min=257, help="Tokens of each trained vocabulary.")] = 8192,
    threads: Threads = None,
) -> None:
    """Train, encode, decode, check and compare, on text that every Python carries."""
    start = time.perf_counter()
    result = run_demo(out, vocab_size=vocab_size, n_threads=threads, progress=_has_terminal(), announce=_announce)
    typer.echo()
    _show(result.comparison.__rich__())
    manifest = result.manifest
    typer.echo(
        f"\n{_count(manifest.n_documents, 'document')} came back byte for byte "
        f"from {_count(manifest.n_tokens, 'token')} in {_count(len(manifest.shards), 'shard')}."
    )
    typer.echo(f"Done in {time.perf_counter() - start:.1f} s. Written:")
    for path, what in (
        ("tokenizers/", f"{len(result.comparison)} tokenizers, each a tokenizer.json"),
        ("shards/", "the text as ids; open it with merganser.corpus.open"),
        ("comparison.json", "the table above, with every sum"),
    ):
        typer.echo(f"  {f'{out}/{path}':<{len(str(out)) + 17}} {what}")


def main() -> None:
    """Run the command with the arguments of the process."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that has no · gets \xb7 rather than a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="merganser")
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
    else:
        message = str(error)
    return _ARGUMENT.sub(_as_option, message)


def _as_option(match: re.Match[str]) -> str:
    option = f"--{match[1].replace('_', '-')}"
    return option if match[3] == "True" else f"{option} {match[3]}"


def _check_place(out: Path) -> None:
    """Tell now, not after hours of training, that the result cannot be saved."""
    folder = out.parent
    if not os.access(folder, os.W_OK):
        # Says what is wrong with it, in the system's words.
        os.stat(folder)
        raise PermissionError(13, "cannot be written to", str(folder))


def _special_id(tokenizer: mg.Tokenizer, text: str) -> int:
    special_tokens = tokenizer.special_tokens
    if text not in special_tokens:
        known = ", ".join(special_tokens) or "none"
        msg = f"--append: {text!r} is not a special token of the tokenizer, which has: {known}"
        raise ConfigError(msg)
    return special_tokens[text]


def _has_terminal() -> bool:
    return sys.stderr.isatty()


def _announce(sentence: str) -> None:
    typer.echo(sentence)
    sys.stdout.flush()


def _show(renderable: RenderableType) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        # Nothing is folded or cut for a screen that is not there.
        console.width = max(
            console.width, console.measure(renderable, options=console.options.update(width=10_000)).maximum
        )
    console.print(renderable)


def _tell_replaced(documents: mg.Documents) -> None:
    if documents.n_replaced:
        typer.echo(f"replaced {_count(documents.n_replaced, 'invalid sequence')} by U+FFFD")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
