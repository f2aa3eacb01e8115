#!/usr/bin/env python3
"""Short videos for the demo, made of photographs: clips to enrol, and what a camera sees of a screen that plays one.

    demo_clips.py OUT --clips PHOTO... --camera PHOTO...

OUT/clips/NAME.y4m pans over a photograph; OUT/camera/NAME.y4m is the same pan on a screen, tilted, small, dim and blurred.
Needs Pillow.
"""
import argparse
import pathlib

from PIL import Image, ImageEnhance, ImageFilter

WIDTH, HEIGHT = 320, 240
FPS, FRAMES = 4, 16
ZOOM = 1.5  # of the photograph, beyond what fills a frame: what there is to pan over


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--clips", nargs="+", type=pathlib.Path, default=[])
    parser.add_argument("--camera", nargs="+", type=pathlib.Path, default=[])
    return parser.parse_args()


def pan(photo):
    """Frames from the left upper corner to the right lower one."""
    scale = ZOOM * max(WIDTH / photo.width, HEIGHT / photo.height)
    large = photo.resize((round(photo.width * scale), round(photo.height * scale)))
    for i in range(FRAMES):
        x = (large.width - WIDTH) * i // (FRAMES - 1)
        y = (large.height - HEIGHT) * i // (FRAMES - 1)
        yield large.crop((x, y, x + WIDTH, y + HEIGHT))


def seen(frame, i):
    """A screen that does not fill the camera's view, held by a hand that is not quite still."""
    screen = ImageEnhance.Brightness(frame).enhance(0.7).rotate(4 + i % 3, fillcolor=(30, 28, 25), expand=True)
    view = Image.new("RGB", (round(WIDTH * 1.1), round(HEIGHT * 1.1)), (30, 28, 25))
    view.paste(screen, ((view.width - screen.width) // 2 + i % 4, (view.height - screen.height) // 2))
    return view.resize((WIDTH, HEIGHT)).filter(ImageFilter.GaussianBlur(1))


def write(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n".encode())
        for frame in frames:
            luma, blue, red = frame.convert("YCbCr").split()
            out.write(b"FRAME\n" + luma.tobytes())
            for chroma in blue, red:
                out.write(chroma.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX).tobytes())


def main():
    args = parse_args()
    for path in args.clips:
        write(args.out / "clips" / f"{path.stem}.y4m", pan(Image.open(path).convert("RGB")))
    for path in args.camera:
        frames = pan(Image.open(path).convert("RGB"))
        write(args.out / "camera" / f"{path.stem}.y4m", (seen(frame, i) for i, frame in enumerate(frames)))


if __name__ == "__main__":
    main()
