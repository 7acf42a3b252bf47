//! Partyline: phones, load, hearing: for tests and benches only.
