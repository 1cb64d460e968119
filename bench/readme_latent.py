"""What `bench/latent.py` found, as the README and the model card say it."""

from __future__ import annotations

import textwrap
from typing import Any

from readme_cells import machine_of, number, read, row, share

MEANS = {
    "exact": "`lab`: face parameters in, face parameters out",
    "exact, rendered": "... its motion drawn by the renderer and read from the pictures",
    "exact, drawn": "... its motion drawn by the decoder and read from the pictures",
    "read, not retrained": "`lab`, the user read from pictures",
    "latent": "`lab-latent`, the user read from pictures",
    "pixels": "... its motion drawn by the decoder and read from the pictures: pixels in, pixels out",
}


def latent_table() -> str:
    """Return the five paths, what their readers can see at all, and the share that is left."""
    found = read("latent.json")
    lines = [
        row(
            "path",
            "lips: jaw, r",
            "pucker, r",
            "smile contingency, share of the truth's",
            "all reactions",
            "variance",
        ),
        row(*["---"] * 6),
    ]
    for name, said in MEANS.items():
        r = found["paths"][name]
        lips = [f"{r['lips'][part]['mean']:.2f}" for part in ("jaw_open", "pucker")]
        reacts = [share(r[what]) for what in ("share_of_truth", "all_reactions")]
        lines.append(row(said, *lips, *reacts, f"{r['variance_ratio']['expression']:.2f}"))
    return "\n".join([*lines, "", textwrap.fill(sentence(found), 118)])


def sentence(found: dict[str, Any]) -> str:
    """Say what is kept, and what the readers see of known motion."""
    probe, shown = found["probe"], {"jaw_open": "jaw", "pucker": "pucker", "smile": "smile"}

    def read_by(numbers: dict[str, float]) -> str:
        return ", ".join(f"{label} {numbers[name]:.2f}" for name, label in shown.items())

    whole, rendered = (
        f"{share(found['kept'][of]['smiles'])} of the smiles and {share(found['kept'][of]['all reactions'])} of all "
        "reactions together"
        for of in ("exact", "exact, rendered")
    )
    return (
        f"{found['dyads']} held-out conversations of {number(found['seconds'])} s; people that neither encoder nor "
        f"probe was trained on. Of the exact path's contingency, from pixels to pixels is kept: {whole}; measured "
        f"against the exact path as the renderer draws it, read by the same probe: {rendered}. An "
        f"independent probe reads the motion back; of known motion it sees (r): {read_by(probe['drawn'])} "
        f"in the renderer's drawings, {read_by(probe['decoded'])} in the decoder's. The encoder reads the user with "
        f"{read_by(found['encoder'])}. Measured in {number(found['minutes'])} minutes on {machine_of(found)}."
    )
