"""The gate's report as one page that a person can read. It loads nothing from anywhere.

It knows the report and nothing else: no model, no data set. Plots are drawn by matplotlib into the
page itself; whatever a model said is escaped by the template's engine.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.training.recipe import GATE_KL

TEMPLATE = "report.html.jinja"
COLOURS = {"base": "#8a8f98", "examples": "#7b5ea7", "serving": "#c98a1b", "candidate": "#1f6fb2"}
ORDER = list(COLOURS)
GOOD, BAD = "#2e7d4f", "#b3403a"
WIDTH, HEIGHT = 4.6, 2.9  # inches

RESULTS = {
    "passed": ("Passed", "It may serve."),
    "not enough evidence": (
        "Not enough evidence",
        "Nothing speaks against it, and too little was held out to say that it is better.",
    ),
    "refused": ("Refused", "It does not serve; what answered before answers on."),
}


def page(report: Mapping[str, Any]) -> str:
    """The whole page. `report` is what report.json holds."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    names = {
        "base": "base",
        "examples": "base with examples",
        "serving": "serving",
        "candidate": report["name"],
    }
    said = report["answers"][0]["said"] if report["answers"] else {}
    voices = sorted(said, key=ORDER.index)
    title, meaning = RESULTS[report["result"]]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(TEMPLATE).render(
        report=report,
        title=title,
        meaning=meaning,
        voices=[(voice, names[voice]) for voice in voices],
        why=[check["words"] for check in report["checks"] if _refuses(check)],
        plots=plots(report["figures"]),
        parts=_parts(report["answers"], voices),
    )


def _refuses(check: Mapping[str, Any]) -> bool:
    return bool(check["hard"]) and check["passed"] is False


def _parts(
    answers: Sequence[Mapping[str, Any]], voices: Sequence[str]
) -> list[tuple[str, str, list[Mapping[str, Any]]]]:
    """The answers in the order in which they matter: id, heading, those that belong there."""
    if not answers:
        return []
    rival = "serving" if "serving" in voices else "base"
    lost = [one for one in answers if one["right"][rival] and not one["right"]["candidate"]]
    won = [one for one in answers if one["right"]["candidate"] and not one["right"][rival]]
    rest = [one for one in answers if one["right"][rival] == one["right"]["candidate"]]
    changed = [one for one in rest if one["said"][rival] != one["said"]["candidate"]]
    same = [one for one in rest if one["said"][rival] == one["said"]["candidate"]]
    return [
        part
        for part in (
            ("lost", "Answered rightly before, wrongly now", lost),
            ("won", "Answered wrongly before, rightly now", won),
            ("changed", "In other words than before", changed),
            ("same", "Word for word as before", same),
        )
        if part[2]
    ]


def plots(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What there are figures for: a caption and an SVG each."""
    drawn = []
    if golden := figures.get("golden"):
        caption = "Golden questions answered rightly, in per cent"
        shares = {name: {v: 100 * s for v, s in one.items()} for name, one in golden.items()}
        drawn.append((caption, _bars(shares, top=100)))
    if margins := figures.get("margins"):
        caption = "Held-out votes: how far it moved towards (right) or away from each, in nats"
        drawn.append((caption, _margins(margins)))
    if held := figures.get("held"):
        caption = "Held-out votes: how far each is from the base towards them, in nats per token"
        drawn.append((caption, _bars({"": held})))
    if lengths := figures.get("lengths"):
        drawn.append(("Length of the answers, in characters", _lengths(lengths)))
    if training := figures.get("training"):
        caption = "Distance from the base while it was trained, in nats per token"
        drawn.append((caption, _trace([float(one["kl"]) for one in training])))
    if perplexity := figures.get("perplexity"):
        drawn.append(("Perplexity on the base's own answers", _bars({"": perplexity})))
    if overlap := figures.get("overlap"):
        scores = {name: {v: overlap[v][name] for v in overlap} for name in overlap["candidate"]}
        drawn.append(("Overlap with liked or corrected answers", _bars(scores, top=100)))
    return drawn


def _bars(groups: Mapping[str, Mapping[str, float]], top: float | None = None) -> str:
    """Groups of bars, one bar for each voice, with its number on it."""
    figure, axes = _axes()
    voices = sorted(next(iter(groups.values())), key=ORDER.index)
    width = 0.8 / len(voices)
    for n, voice in enumerate(voices):
        places = [group + n * width for group in range(len(groups))]
        heights = [one[voice] for one in groups.values()]
        bars = axes.bar(places, heights, width * 0.92, color=COLOURS[voice], label=voice)
        axes.bar_label(bars, fmt="{:.4g}", padding=2, fontsize=10)
    middles = [group + 0.4 - width / 2 for group in range(len(groups))]
    axes.set_xticks(middles, list(groups))
    low = min(0.0, *(min(one.values()) for one in groups.values()))
    high = top or max(0.0, *(max(one.values()) for one in groups.values()))
    room = 0.12 * ((high - low) or 1)
    axes.set_ylim(low - room if low < 0 else 0, high + room)
    # Below the plot: nothing is ever drawn there.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, frameon=False, fontsize=9)
    return _svg(figure)


def _margins(margins: Sequence[float]) -> str:
    figure, axes = _axes()
    colours = [GOOD if value > 0 else BAD for value in margins]
    axes.barh(range(len(margins)), margins, color=colours)
    axes.axvline(0, color="#444", linewidth=0.8)
    axes.set_yticks([])
    return _svg(figure)


def _lengths(lengths: Mapping[str, Sequence[int]]) -> str:
    figure, axes = _axes()
    most = max(max(some) for some in lengths.values())
    edges = [n * max(1, most) / 20 for n in range(21)]
    for voice, some in lengths.items():
        filled = voice == "candidate"
        axes.hist(
            some,
            edges,
            histtype="stepfilled" if filled else "step",
            color=COLOURS[voice],
            alpha=0.45 if filled else 1,
            label=voice,
        )
    axes.set_ylabel("answers", fontsize=10)
    axes.legend(frameon=False, fontsize=10)
    return _svg(figure)


def _trace(kls: Sequence[float]) -> str:
    figure, axes = _axes()
    axes.plot(range(1, len(kls) + 1), kls, marker="o", markersize=3, color=COLOURS["candidate"])
    axes.axhline(GATE_KL, color=BAD, linewidth=0.8, linestyle="--")
    axes.annotate("the gate's limit", (1, GATE_KL), fontsize=10, va="bottom")
    axes.set_ylim(0, max(*kls, GATE_KL) * 1.15)
    axes.set_xlabel("measurement", fontsize=10)
    return _svg(figure)


def _axes() -> tuple[Any, Any]:
    """An empty plot. Without pyplot, which would keep every figure alive."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=10)
    return figure, axes


def _svg(figure: Any) -> str:
    """Text stays text. Ids are made by the content, so that a report is the same each time."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mynah"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt" ', "", svg, count=1)
