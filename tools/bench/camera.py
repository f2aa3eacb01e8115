"""A phone's camera that looks at a screen: frames of a clip become the JPEGs that an app would submit.

The screen is a plane of striped pixels in front of a background.  A `Camera` draws its conditions once (place, light,
focus, frame size, rate) and shakes from frame to frame; everything follows from its seed.  All ranges are here.
"""
import dataclasses
import math

import cv2
import numpy as np

FRAME_SIZES = [(640, 480), (1280, 720)]
FPS = (2.0, 5.0)
TILT_DEG = 25.0  # of the screen's normal against the optical axis, any direction
ROLL_DEG = 8.0
FIELD_OF_VIEW_DEG = 60.0
FILL = (0.7, 1.25)  # width of the screen over that of the frame: above 1 the frame crops it
OFF_CENTRE = 0.08  # of the frame's width and height
SHAKE = 0.01  # of the frame's width, from frame to frame
EXPOSURE = (0.35, 1.2)
GAMMA = (0.8, 1.35)
WHITE_BALANCE = 0.15
VEIL = (0.0, 0.15)  # light of the room on the screen, of full scale
GLARE_SHARE, GLARE = 0.5, (0.2, 0.7)  # of the cameras; of full scale, at its centre
GLARE_RADIUS = (0.08, 0.3)  # of the frame's width
DEFOCUS = (0.0, 0.0025)  # sigma, of the frame's width
MOTION_BLUR = (0.01, 0.05)  # length, of the frame's width
BURST_S, CALM_S = (0.3, 0.8), (0.5, 2.5)
MOIRE_SHARE, MOIRE = 0.6, (0.2, 0.8)  # of the cameras; share of the light that the stripes modulate
SCREEN_PIXELS = 1366  # across
NOISE = (2.0, 9.0)  # sigma in levels, at full exposure
JPEG_QUALITY = (25, 60)


@dataclasses.dataclass
class Shot:
    """One frame as an app submits it."""
    time_s: float  # since the camera started
    jpeg: bytes


def rotation(yaw, pitch, roll):
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return lean @ nod @ turn


