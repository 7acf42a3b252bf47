//! Partyline: SIP and SDP, from bytes to dialogs; no I/O.
