//! Nothing: the drill is a test.
