"""A fit as a page, as tables, as JSON; the rules that say when not to trust it."""
