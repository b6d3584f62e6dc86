"""The command line: one module a verb, each a few lines around a public function."""
