"""The tables of peers.py, from the record that it makes of a run."""
import collections
import math
import statistics

OURS = "inferd"
BESIDE = "openvino-default"  # in the float tables beside the peers and not one of them, because it is less than float32
LABELS = {"inferd": "inferd", "onnxruntime": "ONNX Runtime", "ncnn": "ncnn", "litert": "LiteRT",
          "openvino": "OpenVINO, float32", "openvino-default": "OpenVINO, default"}
TOLERANCE = 1e-3  # of the largest output; of integers one


# ---- do they agree ----------------------------------------------------------------------------------


def load_outputs(folder):
    import numpy as np
    return {path.stem: np.load(path).ravel() for path in sorted(folder.glob("*.npy"))}


def is_integer(values):
    return values.dtype.kind in "iu"


def distance(value, reference):
    """The largest difference over the largest output; of integers as it is."""
    apart = abs(value.astype(float) - reference.astype(float)).max(initial=0)
    return apart if is_integer(reference) else apart / (abs(reference).max(initial=0) or 1.0)


def difference(outputs, references):
    """The worst of all outputs; those of other names are told by their size, and of those the nearest is taken."""
    worst, left = 0.0, dict(outputs)
    for name, reference in references.items():
        far = {n: distance(value, reference) for n, value in left.items() if value.size == reference.size}
        if not far:
            return math.inf
        nearest = name if name in far else min(far, key=far.get)
        worst = max(worst, far[nearest])
        del left[nearest]
    return float(worst)


def agreement(bench, network, runtimes):
    """A row for each runtime: how far its last outputs are from those of the network's reference."""
    bench.answer_reference(network)
    references = load_outputs(bench.outputs(network, network.reference[0]))
    integer, rows = any(map(is_integer, references.values())), []
    for runtime in runtimes:
        outputs = load_outputs(bench.outputs(network, runtime))
        if runtime == network.reference[0] or not outputs:
            continue
        far = difference(outputs, references)
        rows.append({"network": network.name, "runtime": runtime, "reference": network.reference[0], "integer": integer,
                     "difference": far if math.isfinite(far) else None, "agrees": far <= (1 if integer else TOLERANCE)})
    return rows


# ---- figures ----------------------------------------------------------------------------------------


