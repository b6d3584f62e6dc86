"""What only the MiXeR models know: starting points, derived quantities, predictions, figures,
words.
"""

OFFERS = {
    "starts": "starts:mixer_starts",
    "infinitesimal_starts": "starts:infinitesimal_starts",
    "grid_starts": "grid:starts",
    "two_component_starts": "starts:two_component_starts",
    "coarse": "starts:thin",
    "evidence": "heritability:of_bound",
    "record": "heritability:record",
    "withheld": "heritability:withheld",
    "ceiling": "strength:Strength",
    "strained": "strength:strained",
    "bins": "bins:bins",
    "rivals": "rivals:criteria",
    "cell": "cell:Cell",
    "headline": "words:headline",
    "settings": "words:settings",
    "rules": "rules:RULES",
    "checked": "rules:CHECKED",
    "grave": "rules:grave",
    "said": "rules:SAID",
    "looks_at": "rules:LOOKS_AT",
    "figures": "figures:figures",
    "predictive": "predictive:predictive",
    "families": "families:FAMILIES",
    "stratum_scores": "families:STRATUM_SCORES",
    "against_tails": "families:against_tails",
    "predicted_draws": "draws:predicted",
    "variants": "variants:table",
}
"""What halls may ask of this wing (`bayesmixer.card.Card.ask`): docs/reference/models.md."""
