"""A comparison as a table: for the terminal, for a notebook, as plain text. The best of each column stands out."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING

from merganser.compare.metrics import METRICS, Comparison, Metric, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

# Narrow enough for eight figures and a name on 80 columns; the third line holds the direction.
_HEADS = {
    "vocab_size": ("vocab", "ids"),
    "n_tokens": ("text", "tokens"),
    "bytes_per_token": ("bytes", "/token"),
    "fertility": ("tokens", "/word"),
    "tokens_per_char": ("tokens", "/char"),
    "vocab_use": ("ids", "used %"),
    "round_trip": ("round", "trip %"),
    "mb_per_s": ("speed", "MB/s"),
}
_SHARES = {"vocab_use", "round_trip"}
_ARROWS = {"higher": "↑", "lower": "↓", None: ""}


def rich_table(comparison: Comparison) -> Table:
    """Lay a comparison out for a terminal.

    Parameters
    ----------
    comparison : Comparison
        What to show.

    Returns
    -------
    rich.table.Table
        The best value of each column is bold. Names are text, never markup.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        header_style="",
        caption=Text(_caption(comparison), style="dim"),
        caption_justify="left",
    )
    table.add_column(Text("tokenizer"), overflow="fold", min_width=9)
    for metric in METRICS:
        head = Text("\n".join([*_HEADS[metric.name], _ARROWS[metric.direction]]))
        table.add_column(head, justify="right", no_wrap=True)
    best = [_best(comparison.rows, metric) for metric in METRICS]
    for row in comparison.rows:
        figures = [_format(row, metric) for metric in METRICS]
        cells = [
            Text(figure, style="bold green" if figure == top else "") for figure, top in zip(figures, best, strict=True)
        ]
        table.add_row(Text(row.name), *cells)
    return table


def html_table(comparison: Comparison) -> str:
    """Lay a comparison out for a notebook.

    Parameters
    ----------
    comparison : Comparison
        What to show.

    Returns
    -------
    str
        One ``<table>`` that needs nothing else; names are escaped.
    """
    cell = 'style="text-align:right;padding:2px 8px"'
    name_cell = 'style="text-align:left;padding:2px 8px"'
    heads = [f"<th {name_cell}>tokenizer</th>"]
    for metric in METRICS:
        tip = html.escape(f"{metric.formula}. {metric.trap}")
        head = "<br>".join([*_HEADS[metric.name], _ARROWS[metric.direction]])
        heads.append(f'<th {cell} title="{tip}">{head}</th>')
    best = [_best(comparison.rows, metric) for metric in METRICS]
    lines = []
    for row in comparison.rows:
        cells = [f"<td {name_cell}>{html.escape(row.name)}</td>"]
        for metric, top in zip(METRICS, best, strict=True):
            figure = _format(row, metric)
            cells.append(f"<td {cell}>{f'<b>{figure}</b>' if figure == top else figure}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    caption = f'<caption style="caption-side:bottom;text-align:left">{html.escape(_caption(comparison))}</caption>'
    return f"<table>{caption}<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def plain_table(comparison: Comparison) -> str:
    """Lay a comparison out as text without colour, as wide as it needs.

    Parameters
    ----------
    comparison : Comparison
        What to show.

    Returns
    -------
    str
    """
    from rich.console import Console

    table = rich_table(comparison)
    console = Console(file=io.StringIO(), color_system=None, width=10_000, force_terminal=False)
    console.width = console.measure(table).maximum
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _best(rows: Sequence[Row], metric: Metric) -> str | None:
    """Return the figure that stands out, as it is shown; None where neither is better or all are shown alike."""
    known = [row for row in rows if getattr(row, metric.name) is not None]
    if metric.direction is None or len({_format(row, metric) for row in rows}) < 2 or not known:
        return None
    choose = max if metric.direction == "higher" else min
    return _format(choose(known, key=lambda row: float(getattr(row, metric.name))), metric)


def _format(row: Row, metric: Metric) -> str:
    value = getattr(row, metric.name)
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if metric.name in _SHARES:
        # 99.96 % is not all of them.
        text = f"{100 * value:.1f}"
        text = "99.9" if text == "100.0" and value < 1 else text
        return f"lossy {text}" if metric.name == "round_trip" and row.is_lossy else text
    return f"{value:.1f}" if metric.name == "mb_per_s" else f"{value:.3f}"


def _caption(comparison: Comparison) -> str:
    text, n_threads = comparison.text, comparison.n_threads
    threads = "all threads" if n_threads is None else f"{n_threads} thread{'' if n_threads == 1 else 's'}"
    documents = f"{text.n_documents:,} document{'' if text.n_documents == 1 else 's'}"
    size = f"{text.n_bytes / 1e6:,.1f} MB" if text.n_bytes >= 100_000 else f"{text.n_bytes:,} bytes"
    return f"{documents}, {size}, {text.n_words:,} words, {text.n_chars:,} characters; speed on {threads}"
