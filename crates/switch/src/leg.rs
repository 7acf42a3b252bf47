//! A call's audio path: what SDP agreed, as the audio plane needs it.

use std::net::IpAddr;

use media::{Codec, JitterBuffer, Stream};
use model::{CallSid, JitterBufferSize, LegStats, Tuning};
use sip::{Agreed, AudioCodec, Flow, LocalMedia, SessionDescription};
use tracing::Span;

use crate::command::Measurement;
use crate::config::{Config, MediaAddress};

/// A leg until the audio plane says that it is closed, which is after its call.
#[derive(Debug, Clone)]
pub(crate) struct LiveLeg {
    pub(crate) call: CallSid,
    pub(crate) span: Span,
    /// The call was answered, so that there is a row to keep the numbers with.
    pub(crate) answered: bool,
    pub(crate) measured: Option<Measurement>,
}

impl LiveLeg {
    pub(crate) fn new(call: CallSid, span: Span) -> Self {
        Self { call, span, answered: false, measured: None }
    }

    /// What it did so far, as far as is known.
    pub(crate) fn stats(&self) -> Option<LegStats> {
        self.measured.map(|measured| measured.stats)
    }
}

/// Where a leg of this call binds, and what its phone is told: an address of the family the phone's own description
/// names, else of the family its signalling came by. `None`: we have none that could be named to it.
pub(crate) fn address_for(config: &Config, flow: &Flow, offer: Option<&SessionDescription>) -> Option<MediaAddress> {
    let offered = offer.and_then(SessionDescription::audio_address);
    let by_offer = offered.and_then(|offered| address_of_family(config, flow, offered.is_ipv6(), Some(offered)));
    by_offer.or_else(|| address_of_family(config, flow, flow.local.is_ipv6(), None))
}

/// Where a leg of a call that we make binds: of the family its first path is of, else whatever we have.
pub(crate) fn address_towards(config: &Config, flow: Option<&Flow>) -> Option<MediaAddress> {
    match flow {
        Some(flow) => address_for(config, flow, None),
        // Nobody will be called: any address does for the moment the call lives.
        None => config.addresses.first().map(|address| match address.bind.is_unspecified() {
            true => MediaAddress { bind: [127, 0, 0, 1].into(), ..*address },
            false => *address,
        }),
    }
}

fn address_of_family(config: &Config, flow: &Flow, v6: bool, peer: Option<IpAddr>) -> Option<MediaAddress> {
    let of_family = || config.addresses.iter().filter(|address| address.bind.is_ipv6() == v6);
    // Of several the one that the way there leads from.
    let there = of_family().find(|address| address.bind == flow.local.ip().to_canonical());
    let configured = there.or_else(|| of_family().next())?;
    if !configured.bind.is_unspecified() {
        return Some(*configured);
    }
    let same_family = (flow.local.is_ipv6() == v6).then(|| flow.local.ip());
    let loopback = peer.filter(IpAddr::is_loopback);
    let own = || config.own.towards_world.iter().copied().find(|own| own.is_ipv6() == v6);
    // Never `0.0.0.0` or `::`: a phone reads that as hold.
    let bind = same_family.or(loopback).or_else(own).filter(|bind| !bind.is_unspecified())?;
    Some(MediaAddress { bind, advertised: configured.advertised })
}

/// Our side of an offer or answer.
pub(crate) fn local_media(config: &Config, address: MediaAddress, port: u16) -> LocalMedia {
    LocalMedia {
        address: address.advertised.unwrap_or(address.bind),
        port,
        codecs: config.codecs.clone(),
        direction: sip::Direction::SendRecv,
    }
}

/// What SDP agreed, in the words of the audio plane.
pub(crate) fn stream(agreed: &Agreed) -> Stream {
    Stream {
        remote: agreed.remote,
        rtcp: agreed.rtcp,
        rtcp_mux: agreed.rtcp_mux,
        codec: codec(agreed.codec),
        payload_type_in: agreed.payload_type_in,
        payload_type_out: agreed.payload_type_out,
        telephone_event: agreed.telephone_event.map(|event| media::TelephoneEvent {
            payload_type_in: event.payload_type_in,
            payload_type_out: event.payload_type_out,
            clock_hz: event.clock_hz,
        }),
        comfort_noise_payload_type: agreed.comfort_noise,
        ptime_ms: agreed.ptime_ms,
        sends: agreed.direction.sends(),
        receives: agreed.direction.receives(),
    }
}

/// How a voice is to be treated, in the words of the audio plane.
pub(crate) fn tuning(tuning: Tuning) -> media::Tuning {
    media::Tuning {
        gain_db: tuning.gain_db,
        noise_suppression: tuning.noise_suppression,
        jitter_buffer: match tuning.jitter_buffer_size {
            JitterBufferSize::Off => JitterBuffer::Off,
            JitterBufferSize::Small => JitterBuffer::Small,
            JitterBufferSize::Medium => JitterBuffer::Medium,
            JitterBufferSize::Large => JitterBuffer::Large,
        },
        data_mode: tuning.data_mode,
    }
}

fn codec(codec: AudioCodec) -> Codec {
    match codec {
        AudioCodec::Pcmu => Codec::Pcmu,
        AudioCodec::Pcma => Codec::Pcma,
        AudioCodec::G722 => Codec::G722,
        AudioCodec::Opus => Codec::Opus,
        AudioCodec::L16 { clock_hz } => Codec::L16 { rate_hz: clock_hz },
    }
}

/// Loopback, or one of the ranges that are not routed on the public network (RFC 1918, 4193, 3927, 6598).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_what_the_public_network_does_not_route() {
        for (address, want) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("169.254.0.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("198.51.100.7", false),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:198.51.100.7", false),
        ] {
            assert_eq!(is_private(address.parse().expect("an address")), want, "{address}");
        }
    }
}
