//! Fakes, canary cards and the conformance suite, for tests only.
