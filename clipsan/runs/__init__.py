"""One file per public function: each tells one run from its inputs to its report."""
