"""One module a domain, each with `material(budget, seed) -> Material`; names with an underscore in
front are shared between them."""
