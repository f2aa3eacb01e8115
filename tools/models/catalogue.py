#!/usr/bin/env python3
"""Ready-made models: fetches networks from packages, converts what needs it, and writes their configuration.

Each family is a template in conf.d beside this file: what it needs are the files that the template names between @, and
what is written are those files below --into and the template, with the paths put in, below --conf.  Everything fetched
or made is checked against the SHA-256 of manifest.tsv and made.tsv; what is there and right is left alone, and nothing
is downloaded for it.  Configuration that was written is written again: what should differ belongs in a later file of
the folder, which replaces a model of the same name.
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import fetch  # pylint: disable=wrong-import-position

SLOT = re.compile(r"@([\w./-]+)@")
PLAIN_PATH = re.compile(r"[\w./+-]+\Z")
DEBIAN = {"PyPI": "python3-pip", "npm": "npm"}  # what brings a registry's client
Family = collections.namedtuple("Family", "name path text files optional")
Made = collections.namedtuple("Made", "destination sources bytes sha256")


def parse_args():
    parser = argparse.ArgumentParser(prog="models.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="families of --list; without any, all but those of --quantize, "
                        "and those from npm where its client is not there")
    parser.add_argument("--into", type=pathlib.Path, default=HERE.parents[1] / "build" / "models",
                        help="folder of the networks (build/models)")
    parser.add_argument("--conf", type=pathlib.Path, help="folder of the configuration (conf.d of --into)")
    parser.add_argument("--list", action="store_true", help="print the families, and which are there")
    parser.add_argument("--check", action="store_true", help="check what is there; fetch and write nothing")
    parser.add_argument("--quantize", type=pathlib.Path, metavar="PHOTOS",
                        help="make int8 networks of the classifiers too, with ranges from the photographs of a folder")
    parser.add_argument("--tool", default=HERE.parents[1] / "build" / "tools" / "inferd-model" / "inferd-model",
                        help="the program inferd-model that quantizes (build/tools/inferd-model/inferd-model)")
    parser.add_argument("--needs", action="store_true",
                        help="print the Debian packages that are needed to fetch what is missing, and stop")
    args = parser.parse_args()
    args.into = args.into.resolve()
    args.conf = (args.conf or args.into / "conf.d").resolve()
    return args


# ---- what there is ---------------------------------------------------------------------------------------------------
def read_families():
    families = []
    for path in sorted((HERE / "conf.d").glob("*.yaml")):
        text = path.read_text()
        files = list(dict.fromkeys(SLOT.findall(text)))
        families.append(Family(path.stem.split("-", 1)[1], path, text, files, any(is_quantized(f) for f in files)))
    return families


def read_made():
    lines = [line.split("\t") for line in (HERE / "made.tsv").read_text().splitlines() if not line.startswith("#")]
    return {line[0]: Made(line[0], line[1].split(), line[2], line[3]) for line in lines}


def chosen(families, names, quantize):
    known = {family.name for family in families}
    for name in names:
        if name not in known:
            raise fetch.FetchError(f"there is no family '{name}'; --list names all")
    if not names:
        return [family for family in families if quantize or not family.optional]
    return [family for family in families if family.name in names]


def leave_out(families, store, args):
    """npm's client is hundreds of packages on Debian: it is installed only for families that are asked for by name."""
    if args.name or shutil.which("npm"):
        return families
    kept = [family for family in families if not any(entry.registry == "npm" for entry in
                                                     fetch.missing(store.fetched([family]), args.into))]
    left = [family.name for family in families if family not in kept]
    if left and not args.needs:
        print(f"models: left out, for there is no npm; name them to have it installed: {' '.join(left)}", file=sys.stderr)
    return kept


def is_quantized(file):
    return file.endswith("_int8.inferd")


# ---- what is missing -------------------------------------------------------------------------------------------------
class Store:
    """The folder of the networks, and what belongs in it."""

    def __init__(self, into):
        self.into = into
        self.entries = {entry.destination: entry for entry in fetch.read_manifest()}
        self.made = read_made()

    def parts(self, file):
        """A network of ncnn is two files."""
        weights = pathlib.PurePosixPath(file).with_suffix(".bin").name
        return [file, weights] if file.endswith(".param") else [file]

    def wrong(self, file):
        """Why a file is not the one that belongs there; empty where it is."""
        path = self.into / file
        if not path.is_file():
            return f"{path} is missing"
        if is_quantized(file):
            return ""
        expected = (self.entries.get(file) or self.made[file]).sha256
        found = fetch.sha256(path)
        return "" if found == expected else f"{path} is wrong:\n  its SHA-256 is  {found}\n  it should be    {expected}"

    def all_wrong(self, families):
        """What is wrong with the files of families."""
        files = [part for family in families for file in family.files for part in self.parts(file)]
        return [why for why in map(self.wrong, dict.fromkeys(files)) if why]

    def fetched(self, families):
        """Entries to fetch: of files that are taken as they are, and of sources of those that must be made."""
        found = {}
        for family in families:
            for file in family.files:
                for name in self.origins(file):
                    found[name] = self.entries[name]
        return list(found.values())

    def origins(self, file):
        if file in self.entries:
            return [file]
        if is_quantized(file):
            return self.origins(quantized_from(file)) if self.wrong(file) else []
        if not any(self.wrong(part) for part in self.parts(file)):
            return []
        return self.made[file].sources

    def bytes(self, family):
        parts = [part for file in family.files for part in self.parts(file) if not is_quantized(part)]
        return sum(int((self.entries.get(part) or self.made[part]).bytes) for part in parts)


