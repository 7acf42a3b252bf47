//! The audio plane as a whole, driven slot by slot and listened to at the phones' end.

mod crowd;
mod delay;
mod digits;
mod ear;
mod hall;
mod hearing;
mod isolation;
mod limits;
mod onlookers;
mod quality;
mod shares;
mod silence;
mod slots;
mod stats;
mod streams;
mod talk;
mod tuning;
