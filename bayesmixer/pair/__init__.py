"""What only the models of two traits know: their chart, derived quantities, starting points,
words.
"""

OFFERS = {
    "starts": "starts:pair_starts",
    "infinitesimal_starts": "starts:infinitesimal_starts",
    "coarse": "starts:coarse",
    "bins": "bins:bins",
    "staged": "staged:staged",
    "ceiling": "strength:Strength",
    "strained": "strength:strained",
    "apart": "univariate:apart",
    "rivals": "rivals:criteria",
    "variants": "variants:table",
    "ends": "ends:ends",
    "cell": "cell:PairCell",
    "record": "statements:record",
    "headline": "words:headline",
    "settings": "words:settings",
    "rules": "rules:RULES",
    "looks_at": "rules:LOOKS_AT",
    "figures": "figures:figures",
    "views": "views:views",
    "families": "families:FAMILIES",
    "stratum_scores": "families:STRATUM_SCORES",
    "against_tails": "families:against_tails",
    "grave": "families:grave",
}
"""What halls may ask of this wing (`bayesmixer.card.Card.ask`): docs/reference/models.md."""
