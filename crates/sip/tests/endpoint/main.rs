//! The endpoint as phones meet it: whole exchanges in virtual time, no socket, no sleep.

mod calls;
mod overload;
mod phone;
mod refusals;
mod renegotiation;
mod robustness;
mod routing;
mod session_timers;
mod streams;
