"""Distilled guidance: one pass that says what three did."""

from pathlib import Path

import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.data.conversation import simulate
from avatar_lab.model.avatar import build, read
from avatar_lab.motion.space import default_space
from avatar_lab.stream.engine import AvatarEngine
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.one_branch import DistilConfig, Student, distil
from avatar_lab.train.windows import draw_batch, to_conversation

CONFIG = DistilConfig(batch=4, history=40)


@pytest.fixture(scope="module")
def talks() -> list:
    return [to_conversation(simulate(20, seed), default_space(), 80) for seed in (1, 2)]


def awake() -> object:
    teacher = build(preset("tiny"), default_space(), seed=1)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for layer in (teacher.generator.modulation[1], teacher.generator.head.linear):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return teacher.eval()


def test_a_student_comes_closer_to_its_guided_teacher(talks: list, tmp_path: Path) -> None:
    teacher = awake()
    before = {k: v.clone() for k, v in teacher.generator.state_dict().items()}  # type: ignore[attr-defined]
    batch = draw_batch(talks, 8, 30, 40, 0.0, torch.Generator().manual_seed(9))

    def gap(student: Student) -> float:
        with torch.no_grad():
            return float(student.loss(batch, torch.Generator().manual_seed(5)))

    start = gap(Student(teacher, CONFIG))  # type: ignore[arg-type]
    loop = LoopConfig(steps=40, learning_rate=2e-3, warmup=5, ema=0.5)
    made, report = distil(teacher, talks, loop, tmp_path, CONFIG, progress=False)  # type: ignore[arg-type]
    end = Student(teacher, CONFIG)  # type: ignore[arg-type]
    end.generator.load_state_dict(made.generator.state_dict())
    end.audio_encoder.load_state_dict(made.audio_encoder.state_dict())
    assert report.steps == 40
    assert gap(end) < 0.8 * start
    assert all(torch.equal(v, before[k]) for k, v in teacher.generator.state_dict().items())  # type: ignore[attr-defined]


def test_the_saved_student_streams_with_one_branch(talks: list, tmp_path: Path) -> None:
    distil(awake(), talks, LoopConfig(steps=1), tmp_path, CONFIG, progress=False)  # type: ignore[arg-type]
    block = AvatarEngine(read(tmp_path / "generator.safetensors").eval(), picture=None).step()
    assert block.timing["branches"] == 1