class Camera:
    def __init__(self, seed, frame_sizes=FRAME_SIZES):
        self.random = np.random.default_rng(seed)
        draw = self.random.uniform
        self.width, self.height = frame_sizes[self.random.integers(len(frame_sizes))]
        self.fps = draw(*FPS)
        tilt, toward = math.radians(TILT_DEG) * math.sqrt(draw()), draw(0, 2 * math.pi)
        self.turned = rotation(tilt * math.cos(toward), tilt * math.sin(toward), math.radians(draw(-ROLL_DEG, ROLL_DEG)))
        self.fill = draw(*FILL)
        self.offset = draw(-OFF_CENTRE, OFF_CENTRE, 2)
        self.exposure, self.gamma = draw(*EXPOSURE), draw(*GAMMA)
        self.balance = draw(1 - WHITE_BALANCE, 1 + WHITE_BALANCE, 3)
        self.veil = draw(*VEIL)
        self.glare = self._draw_glare()
        self.defocus = draw(*DEFOCUS) * self.width
        self.moire = draw(*MOIRE) if draw() < MOIRE_SHARE else 0
        self.noise = draw(*NOISE)
        self.quality = int(self.random.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1))
        self.background = self._draw_background()

    def _draw_glare(self):
        """Light added to each pixel, 0..1."""
        draw = self.random.uniform
        if draw() >= GLARE_SHARE:
            return None
        x, y, radius = draw(0, self.width), draw(0, self.height), draw(*GLARE_RADIUS) * self.width
        columns, rows = np.arange(self.width), np.arange(self.height)
        spread = draw(0.4, 1.0)  # of the height over the width
        blob = np.exp(-(((columns[None] - x) / radius) ** 2 + ((rows[:, None] - y) / (radius * spread)) ** 2))
        return (draw(*GLARE) * blob).astype(np.float32)[..., None]

    def _draw_background(self):
        """A room out of focus: coarse random patches."""
        coarse = self.random.uniform(0, 0.5, (4, 6, 3)).astype(np.float32)
        return cv2.resize(coarse, (self.width, self.height), interpolation=cv2.INTER_CUBIC).clip(0, 1)

    def _homography(self, size, shake):
        """From pixels of the clip's frame to those of the camera's."""
        focal = self.width / 2 / math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2)
        half = np.array([1.0, size[1] / size[0]])
        distance = focal * 2 / (self.fill * self.width)
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
        placed = np.c_[corners, np.zeros(4)] @ self.turned.T + [0, 0, distance]
        seen = focal * placed[:, :2] / placed[:, 2:]
        seen += (0.5 + self.offset + shake) * [self.width, self.height]
        whole = np.array([(0, 0), (size[0], 0), (size[0], size[1]), (0, size[1])], np.float32)
        return cv2.getPerspectiveTransform(whole, seen.astype(np.float32))

    def _stripes(self, to_frame, size):
        """How bright each colour's stripe is where each pixel's centre falls, mean 1."""
        back = np.linalg.inv(to_frame)
        x, y = np.arange(self.width) + 0.5, (np.arange(self.height) + 0.5)[:, None]
        across = (back[0, 0] * x + back[0, 1] * y + back[0, 2]) / (back[2, 0] * x + back[2, 1] * y + back[2, 2])
        phase = (across * (2 * math.pi * SCREEN_PIXELS / size[0]) % (2 * math.pi)).astype(np.float32)
        thirds = [np.cos(phase + np.float32(shift)) for shift in (2 * math.pi / 3, 0, -2 * math.pi / 3)]
        return cv2.merge(thirds) * np.float32(self.moire) + 1

    def _see(self, picture, shake, blur):
        """Light on the sensor, 0..1, linear enough: the screen before the background, striped, blurred."""
        size = (picture.shape[1], picture.shape[0])
        to_frame = self._homography(size, shake)
        screen = cv2.warpPerspective(picture, to_frame, (self.width, self.height), flags=cv2.INTER_AREA).astype(np.float32) / 255
        inside = cv2.warpPerspective(np.ones(picture.shape[:2], np.float32), to_frame, (self.width, self.height))[..., None]
        if self.moire:
            screen *= self._stripes(to_frame, size)
        light = screen * inside + self.background * (1 - inside)
        if self.defocus > 0.3:
            light = cv2.GaussianBlur(light, (0, 0), self.defocus)
        return cv2.filter2D(light, -1, blur) if blur is not None else light

    def _expose(self, light):
        light = light * np.float32(1 - self.veil) + np.float32(self.veil)
        if self.glare is not None:
            light += self.glare
        light *= (self.exposure * self.balance).astype(np.float32)
        levels = 255 * cv2.pow(np.clip(light, 0, 1, out=light), self.gamma)
        levels += self.random.standard_normal(levels.shape, np.float32) * np.float32(self.noise / math.sqrt(self.exposure))
        return np.clip(levels, 0, 255, out=levels).astype(np.uint8)

    def _motion_kernel(self):
        length, angle = self.random.uniform(*MOTION_BLUR) * self.width, self.random.uniform(0, math.pi)
        side = int(length) | 1
        kernel = np.zeros((side, side), np.float32)
        reach = np.array([math.cos(angle), math.sin(angle)]) * length / 2
        centre = np.array([side // 2, side // 2])
        cv2.line(kernel, tuple(np.rint(centre - reach).astype(int)), tuple(np.rint(centre + reach).astype(int)), 1.0)
        return kernel / kernel.sum()

    def _bursts(self, seconds):
        """Beginnings and ends of the times in which the hand shakes."""
        spans, now = [], self.random.uniform(0, CALM_S[1])
        while now < seconds:
            end = now + self.random.uniform(*BURST_S)
            spans.append((now, end))
            now = end + self.random.uniform(*CALM_S)
        return spans

    def watch(self, picture_at, seconds):
        """The shots of `seconds`, of a screen that shows picture_at(time since the start): BGR, any one size."""
        bursts = self._bursts(seconds)
        shake = np.zeros(2)
        for i in range(math.ceil(seconds * self.fps)):
            now = (i + self.random.uniform(-0.1, 0.1) * (i > 0)) / self.fps
            shake = 0.8 * shake + self.random.normal(0, SHAKE, 2)
            blur = self._motion_kernel() if any(a <= now < b for a, b in bursts) else None
            yield Shot(now, self._shoot(picture_at(now), shake, blur))

    def glimpse(self, picture):
        """One shot's JPEG of a screen that shows the picture, at any moment."""
        burst, calm = sum(BURST_S), sum(CALM_S)
        blur = self._motion_kernel() if self.random.uniform() < burst / (burst + calm) else None
        return self._shoot(picture, self.random.normal(0, SHAKE, 2), blur)

    def _shoot(self, picture, shake, blur):
        levels = self._expose(self._see(picture, shake, blur))
        done, data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        assert done
        return data.tobytes()
