"""The clips of the music video benchmark: real videos, and photographs that a camera pans over, zooms into and cuts between.

Which clip shows what follows from the set's manifest and the seed: each photograph is in one clip only.  A clip has no
file; its frames are drawn when they are asked for.
"""
import dataclasses
import pathlib
import random

import cv2
import numpy as np

SEED = 20
SIZE = (640, 360)
SECONDS = 10.0
SHOT_S = (1.5, 3.0)
FADE_S, FADE_SHARE = 0.4, 0.4  # the other shots begin with a cut
ZOOM = (0.45, 1.0)  # side of the window over that of the largest window of the photograph
ROOM_PX = 900  # photographs are kept no longer than this on their longer side
PHOTOS_PER_CLIP = 2
SPARE_PHOTO = 2  # windows of a photograph that is in no clip, to learn from

# set: clips that are enrolled, clips that are not
SETS = {"choose": (39, 0), "report": (40, 20)}


@dataclasses.dataclass
class Shot:
    """A camera's move over a photograph: windows (centre x, y, width) as shares of the photograph's width."""
    photo: pathlib.Path
    start_s: float
    end_s: float
    first: tuple
    last: tuple
    fade_s: float


@dataclasses.dataclass
class Clip:
    name: str
    enrolled: bool
    seconds: float
    video: pathlib.Path = None
    photos: list = dataclasses.field(default_factory=list)
    shots: list = None  # drawn when the first frame is
    cache: dict = dataclasses.field(default_factory=dict, repr=False)

    def picture_at(self, time_s):
        time_s = min(max(time_s, 0), self.seconds - 1e-3)
        return self._video_frame(time_s) if self.video else self._shot_frame(time_s)

    def forget(self):
        """Frees the pictures that picture_at() keeps."""
        self.cache.clear()

    def _video_frame(self, time_s):
        if "frames" not in self.cache:
            self.cache["frames"], self.cache["fps"] = read_video(self.video, self.seconds)
        frames = self.cache["frames"]
        return frames[min(int(time_s * self.cache["fps"]), len(frames) - 1)]

    def _photo(self, path):
        if path not in self.cache:
            self.cache[path] = read_photo(path)
        return self.cache[path]

    def _shot_frame(self, time_s):
        if self.shots is None:
            shapes = {path: self._photo(path).shape for path in self.photos}
            self.shots = draw_shots(self.photos, shapes, random.Random(f"{SEED} {self.name}"))
        number = max(i for i, shot in enumerate(self.shots) if shot.start_s <= time_s)
        shot = self.shots[number]
        picture = self._window(shot, time_s)
        since = time_s - shot.start_s
        if number > 0 and since < shot.fade_s:
            before = self._window(self.shots[number - 1], time_s)
            picture = cv2.addWeighted(picture, since / shot.fade_s, before, 1 - since / shot.fade_s, 0)
        return picture

    def _window(self, shot, time_s):
        photo = self._photo(shot.photo)
        along = (time_s - shot.start_s) / (shot.end_s - shot.start_s)
        return window(photo, (np.array(shot.first) * (1 - along) + np.array(shot.last) * along) * photo.shape[1])


def window(photo, place):
    """The part of the photograph around (x, y) that is `width` pixels wide, at SIZE."""
    x, y, width = place
    scale = width / SIZE[0]
    place = np.array([[scale, 0, x - width / 2], [0, scale, y - width * SIZE[1] / SIZE[0] / 2]])
    return cv2.warpAffine(photo, place, SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)


def read_photo(path):
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if photo is None:
        raise ValueError(f"{path} is no picture")
    scale = ROOM_PX / max(photo.shape[:2])
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def fill_screen(frame):
    """The frame in the middle of the screen, with black bars where their shapes differ."""
    height, width = frame.shape[:2]
    scale = min(SIZE[0] / width, SIZE[1] / height)
    scaled = cv2.resize(frame, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    screen = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    y, x = (SIZE[1] - scaled.shape[0]) // 2, (SIZE[0] - scaled.shape[1]) // 2
    screen[y:y + scaled.shape[0], x:x + scaled.shape[1]] = scaled
    return screen


def read_video(path, seconds):
    """The frames of the first `seconds`, and their rate."""
    file = cv2.VideoCapture(str(path))
    fps = file.get(cv2.CAP_PROP_FPS)
    frames = []
    while len(frames) < seconds * fps:
        more, frame = file.read()
        if not more:
            break
        frames.append(fill_screen(frame))
    if not frames:
        raise ValueError(f"{path} is no video")
    return frames, fps


def video_seconds(path):
    """Frames are counted, as far as it matters: what the header says of them is wrong in MPEG streams."""
    file, frames = cv2.VideoCapture(str(path)), 0
    fps = file.get(cv2.CAP_PROP_FPS)
    while frames < SECONDS * fps and file.grab():
        frames += 1
    return frames / fps


def draw_window(photo_shape, chosen):
    """One window of SIZE's shape within the photograph."""
    aspect = SIZE[1] / SIZE[0]
    height = photo_shape[0] / photo_shape[1]
    width = min(1.0, height / aspect) * chosen.uniform(*ZOOM)
    return (chosen.uniform(width / 2, 1 - width / 2), chosen.uniform(width * aspect / 2, height - width * aspect / 2), width)


def draw_shots(photos, shapes, chosen):
    shots, now = [], 0.0
    while now < SECONDS:
        photo = photos[len(shots) % len(photos)]
        shape = shapes[photo]
        end = now + chosen.uniform(*SHOT_S)
        fade = FADE_S if chosen.random() < FADE_SHARE else 0.0
        shots.append(Shot(photo, now, end, draw_window(shape, chosen), draw_window(shape, chosen), fade))
        now = end
    return shots


def split(folder, which):
    """The videos of one set, the photographs of its clips, and those that are left."""
    photos, videos = (sorted((folder / kind).iterdir()) for kind in ("photos", "videos"))
    chosen = random.Random(SEED)
    chosen.shuffle(photos)
    chosen.shuffle(videos)
    needed = (sum(SETS[which]) - len(videos)) * PHOTOS_PER_CLIP
    if needed > len(photos):
        raise ValueError(f"the set {which} has {len(photos)} photographs and needs {needed}")
    return videos, photos[:needed], photos[needed:]


def make(folder, which):
    """The clips of one set.  `folder` holds its photos/ and videos/, as the set's manifest lays them out."""
    videos, photos, _ = split(folder, which)
    return deal(videos, photos, SETS[which][0], sum(SETS[which]))


def spare_windows(folder):
    """Pictures as clips show them, of the photographs that the set `choose` left."""
    _, _, photos = split(folder, "choose")
    chosen = random.Random(SEED + 2)
    for path in photos:
        photo = read_photo(path)
        for _ in range(SPARE_PHOTO):
            yield window(photo, np.array(draw_window(photo.shape, chosen)) * photo.shape[1])


def deal(videos, photos, enrolled, total):
    kinds = random.Random(SEED + 1)
    numbers = list(range(total))
    kinds.shuffle(numbers)
    clips = []
    for i in range(total):
        known = numbers[i] < enrolled
        if i < len(videos):
            clips.append(Clip(videos[i].stem, known, min(SECONDS, video_seconds(videos[i])), video=videos[i]))
        else:
            own = photos[(i - len(videos)) * PHOTOS_PER_CLIP:][:PHOTOS_PER_CLIP]
            name = "-and-".join(path.stem for path in own)
            clips.append(Clip(name, known, SECONDS, photos=own))
    return clips
