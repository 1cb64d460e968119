"""Common ground of the tests: shapes are checked at run time, threads and seeds are fixed.

The import hook must be installed before anything imports `avatar_lab`; that is why it stands here, at the top.
"""

from __future__ import annotations

import os
import random
import sys
import types

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["AVATAR_LAB_FAST"] = "1"
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# The hook wants the checker's name in a module; ours lets an int pass for a float, as type checkers do.
checker = types.ModuleType("avatar_lab_checker")
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
sys.modules[checker.__name__] = checker
install_import_hook("avatar_lab", "avatar_lab_checker.check")

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """Seed the global generators: the package must not use them, but third parties may."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