# ---- making ----------------------------------------------------------------------------------------------------------
def imagenet_labels(store, target):
    """The synsets in the order of the classes, each by its first name."""
    names = {}
    for line in (store.into / "sources" / "imagenet_synset_to_lemma.txt").read_text().splitlines():
        synset, lemmas = line.split("\t")
        names[synset] = lemmas.split(",")[0]
    synsets = (store.into / "sources" / "imagenet_synsets.txt").read_text().split()
    replace_text(target, "".join(names[synset] + "\n" for synset in synsets))


def object_labels(store, target):
    """MediaPipe's without the first, which stands for the background."""
    lines = (store.into / "sources" / "object_detection_oidv4_labelmap.txt").read_text().splitlines()
    replace_text(target, "".join(line + "\n" for line in lines[1:]))


def efficientnet(store, target):
    variant = re.match(r"efficientnet_(lite\d)(_features)?\.param", target.name)
    command = [sys.executable, HERE.parent / "convert_efficientnet.py", store.into / "sources" / f"efficientnet_{variant[1]}.pth",
               target, "--variant", variant[1]] + (["--features"] if variant[2] else [])
    run(command, target)


def run(command, target):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        raise fetch.FetchError(f"{target.name} could not be made:\n{done.stderr.strip()}")


def make(store, families):
    for file in dict.fromkeys(file for family in families for file in family.files):
        if file not in store.made or not any(store.wrong(part) for part in store.parts(file)):
            continue
        print(f"models: making {file}", file=sys.stderr)
        makers = {"imagenet_labels.txt": imagenet_labels, "object_labels.txt": object_labels}
        makers.get(file, efficientnet)(store, store.into / file)
        for why in filter(None, map(store.wrong, store.parts(file))):
            raise fetch.FetchError(why)


def quantized_from(file):
    return file.replace("_int8.inferd", ".param")


def quantize(store, families, photographs, tool):
    """Ranges belong to the photographs, so what was made of others before is made again only when it is gone."""
    wanted = [file for family in families for file in family.files if is_quantized(file) and store.wrong(file)]
    if wanted and not photographs:
        raise fetch.FetchError(f"{wanted[0]} is made with --quantize PHOTOS")
    if wanted and not os.access(tool, os.X_OK):
        raise fetch.FetchError(f"{tool} is not there: build it, or name another with --tool")
    for file in wanted:
        print(f"models: quantizing {file}", file=sys.stderr)
        part = store.into / (file + ".part")
        run([tool, "quantize", store.into / quantized_from(file), part, "--images", photographs, "--mean", "127",
             "--scale", "0.0078125", "--fit", "crop"], store.into / file)
        part.replace(store.into / file)


# ---- configuration ---------------------------------------------------------------------------------------------------
def yaml_path(path):
    text = str(path)
    return text if PLAIN_PATH.match(text) else "'" + text.replace("'", "''") + "'"


def configuration(family, into):
    return SLOT.sub(lambda slot: yaml_path(into / slot[1]), family.text)


def replace_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def write_configuration(families, args):
    for family in families:
        path, text = args.conf / family.path.name, configuration(family, args.into)
        if not path.is_file() or path.read_text() != text:
            replace_text(path, text)
            print(f"models: wrote {path}", file=sys.stderr)


# ---- commands --------------------------------------------------------------------------------------------------------
def with_sources(store, families):
    """Quantized networks are made of others, which have to be there or be made first."""
    extra = [quantized_from(file) for family in families for file in family.files
             if is_quantized(file) and store.wrong(file)]
    return families + [Family("", None, "", extra, False)] if extra else families


def show_list(store, families):
    for family in families:
        what = family.text.splitlines()[0].removeprefix("# ")
        there = "" if store.all_wrong([family]) else ", there"
        size = "made with --quantize" if family.optional else f"{store.bytes(family) / 1e6:.1f} MB"
        print(f"{family.name:12} {what} ({size}{there})")


def check(store, families, args):
    problems = store.all_wrong(families)
    for family in families:
        path = args.conf / family.path.name
        if not path.is_file():
            problems.append(f"{path} is missing")
        elif path.read_text() != configuration(family, args.into):
            problems.append(f"{path} is not what would be written")
    if problems:
        raise fetch.FetchError("\n".join(problems))
    print(f"{len(families)} families are there and right: {' '.join(family.name for family in families)}")


def provide(store, families, args):
    sources = with_sources(store, families)
    need = sum(int(entry.bytes) for entry in fetch.missing(store.fetched(sources), args.into))
    args.into.mkdir(parents=True, exist_ok=True)
    if 2 * need > shutil.disk_usage(args.into).free:
        raise fetch.FetchError(f"{args.into} has no room for {2 * need / 1e6:.0f} MB")
    fetch.fetch(store.fetched(sources), args.into)
    make(store, sources)
    quantize(store, families, args.quantize, args.tool)
    write_configuration(families, args)
    print(f"{len(families)} families are in {args.into}, their configuration in {args.conf}")


def main():
    args = parse_args()
    store = Store(args.into)
    try:
        families = read_families()
        if args.list:
            show_list(store, families)
            return
        families = chosen(families, args.name, args.quantize)
        families = leave_out(families, store, args)
        if args.needs:
            needed = fetch.missing(store.fetched(with_sources(store, families)), args.into)
            print(" ".join(sorted({DEBIAN[entry.registry] for entry in needed})))
        elif args.check:
            check(store, families, args)
        else:
            provide(store, families, args)
    except (fetch.FetchError, OSError) as error:
        sys.exit(f"models: {error}")


if __name__ == "__main__":
    main()
