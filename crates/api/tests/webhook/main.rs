//! What applications are asked and told, from outside: a stub application on loopback, a real store, no switch.

mod asks;
mod desk;
mod outbox;
