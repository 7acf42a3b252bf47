//! Partyline: the audio plane: RTP in, mixed RTP out.