def quantile(values, percent):
    """The value that a share of them is not over, by nearest rank."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def flat(figure):
    return figure if isinstance(figure, list) else [figure]


class Results:
    def __init__(self, record):
        self.record = record
        self.by_key = collections.defaultdict(list)
        for sample in record["samples"]:
            if not sample["error"]:
                key = sample["network"], sample["runtime"], sample["threads"], sample["busy"]
                self.by_key[key].append(sample)
        self.runtimes = [r for r in LABELS if any(key[1] == r for key in self.by_key)]

    def get(self, network, runtime, threads, busy=False):
        return self.by_key.get((network["name"], runtime, threads, busy), [])

    def ms(self, network, runtime, threads, busy=False):
        return [ms for sample in self.get(network, runtime, threads, busy) for ms in sample["ms"]]

    def median(self, network, runtime, threads, key):
        """Over the rounds, of one figure for each."""
        samples = self.get(network, runtime, threads)
        return statistics.median(sample[key] for sample in samples) if samples else None

    def peers(self, network):
        return [r for r in self.runtimes if r != OURS and (r != BESIDE or network["precision"] == "int8")]

    def ratio(self, network, peer, threads, key="ms"):
        """Of one figure within each round (of times its median), the median."""
        theirs = {s["round"]: statistics.median(flat(s[key])) for s in self.get(network, peer, threads)}
        ratios = [statistics.median(flat(s[key])) / theirs[s["round"]] for s in self.get(network, OURS, threads)
                  if theirs.get(s["round"])]
        return statistics.median(ratios) if ratios else None

    def least(self, network, threads):
        """Ratio of the quickest run to the quickest of any peer: what a machine with busy neighbours disturbs least."""
        ours = self.ms(network, OURS, threads)
        theirs = [ms for peer in self.peers(network) for ms in self.ms(network, peer, threads)]
        return min(ours) / min(theirs) if ours and theirs else None

    def best(self, network, threads, key="ms"):
        """Ratio to the peer that inferd is worst beside, and that peer."""
        ratios = {peer: self.ratio(network, peer, threads, key) for peer in self.peers(network)}
        ratios = {peer: ratio for peer, ratio in ratios.items() if ratio}
        return max(((ratio, peer) for peer, ratio in ratios.items()), default=(None, None))


# ---- tables -----------------------------------------------------------------------------------------


def print_table(title, heads, rows):
    if not rows:
        return
    print(f"\n{title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def of_precision(results, precision):
    return [n for n in results.record["networks"] if n["precision"] == precision and
            any(key[0] == n["name"] for key in results.by_key)]


def used(results, networks):
    """Runtimes with a figure for one of these networks."""
    names = {n["name"] for n in networks}
    return [r for r in results.runtimes if any(key[0] in names and key[1] == r for key in results.by_key)]


def speed_table(results, precision, threads):
    networks = of_precision(results, precision)
    runtimes, rows, ratios, least = used(results, networks), [], [], []
    for network in networks:
        row = [network["name"]]
        for runtime in runtimes:
            ms = results.ms(network, runtime, threads)
            row.append(f"{statistics.median(ms):.2f} ({quantile(ms, 90):.2f})" if ms else "")
        (ratio, peer), quickest = results.best(network, threads), results.least(network, threads)
        if ratio:
            ratios.append(ratio)
            least.append(quickest)
        rows.append(row + ([f"{ratio:.2f} ({LABELS[peer]})", f"{quickest:.2f}"] if ratio else ["", ""]))
    if ratios:
        rows.append(["geometric mean"] + [""] * len(runtimes) +
                    [f"**{geometric_mean(ratios):.2f}**", f"**{geometric_mean(least):.2f}**"])
    print_table(f"### {precision}, {threads} thread{'s' * (threads > 1)}: median ms of a run (p90)",
                ["network", *[LABELS[r] for r in runtimes], "inferd of the best peer", "quickest runs"], rows)


def cpu_table(results, precision, threads):
    """Beside the best peer; on more threads also beside inferd's own on one, which says what sharing the work costs."""
    networks = of_precision(results, precision)
    runtimes, rows, ratios, shared = used(results, networks), [], [], []
    for network in networks:
        values = {r: results.median(network, r, threads, "cpu_ms") for r in runtimes}
        one = results.median(network, OURS, 1, "cpu_ms") if threads > 1 else None
        ratio, peer = results.best(network, threads, "cpu_ms")
        own = values[OURS] / one if one and values.get(OURS) else None
        ratios += [ratio] if ratio else []
        shared += [own] if own else []
        rows.append([network["name"], *[f"{v:.2f}" if v else "" for v in values.values()],
                     f"{ratio:.2f} ({LABELS[peer]})" if ratio else "", f"{own:.2f}" if own else ""])
    if ratios:
        rows.append(["geometric mean", *[""] * len(runtimes), f"**{geometric_mean(ratios):.2f}**",
                     f"**{geometric_mean(shared):.2f}**" if shared else ""])
    print_table(f"### {precision}, {threads} thread{'s' * (threads > 1)}: processor time of a run, ms, all threads",
                ["network", *[LABELS[r] for r in runtimes], "inferd of the best peer", "of its own on 1 thread"], rows)


def memory_table(results, precision, threads):
    networks = of_precision(results, precision)
    runtimes, rows, ratios = used(results, networks), [], []
    for network in networks:
        peak = {r: results.median(network, r, threads, "peak_kb") for r in runtimes}
        rest = {r: results.median(network, r, threads, "rest_kb") for r in runtimes}
        leanest = min((peak[r] for r in results.peers(network) if peak.get(r)), default=None)
        ratio = peak[OURS] / leanest if leanest and peak.get(OURS) else None
        ratios += [ratio] if ratio else []
        rows.append([network["name"], *[f"{peak[r] / 1024:.1f} ({rest[r] / 1024:.1f})" if peak[r] else "" for r in runtimes],
                     f"{ratio:.2f}" if ratio else ""])
    if ratios:
        rows.append(["geometric mean"] + [""] * len(runtimes) + [f"**{geometric_mean(ratios):.2f}**"])
    print_table(f"### {precision}, {threads} thread{'s' * (threads > 1)}: resident memory since before loading, MB at most "
                "(and after the runs)", ["network", *[LABELS[r] for r in runtimes], "inferd of the leanest peer"], rows)


def twin_table(results, threads):
    rows, by_name = [], {n["name"]: n for n in results.record["networks"]}
    for network in results.record["networks"]:
        ours = results.ms(network, OURS, threads)
        theirs = results.ms(by_name[network["twin"]], OURS, threads) if network["twin"] in by_name else []
        if ours and theirs:
            rows.append([network["name"], f"{statistics.median(ours) / statistics.median(theirs):.2f}"])
    print_table(f"### inferd's int8 of its own float, {threads} thread{'s' * (threads > 1)}", ["network", "ratio"], rows)


