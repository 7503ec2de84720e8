"""Bundle, snippet and site. No SQL here, and nothing is printed."""
