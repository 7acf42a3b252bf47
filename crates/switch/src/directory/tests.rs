//! Rules of the directory, as tables.
