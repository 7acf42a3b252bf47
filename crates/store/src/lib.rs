//! Partyline: resources in SQLite.
