"""Pictures of a soak: one PNG for each kind of number, a line per process, service or table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.soak.sampling import Sample

mpl.use("agg")
import matplotlib.pyplot as plt

PICTURES = {
    "memory": (".rss_mib", "resident, not shared, MiB"),
    "descriptors": (".descriptors", "open descriptors"),
    "lag": (".lag", "records not yet absorbed"),
    "outbox": (".outbox", "events not yet sent"),
    "tables": ("_mib", "tables with indexes, MiB"),
    "inbox": (".inbox_generations", "generations of health's inbox"),
    "cpu": (".cpu_share", "cores in use"),
}
_LEAST_MIB = 1.0


def draw(samples: Sequence[Sample], folder: Path) -> list[Path]:
    """Write a PNG per picture into `folder`; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_picture(kind, samples, folder / f"{kind}.png") for kind in PICTURES]


def _picture(kind: str, samples: Sequence[Sample], path: Path) -> Path:
    ending, label = PICTURES[kind]
    names = [name for name in samples[-1] if name.endswith(ending) and (kind != "tables" or _counts(name, samples))]
    if kind == "tables":
        names = [name for name in names if ".table." in name]
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    for name in names:
        known = [(each["seconds"] / 60, each[name]) for each in samples if name in each]
        axes.plot(*zip(*known, strict=True), label=name.removesuffix(ending).replace(".table.", " "), linewidth=1.2)
    axes.set(xlabel="minutes", ylabel=label, ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _counts(name: str, samples: Sequence[Sample]) -> bool:
    return samples[-1][name] >= _LEAST_MIB
