//! The control API from outside: requests in, answers out, with a fake switch behind and a real store.

mod abuse;
mod accounts;
mod answers;
mod auth;
mod bridge;
mod calls;
mod centre;
mod conferences;
mod description;
mod grpc;
mod keys;
mod notifications;
mod paging;
mod participants;
mod paths;
mod refusals;
mod screens;
mod serving;
mod set_up;
mod statistics;
mod streams;
mod taskrouter;
mod tls;
mod tuning;
mod websocket;
mod workspace_statistics;
