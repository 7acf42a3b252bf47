//! The partyline binary.

fn main() {}
