"""Statistics of the loop: pure functions on arrays, one idea a file, with formula and source."""
