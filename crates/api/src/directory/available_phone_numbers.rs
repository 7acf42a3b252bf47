//! Numbers to be had: those that the operator declared and nobody owns (rest-voice §8).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::NumberType;
use serde::Serialize;
use store::Rows;
use switch::{Answer, Command, DirectoryCommand, NumberPattern};

use super::countries;
use super::incoming_phone_numbers::{CAPABILITIES, Capabilities};
use crate::api::Api;
use crate::auth::Caller;
use crate::calls::formatted;
use crate::json::account_path;
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /AvailablePhoneNumbers/{Country}/Local.json`
///
/// What we know of a number is its digits. So filters about places and messages restrict to those that are known to
/// fit: none.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, country)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let country = country.to_ascii_uppercase();
    let calling_code = countries::calling_code(&country).ok_or(Problem::NotFound)?;
    let area = parameters.filled("AreaCode").unwrap_or_default();
    if !area.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Problem::Invalid { code: 21451, name: "AreaCode", expected: "digits" });
    }
    let contains = parameters.filled("Contains").unwrap_or_default().trim_start_matches('+');
    if !contains.bytes().all(|b| b.is_ascii_digit() || b == b'*') {
        return Err(Problem::Parameter { name: "Contains", expected: "digits and asterisks" });
    }
    let mut wants_more_than_we_have = parameters.flag_filter("VoiceEnabled")? == Some(false);
    for name in ["SmsEnabled", "MmsEnabled", "FaxEnabled"] {
        wants_more_than_we_have |= parameters.flag_filter(name)? == Some(true);
    }
    wants_more_than_we_have |= parameters.flag_filter("Beta")? == Some(true);
    for name in ["ExcludeAllAddressRequired", "ExcludeLocalAddressRequired", "ExcludeForeignAddressRequired"] {
        parameters.flag_filter(name)?; // ours require none
    }
    parameters.whole("Distance")?; // from a place, which is filtered by below
    let wants_place = PLACES.iter().any(|name| parameters.filled(name).is_some());

    let paging = Paging::read(&parameters)?;
    let (skip, size) = paging.window();
    let wanted = NumberPattern {
        prefix: format!("{calling_code}{area}"),
        contains: contains.to_owned(),
        number_type: Some(NumberType::Local),
    };
    let numbers = if wants_more_than_we_have || wants_place {
        Vec::new()
    } else {
        let command = DirectoryCommand::AvailableNumbers { wanted, limit: skip.saturating_add(size).saturating_add(1) };
        match api.command(Command::Directory(command)).await? {
            Answer::AvailableNumbers(numbers) => numbers,
            other => return Err(Problem::mismatch(&other)),
        }
    };
    let more = numbers.len() > skip.saturating_add(size);
    let rows = Rows { rows: numbers.into_iter().skip(skip).take(size).collect(), more };
    let path = format!("{}/AvailablePhoneNumbers/{country}/Local", account_path(caller.sid()));
    let shown = |number: &String| AvailableJson::of(number, &country);
    Ok(paging.answer_by_number("available_phone_numbers", &path, &rows, shown))
}

/// Filters that ask where a number is at home.
const PLACES: [&str; 7] =
    ["NearNumber", "NearLatLong", "InPostalCode", "InRegion", "InRateCenter", "InLata", "InLocality"];

#[derive(Serialize)]
struct AvailableJson {
    friendly_name: String,
    phone_number: String,
    lata: Option<String>,
    locality: Option<String>,
    rate_center: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    region: Option<String>,
    postal_code: Option<String>,
    iso_country: String,
    address_requirements: &'static str,
    beta: bool,
    capabilities: Capabilities,
}

impl AvailableJson {
    fn of(number: &str, country: &str) -> Self {
        Self {
            friendly_name: formatted(number),
            phone_number: number.to_owned(),
            lata: None,
            locality: None,
            rate_center: None,
            latitude: None,
            longitude: None,
            region: None,
            postal_code: None,
            iso_country: country.to_owned(),
            address_requirements: "none",
            beta: false,
            capabilities: CAPABILITIES,
        }
    }
}
