"""Picture the live widget as JupyterLab shows it, in both themes, with the recorded user.

python bench/live_pictures.py        # writes book/images/live_light.webp and book/images/live_dark.webp
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from live import CELL, load_harness

IMAGES = Path(__file__).parents[1] / "book" / "images"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
QUALITY = 88
SECONDS = 30.0  # until the charts are full


def main() -> None:
    harness = load_harness()
    if why := harness.missing():
        raise SystemExit(f"bench/live_pictures.py: {why}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        media = harness.face_film(folder / "face")
        for short, theme in THEMES.items():
            with harness.Lab(folder / short, theme) as lab, harness.Browser(media) as browser:
                page = browser.page(lab, lab.notebook("live", [CELL.format("")]))
                page.run()
                page.start("sample")
                time.sleep(SECONDS)
                shot = np.frombuffer(page.tab.locator(".avl").screenshot(), np.uint8)
                picture = cv2.imdecode(shot, cv2.IMREAD_COLOR)
                assert picture is not None, "a screenshot is a PNG"
                cv2.imwrite(str(IMAGES / f"live_{short}.webp"), picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
                page.stop()
                page.shut_kernel()
                page.close()


if __name__ == "__main__":
    main()