def busy_table(results, precision):
    networks = of_precision(results, precision)
    runtimes, rows = used(results, networks), []
    for network in networks:
        row = [network["name"]]
        for runtime in runtimes:
            idle, busy = results.ms(network, runtime, 1), results.ms(network, runtime, 2, True)
            row.append(f"{statistics.median(idle):.2f}: {statistics.median(busy):.2f}, {quantile(busy, 99):.1f}"
                       if idle and busy else "")
        idle, busy = results.ms(network, OURS, 1), results.ms(network, OURS, 2, True)
        if idle and busy:
            limit = 2.5 * statistics.median(idle) + 4
            row.append(f"{statistics.median(busy) / statistics.median(idle):.2f}, {quantile(busy, 99) / limit:.2f}")
        rows.append(row)
    print_table(f"### {precision}: 1 thread on an idle machine, median ms: 2 threads beside a busy core, median, p99",
                ["network", *[LABELS[r] for r in runtimes],
                 "inferd: busy median of idle, p99 of 2.5 idle medians and 4 ms"], rows)


def layer_table(results, threads):
    peak = results.record["peak_gflops"].get(str(threads))
    runtimes, rows, ratios = results.runtimes, [], []
    for network in results.record["networks"]:
        row = [network["name"]]
        for runtime in runtimes:
            ms = results.ms(network, runtime, threads)
            speed = 2e-6 * network["macs"] / statistics.median(ms) if ms else 0
            row.append(f"{speed:.0f} ({100 * speed / peak:.0f}%)" if ms and peak else "")
        ratio, _ = results.best(network, threads)
        ratios += [ratio] if ratio else []
        rows.append(row + [f"{ratio:.2f}" if ratio else ""])
    if ratios:
        rows.append(["geometric mean"] + [""] * len(runtimes) + [f"**{geometric_mean(ratios):.2f}**"])
    print_table(f"### Single convolutions, {threads} thread{'s' * (threads > 1)}: GFLOP/s (share of the {peak:.0f} that "
                "multiply-adds alone reach)", ["layer, side of its input", *[LABELS[r] for r in runtimes], "time of the peer's"],
                rows)


def agreement_text(row):
    if row is None:
        return "the reference"
    if row["difference"] is None:
        return "other outputs"
    text = f"{row['difference']:.0f} of an integer's steps" if row["integer"] else f"{row['difference']:.1e}"
    return text if row["agrees"] else f"{text}, out of tolerance"


def pairing_table(results):
    far = {(row["network"], row["runtime"]): row for row in results.record["agreement"]}
    rows = []
    for network in results.record["networks"]:
        for runtime in results.runtimes:
            files = {s["file"] for key, taken in results.by_key.items() for s in taken
                     if key[:2] == (network["name"], runtime)}
            if files:
                rows.append([network["name"], LABELS[runtime], " ".join(files),
                             agreement_text(far.get((network["name"], runtime)))])
    print_table("### Which file each runtime read, and how far its outputs are from the reference, of the largest (tolerance "
                f"{TOLERANCE:g}, of integers 1)", ["network", "runtime", "file", "difference"], rows)


def failure_table(results):
    rows = sorted({(s["network"], LABELS[s["runtime"]], s["error"].replace("|", "/"))
                   for s in results.record["samples"] if s["error"]})
    print_table("### Not run", ["network", "runtime", "what it said"], rows)


def print_all(record):
    """Prints all tables; the exit status: 1 where inferd failed or disagrees."""
    results, machine = Results(record), record["machine"]
    print(f"{machine['processor']}, {machine['cpus']} CPUs, {' '.join(machine['features'])}; "
          f"{', '.join(machine['runtimes'])}; {record['rounds']} rounds of {record['runs']} runs")
    threads = sorted({s["threads"] for s in record["samples"] if not s["busy"]})
    for count in threads if record["mode"] == "layers" else []:
        layer_table(results, count)
    for precision in ("float", "int8") if record["mode"] == "busy" else []:
        busy_table(results, precision)
    if record["mode"] == "networks":
        for precision in ("float", "int8"):
            for table in (speed_table, cpu_table):
                for count in threads:
                    table(results, precision, count)
            memory_table(results, precision, threads[0])
        for count in threads:
            twin_table(results, count)
    if record["mode"] != "layers":
        pairing_table(results)
    failure_table(results)
    failed = [s for s in record["samples"] if s["error"] and s["runtime"] == OURS]
    apart = [row for row in record["agreement"] if row["runtime"] == OURS and not row["agrees"]]
    return 1 if failed or apart else 0
