"""Films say that they were generated: in words, and in pictures that were encoded again."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from avatar_lab.cli.app import run
from avatar_lab.data.conversation import simulate
from avatar_lab.data.marking import ENOUGH, NOTE, RUN, WORD, agreement, can_mark, marked, verify
from avatar_lab.data.media import read_video, write_video
from avatar_lab.render.puppet import Puppet

pytest.importorskip("imwatermark", reason="invisible-watermark is not installed (extra live)")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return Puppet(3, 256).draw_track(simulate(seconds=2, seed=3).avatar.face)


def again(source: Path, target: Path, crf: int) -> Path:
    """Encode a film anew, and lose its metadata."""
    with av.open(str(target), "w") as out, read_video(source) as reader:
        stream = None
        for frame in reader:
            if stream is None:
                stream = out.add_stream("libx264", rate=25, options={"crf": str(crf)})
                stream.width, stream.height, stream.pix_fmt = frame.shape[1], frame.shape[0], "yuv420p"
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        assert stream is not None
        out.mux(stream.encode(None))
    return target


def test_the_mark_survives_what_metadata_do_not(frames: np.ndarray, tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", marked(frames), comment=NOTE)
    first = verify(film)
    assert first.metadata
    assert first.watermark
    for crf in (18, 23, 28):
        found = verify(again(film, tmp_path / f"again{crf}.mp4", crf))
        assert not found.metadata
        assert found.watermark, f"crf {crf}: {found.bits} bits"
        assert found.generated


def test_a_film_without_the_mark_is_not_accused(frames: np.ndarray, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, pictures in {
        "drawn": frames,
        "noise": rng.integers(0, 256, (20, 256, 256, 3), dtype=np.uint8),
        "grey": np.full((20, 256, 256, 3), 128, np.uint8),
    }.items():
        found = verify(write_video(tmp_path / f"{name}.mp4", iter(pictures)))
        assert not found.generated, (name, found)
        assert found.bits < ENOUGH


def test_it_cannot_be_seen_and_most_frames_stay_as_they_are(frames: np.ndarray) -> None:
    out = np.stack(list(marked(frames)))
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out[RUN:50], frames[RUN:50])
    error = (out[:RUN].astype(float) - frames[:RUN]) ** 2
    assert error.mean() > 0
    assert 10 * np.log10(255**2 / error.mean()) > 36
    np.testing.assert_array_equal(out, np.stack(list(marked(frames))))


def test_small_films_carry_words_only(tmp_path: Path) -> None:
    small = np.zeros((10, 64, 64, 3), np.uint8)
    assert not can_mark(64, 64)
    np.testing.assert_array_equal(np.stack(list(marked(small))), small)
    found = verify(write_video(tmp_path / "small.mp4", iter(small), comment=NOTE))
    assert found.metadata
    assert found.watermark is None


def test_frames_vote() -> None:
    rng = np.random.default_rng(1)
    noisy = np.tile(WORD, (20, 1))
    flips = rng.random(noisy.shape) < 0.2
    noisy[flips] = 1 - noisy[flips]
    assert agreement(noisy) >= 30
    assert agreement(rng.integers(0, 2, (20, 32)).astype(float)) < ENOUGH
    assert agreement(np.zeros((0, 32))) == 0


def test_the_command_says_it_in_words(
    frames: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = write_video(tmp_path / "film.mp4", marked(frames[:20]), comment=NOTE)
    assert run(["verify", str(film), "--json", str(tmp_path / "found.json")]) == 0
    assert "was generated with avatar_lab" in capsys.readouterr().out
    assert json.loads((tmp_path / "found.json").read_text("utf-8"))["watermark"] is True
    other = write_video(tmp_path / "other.mp4", iter(frames[:20]))
    assert run(["verify", str(other)]) == 0
    assert "No mark of avatar_lab was found" in capsys.readouterr().out
    assert run(["verify", str(tmp_path / "nothing.mp4")]) == 2
    assert "There is no file" in capsys.readouterr().err
