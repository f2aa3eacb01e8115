"""A scatter of accuracy over cost as SVG, by hand: one colour for each network, gray runs hollow, sizes joined."""
import math

COLOURS = ("#4a78b8", "#c0504d", "#5c8f3a", "#8e63b0", "#d08a2e", "#3b9aa8", "#7f7f7f", "#b05a8a")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 900, 520, 60, 50, 250, 50


def _ticks(low, high):
    return [t for t in (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100) if low <= t <= high]


class Chart:
    def __init__(self, title, costs, highest):
        self.low, self.high = min(costs) * 0.9, max(costs) * 1.1
        self.highest = highest
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                      'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">',
                      f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
                      f'<text x="{LEFT}" y="28" font-size="15" font-weight="600">{title}</text>']
        self._axes()

    def x(self, cost):
        share = math.log(cost / self.low) / math.log(self.high / self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.highest * (HEIGHT - TOP - BOTTOM)

    def _axes(self):
        for value in range(0, self.highest + 1, 10):
            y = self.y(value)
            self.parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>'
                              f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value}</text>')
        for cost in _ticks(self.low, self.high):
            x = self.x(cost)
            self.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>'
                              f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#555">'
                              f'{cost:g}</text>')
        self.parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle" fill="#333">'
                          'preprocessing and inference, ms (log)</text>')

    def series(self, index, name, colour_points, gray_points):
        """Points are (cost, accuracy, label), in the order of their sizes."""
        colour = COLOURS[index % len(COLOURS)]
        for points, gray in ((gray_points, True), (colour_points, False)):
            path = " ".join(f"{self.x(c):.1f},{self.y(a):.1f}" for c, a, _ in points)
            dashes = ' stroke-dasharray="3 4"' if gray else ""
            self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.5"{dashes}/>')
            for cost, accuracy, label in points:
                fill = "#fff" if gray else colour
                self.parts.append(f'<circle cx="{self.x(cost):.1f}" cy="{self.y(accuracy):.1f}" r="4" '
                                  f'fill="{fill}" stroke="{colour}" stroke-width="1.5">'
                                  f'<title>{name} {label}: {accuracy}, {cost:.1f} ms</title></circle>')
        y = TOP + 14 + 22 * index
        self.parts.append(f'<circle cx="{WIDTH - RIGHT + 24}" cy="{y - 4}" r="5" fill="{colour}"/>'
                          f'<text x="{WIDTH - RIGHT + 36}" y="{y}">{name}</text>')

    def write(self, path):
        y = HEIGHT - BOTTOM - 30
        self.parts.append(f'<text x="{WIDTH - RIGHT + 18}" y="{y}" fill="#333">filled: colour</text>'
                          f'<text x="{WIDTH - RIGHT + 18}" y="{y + 18}" fill="#333">hollow: gray</text></svg>')
        path.write_text("\n".join(self.parts) + "\n")
