#!/usr/bin/env python3
"""Draws what peers.py measured: for each network, inferd's time as a share of each peer's, as SVG.

    tools/bench/peer_chart.py RECORD.json OUT.svg          (RECORD.json: of peers.py --json)
"""
import argparse
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compare"))
import peer_report  # noqa: E402
from chart import COLOURS  # noqa: E402

WIDTH, LEFT, RIGHT, TOP, ROW = 960, 210, 30, 92, 20
LOW, HIGH = 0.2, 5.0
TICKS = (0.2, 0.3, 0.5, 0.8, 1, 1.5, 2, 3, 5)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    return parser.parse_args()


def x_of(ratio, left, width):
    """A ratio beyond the scale is drawn at its end."""
    share = math.log(min(max(ratio, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return left + share * width


def text(x, y, words, anchor="start", size=11, colour="#333"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{words}</text>'


def panel(results, networks, threads, left, width):
    """One number of threads: an axis, and a dot for each peer of each network."""
    bottom = TOP + ROW * len(networks)
    parts = [text(left + width / 2, TOP - 26, f"{threads} thread{'s' * (threads > 1)}", "middle", 13)]
    for tick in TICKS:
        x, colour = x_of(tick, left, width), "#333" if tick == 1 else "#7bab7b" if tick == 0.8 else "#e4e4e4"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="{colour}"/>')
        parts.append(text(x, TOP - 10, f"{tick:g}", "middle", 10, "#555"))
    for number, network in enumerate(networks):
        y = TOP + ROW * number + ROW / 2
        for peer in results.peers(network):
            ratio = results.ratio(network, peer, threads)
            if ratio:
                colour = COLOURS[list(peer_report.LABELS).index(peer) % len(COLOURS)]
                parts.append(f'<circle cx="{x_of(ratio, left, width):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}" '
                             f'fill-opacity="0.85"><title>{network["name"]}: {ratio:.2f} of '
                             f'{peer_report.LABELS[peer]}</title></circle>')
    return parts


def legend(results):
    parts, x = [], LEFT
    for number, (peer, label) in enumerate(peer_report.LABELS.items()):
        if peer == peer_report.OURS or peer not in results.runtimes:
            continue
        words = f"{label} (int8)" if peer == peer_report.BESIDE else label
        parts.append(f'<circle cx="{x}" cy="44" r="5" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(text(x + 10, 48, words, size=12))
        x += 34 + 7 * len(words)
    return parts


def draw(record):
    results = peer_report.Results(record)
    networks = [n for precision in ("float", "int8") for n in peer_report.of_precision(results, precision)]
    threads = sorted({s["threads"] for s in record["samples"]})
    height = TOP + ROW * len(networks) + 16
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">', f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             text(20, 26, "inferd's time as a share of each peer's (left of 1: inferd is faster)", size=15)]
    parts += legend(results)
    for number, network in enumerate(networks):
        y = TOP + ROW * number
        if number % 2 == 0:
            parts.append(f'<rect x="0" y="{y}" width="{WIDTH}" height="{ROW}" fill="#f6f6f6"/>')
        parts.append(text(20, y + 14, network["name"]))
    gap = 30
    width = (WIDTH - LEFT - RIGHT - gap * (len(threads) - 1)) / len(threads)
    for number, count in enumerate(threads):
        parts += panel(results, networks, count, LEFT + number * (width + gap), width)
    return "\n".join(parts) + "\n</svg>\n"


def main():
    args = parse_args()
    args.out.write_text(draw(json.loads(args.record.read_text())))


if __name__ == "__main__":
    main()
