"""Draw a photograph in many poses, and say what a frame costs.

    python bench/portrait_strip.py                                   # the astronaut of scikit-image
    python bench/portrait_strip.py --photo ME.jpg --out me.png       # anybody who agreed

Writes the strip (by default book/images/portrait_strip.png) and prints what one core spends: seconds
to read the photograph, milliseconds a frame.
"""

from __future__ import annotations

from pathlib import Path
from time import process_time

import numpy as np
from emit import arguments_of, emit

from avatar_lab.cli.hardware import hardware
from avatar_lab.data.conversation import simulate
from avatar_lab.data.face import FaceParams
from avatar_lab.data.square import read_picture
from avatar_lab.render.portrait import PhotoPortrait

POSES: dict[str, dict[str, float]] = {
    "at rest": {},
    "smile": {"smile": 0.9, "squint": 0.3, "jaw_open": 0.08},
    "open": {"jaw_open": 0.55},
    "o": {"pucker": 0.9, "jaw_open": 0.35},
    "laugh": {"smile": 0.9, "jaw_open": 0.4, "squint": 0.6, "pitch": 6.0, "yaw": 6.0},
    "brows": {"brow_raise": 0.9},
    "half a blink": {"blink_left": 0.5, "blink_right": 0.5},
    "blink": {"blink_left": 1.0, "blink_right": 1.0},
    "look aside": {"gaze_yaw": 20.0},
    "look up": {"gaze_pitch": 14.0},
    "nod": {"pitch": -14.0},
    "left": {"yaw": 15.0},
    "right": {"yaw": -15.0},
    "tilt": {"roll": 13.0},
}
SIZE, COLUMNS, SHOWN = 256, 7, 220  # the size that is timed; poses in a row; pixels of each of them
IMAGES = Path(__file__).parents[1] / "book" / "images"


def main() -> None:
    import cv2

    parser = arguments_of(__doc__)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--out", type=Path, default=IMAGES / "portrait_strip.png")
    a = parser.parse_args()
    cv2.setNumThreads(1)
    if a.photo is None:
        from skimage import data

        photo = data.astronaut()
    else:
        photo = read_picture(a.photo)
    large, frames = PhotoPortrait(photo, 2 * SHOWN), []
    for name, pose in POSES.items():
        frame = cv2.resize(
            large.draw(FaceParams(**pose).array()), (SHOWN, SHOWN), interpolation=cv2.INTER_AREA
        )
        label = np.full((24, SHOWN, 3), 255, np.uint8)
        cv2.putText(label, name, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (60, 60, 60), 1, cv2.LINE_AA)
        frames.append(np.vstack([frame, label]))
    rows = [np.hstack(frames[i : i + COLUMNS]) for i in range(0, len(frames), COLUMNS)]
    cv2.imwrite(str(a.out), np.vstack(rows)[..., ::-1])
    began = process_time()
    portrait = PhotoPortrait(photo, SIZE)
    made = process_time() - began
    track = simulate(seconds=8, seed=3).avatar.face
    began = process_time()
    portrait.draw_track(track)
    ms = 1000 * (process_time() - began) / len(track)
    found = {"size": SIZE, "cpu_s_to_make": round(made, 2), "cpu_ms_per_frame": round(ms, 2)}
    emit({"hardware": hardware("cpu") | {"threads": 1}} | found, a.json)


if __name__ == "__main__":
    main()
