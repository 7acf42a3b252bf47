//! Digest parameters nobody should send: read without a panic, and nothing but the right password passes.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sip::{
    Algorithm, Authorization, Challenge, Claim, Headers, Login, Method, Name, Secret, Verdict, Verifier, VerifierConfig,
};

/// Pieces that headers are made of, so that inputs get past the first byte.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "Digest ",
        "digest\t",
        "Basic ",
        "username",
        "realm",
        "nonce",
        "uri",
        "response",
        "algorithm",
        "qop",
        "nc",
        "cnonce",
        "opaque",
        "stale",
        "=",
        "=\"",
        "\"",
        "\\\"",
        "\\",
        ",",
        ", ",
        "MD5",
        "MD5-sess",
        "SHA-256",
        "auth",
        "auth-int",
        "00000001",
        "ffffffff",
        "100000000",
        "true",
        "x",
        "é",
        "\u{fffd}",
        "\0",
        "\r\n",
        " ",
        "",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![pieces(), any::<String>()]) {
        if let Ok(challenge) = Challenge::parse(&text) {
            prop_assert_eq!(Challenge::parse(&challenge.to_string()), Ok(challenge));
        }
        if let Ok(said) = Authorization::parse(&text) {
            prop_assert_eq!(Authorization::parse(&said.to_string()), Ok(said));
        }
    }

    #[test]
    fn nothing_but_the_right_answer_passes(text in pieces(), at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let now = Instant::now();
        let mut verifier = Verifier::new(VerifierConfig::default(), [1; 32]);
        let mut verify = |value: &str| {
            let mut headers = Headers::new();
            headers.push(Name::Authorization, value);
            let source = [192, 0, 2, 9].into();
            let claim = Claim { source, method: &Method::Invite, headers: &headers, realm: "x", algorithms: &[Algorithm::Md5] };
            verifier.verify(now + Duration::from_secs(1), &claim, |user, _| {
                (user == "ana").then(|| Secret::Password("Sesame123456".into()))
            })
        };
        let Verdict::Challenged { challenges, .. } = verify(&text) else { return Ok(()) };
        let right = challenges[0].answer(&Login::new("ana", "Sesame123456"), &Method::Invite, "sip:b@x", 1, "c");
        let mut spoilt = right.clone().into_bytes();
        let at = at.index(spoilt.len());
        spoilt[at] = byte;
        let spoilt = String::from_utf8(spoilt).expect("ASCII");
        let passed = matches!(verify(&spoilt), Verdict::Passed { .. });
        // A byte that says nothing may change: the opaque, an unknown name, the case of a name.
        let meant = Authorization::parse(&right).map(|said| Authorization { opaque: None, ..said });
        let means = Authorization::parse(&spoilt).map(|said| Authorization { opaque: None, ..said });
        let same = means.is_ok_and(|means| meant.is_ok_and(|meant| {
            means.response.eq_ignore_ascii_case(&meant.response) && means == Authorization { response: means.response.clone(), ..meant }
        }));
        prop_assert_eq!(passed, same, "{}", spoilt);
    }
}
