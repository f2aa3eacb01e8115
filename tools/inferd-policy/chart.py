#!/usr/bin/env python3
"""Draws docs/policy.svg and prints docs/policy.md's table from `inferd-policy simulate --json`.

usage: chart.py RESULTS.jsonl OUT.svg
"""
import json
import sys

POLICIES = ["inferd", "alert-like", "moving-average", "hindsight-static", "last-ratio"]
COLOURS = ["#1a6fb5", "#e08214", "#9a9a9a", "#5aae61", "#c2a5cf"]
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 960, 420, 56, 64, 64


def read(path):
    results = {}
    with open(path) as lines:
        for line in lines:
            row = json.loads(line)
            results.setdefault(row["setting"], {})[row["policy"]] = row
    return results


def chart(results):
    settings = list(results)
    top = 15.0
    group = (WIDTH - LEFT - 16) / len(settings)
    bar = group * 0.84 / len(POLICIES)
    scale = (HEIGHT - TOP - BOTTOM) / top
    base = HEIGHT - BOTTOM
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="600">Error beyond the jitter-blind oracle, percent</text>',
    ]
    x = LEFT
    for name, colour in zip(POLICIES, COLOURS):
        out.append(f'<rect x="{x}" y="36" width="12" height="12" fill="{colour}"/><text x="{x + 17}" y="46">{name}</text>')
        x += 40 + 7.2 * len(name)
    for tick in range(0, int(top) + 1, 3):
        y = base - tick * scale
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - 16}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{tick}</text>')
    for i, setting in enumerate(settings):
        left = LEFT + i * group + group * 0.08
        for j, (name, colour) in enumerate(zip(POLICIES, COLOURS)):
            value = 100 * results[setting][name]["extra_error"]
            height = max(0.0, min(value, top)) * scale
            at = left + j * bar
            out.append(f'<rect x="{at:.1f}" y="{base - height:.1f}" width="{bar - 1.5:.1f}" height="{height:.1f}" fill="{colour}"/>')
            if j == 0:
                out.append(f'<text x="{at + bar / 2:.1f}" y="{base - height - 5:.1f}" text-anchor="middle" '
                           f'font-size="11" font-weight="600" fill="{colour}">{value:.1f}</text>')
        out.append(f'<text x="{left + group * 0.42:.1f}" y="{base + 18}" text-anchor="middle">{setting}</text>')
        row = results[setting]["inferd"]
        out.append(f'<text x="{left + group * 0.42:.1f}" y="{base + 36}" text-anchor="middle" font-size="11" fill="#555">'
                   f'{row["switches_per_min"]:.1f} sw/min</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def table(results):
    print("| setting | policy | accuracy | error beyond oracle | avoidable misses | first minute's misses | changes/min | J/frame | behind inferd |")
    print("|---|---|---|---|---|---|---|---|---|")
    for setting, rows in results.items():
        for name, row in rows.items():
            own = name == "inferd"
            cells = [
                setting if own else "",
                f"**{name}**" if own else name,
                f'{row["accuracy"]:.4f}',
                f'{100 * row["extra_error"]:.2f}%',
                f'{100 * row["avoidable_misses"]:.2f}%',
                f'{100 * row["first_minute_misses"]:.2f}%',
                f'{row["switches_per_min"]:.1f}',
                f'{row["joules_per_frame"]:.3f}',
                "" if own else f'{row["behind_inferd"]:+.4f} ± {row["behind_inferd_interval"]:.4f}',
            ]
            print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results = read(sys.argv[1])
    with open(sys.argv[2], "w") as out:
        out.write(chart(results))
    table(results)
