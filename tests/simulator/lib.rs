//! Nothing: see `tests/simulator`.
