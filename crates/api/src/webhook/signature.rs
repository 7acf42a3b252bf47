//! `X-Twilio-Signature`: by which an application knows that a request is ours (twiml §12).
//!
//! ```text
//! form:       URL, then every name and each of its values once, both in the order of their bytes
//! GET, JSON:  URL alone; of JSON it carries the hash of the body
//! ```
//! HMAC-SHA1 under the account's token. SHA-1 is what Twilio's validators compute; as a MAC it is still sound.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Of a request without a form.
pub(crate) fn of_url(token: &str, url: &str) -> String {
    sign(token, url.as_bytes())
}

/// Of a form sent to `url`.
pub(crate) fn of_form<'a>(token: &str, url: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let parameters: BTreeSet<(&str, &str)> = parameters.into_iter().collect();
    let mut text = url.to_owned();
    for (name, value) in parameters {
        text.push_str(name);
        text.push_str(value);
    }
    sign(token, text.as_bytes())
}

/// The name under which the URL of a JSON request carries its body's hash.
pub(crate) const BODY_HASH: &str = "bodySHA256";

/// That hash.
pub(crate) fn body_hash(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sign(token: &str, text: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text);
    BASE64.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_vector_is_signed_as_the_validators_of_the_sdks_do() {
        let vectors: Value = serde_json::from_str(include_str!("../../../../fixtures/rest/vectors/signature.json"))
            .expect("the vectors are JSON");
        let token = vectors["auth_token"].as_str().expect("a token");
        let cases = vectors["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 7);
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap_or_default();
            let signature = match case["params"].as_array() {
                Some(pairs) if text("method") == "POST" => {
                    let pairs = pairs
                        .iter()
                        .map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value")));
                    of_form(token, text("url"), pairs)
                }
                _ => of_url(token, text("url")),
            };
            assert_eq!(signature, text("signature"), "{}", text("name"));
            if case.get("body").is_some() {
                assert_eq!(body_hash(text("body").as_bytes()), text("body_sha256"), "{}", text("name"));
            }
        }
    }
}
