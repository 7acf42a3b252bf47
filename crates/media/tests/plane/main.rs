//! The audio plane as a whole, driven slot by slot and listened to at the phones' end.

mod hall;
mod hearing;
mod limits;
mod shares;
mod stats;
mod streams;
