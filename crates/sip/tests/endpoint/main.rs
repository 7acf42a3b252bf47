//! The endpoint as phones meet it: whole exchanges in virtual time, no socket, no sleep.

mod callee;
mod calls;
mod calls_out;
mod early;
mod overload;
mod phone;
mod redirection;
mod refusals;
mod renegotiation;
mod robustness;
mod robustness_out;
mod routing;
mod session_timers;
mod streams;
mod transfers;
