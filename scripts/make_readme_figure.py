"""Draw docs/figures/readme.png from what `bayesmixer demo` computes: QQ plot with prediction, and
the posterior beside the truth.

Run it with: python scripts/make_readme_figure.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import bayesmixer as bm
from bayesmixer.mixer.qq import plot_qq
from bayesmixer.style import RC, new_figure

TRAIT = "polygenic"
OUT = Path(__file__).resolve().parents[1] / "docs/figures/readme.png"


def main() -> None:
    """Fit the embedded data set and draw."""
    import matplotlib as mpl

    with TemporaryDirectory() as folder:
        example = bm.example_data(Path(folder) / "data")
        truth = example.read_truth(TRAIT)
        reference = bm.build_reference(
            example.genotypes,
            Path(folder) / "panel.zarr",
            window=example.ld_blocks,
            r2_rule="plain",
        )
        data = bm.align(
            bm.read_sumstats(example.sumstats[TRAIT], trait=TRAIT),
            reference,
            blocks=example.ld_blocks,
        )
        results = bm.fit(bm.models.univariate_mixer(data), seed=0)
    posterior = results["posterior"].to_dataset().stack(sample=("chain", "draw"))
    n_causal = sum(truth["n_causal"].values())
    with mpl.rc_context(RC):
        figure, (left, right) = new_figure(9.6, 4.2, 1, 2)
        plot_qq(data, results, left)
        right.plot(
            posterior["h2"],
            posterior["n_causal"],
            "o",
            ms=3.5,
            alpha=0.3,
            mec="none",
            label="posterior draws",
        )
        right.plot(
            truth["h2_realised"][0], n_causal, "k+", ms=14, mew=2, label="truth of the simulation"
        )
        right.set(xlabel="heritability", ylabel="causal variants")
        right.locator_params(axis="x", nbins=6)
        right.legend()
        figure.savefig(OUT, dpi=120)


if __name__ == "__main__":
    main()
