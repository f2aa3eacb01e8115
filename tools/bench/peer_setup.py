"""The environment that peers.py runs in: the runtimes at the versions below, and what makes their networks."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUNTIMES = ("ncnn==1.0.20261020", "onnxruntime==1.32.0", "ai-edge-litert==2.3.0", "openvino==2026.4.1")
# PyTorch comes from Debian and was built for the first NumPy.
MAKERS = ("numpy<2", "pillow", "onnx==1.23.2", "pnnx==20261020", "sympy", "packaging>=24")
ALONE = ("efficientnet_lite_pytorch==0.1.0",)  # without what it depends on
DEBIAN = ("python3-venv", "python3-pip", "python3-torch", "python3-torchvision")
# TensorFlow wants the second NumPy, so it has an environment of its own below the other.
TENSORFLOW = ("tensorflow-cpu==2.21.0", "pillow")
INSIDE = "INFERD_PEERS_VENV"


def run(command):
    """Of a command that fails, what it said."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{(done.stderr or done.stdout).strip()}")


def install(venv, options, *groups):
    """Makes an environment and installs the packages, once for each list of them."""
    stamp, wanted = venv / ".installed", "\n".join(" ".join(group) for group in groups)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"{venv}: installing {', '.join(sum(groups, ()))}", file=sys.stderr)
    run(["/usr/bin/python3", "-m", "venv", *options, venv])
    for number, packages in enumerate(groups):
        alone = ["--no-deps"] if number else []
        run([venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *alone, *packages])
    stamp.write_text(wanted)


def enter(venv, with_tensorflow):
    """Starts the program anew in the environment, which is made where it is absent."""
    if os.environ.get(INSIDE) == str(venv):
        return
    run(["bash", "-c", f"source tools/lib.sh && install_missing {' '.join(DEBIAN)}"])
    install(venv, ["--system-site-packages"], RUNTIMES + MAKERS, ALONE)
    if with_tensorflow:
        install(venv / "tensorflow", [], TENSORFLOW)
    python = str(venv / "bin" / "python")
    os.execve(python, [python, *sys.argv], {**os.environ, INSIDE: str(venv)})


def tensorflow(venv):
    return venv / "tensorflow" / "bin" / "python"
