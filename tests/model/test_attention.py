import torch

from avatar_lab.model.attention import rotate, rotation


def test_scores_depend_on_distance_only() -> None:
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 2, 1, 16, generator=g) for _ in range(2))

    def score(i: int, j: int) -> torch.Tensor:
        return (rotate(q, rotation(torch.tensor([i]), 16)) * rotate(k, rotation(torch.tensor([j]), 16))).sum(
            -1
        )

    torch.testing.assert_close(score(7, 3), score(104, 100), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(score(7, 3), score(8, 3), atol=1e-3)


def test_rotation_keeps_length_and_position_zero_is_the_identity() -> None:
    x = torch.randn(1, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    turned = rotate(x, rotation(torch.arange(5), 8))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned[:, :, 0], x[:, :, 0])
