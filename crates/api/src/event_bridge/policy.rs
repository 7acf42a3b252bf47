//! What a capability token of version 1 allows (taskrouter §14.5): the denials in it come first, then what it allows, and
//! what neither names is denied.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// All of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policies(Vec<Policy>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Policy {
    /// Of a path: without scheme and host, which name Twilio.
    segments: Vec<String>,
    method: String,
    allow: bool,
    /// Parameters of a GET …
    query: Filter,
    /// … and of a POST.
    post: Filter,
}

impl Policies {
    /// As a token has them; what is no policy allows nothing.
    pub(super) fn read(claim: &Value) -> Self {
        let policies = claim.as_array().map(Vec::as_slice).unwrap_or_default();
        Self(policies.iter().take(POLICIES_MAX).filter_map(Policy::read).collect())
    }

    /// Whether a path may be asked with that method and those parameters.
    pub(super) fn permit(&self, method: &str, path: &str, parameters: &Map<String, Value>) -> bool {
        let segments: Vec<&str> = segments(path).collect();
        let matches = |policy: &&Policy| policy.matches(method, &segments, parameters);
        let mut matching = self.0.iter().filter(matches).peekable();
        matching.peek().is_some() && matching.all(|policy| policy.allow)
    }
}

impl Policy {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            segments: segments(value.get("url")?.as_str()?).map(str::to_owned).collect(),
            method: value.get("method")?.as_str()?.to_owned(),
            allow: value.get("allow").and_then(Value::as_bool).unwrap_or(false),
            query: Filter::read(value.get("query_filter")),
            post: Filter::read(value.get("post_filter")),
        })
    }

    fn matches(&self, method: &str, path: &[&str], parameters: &Map<String, Value>) -> bool {
        let filter = if method.eq_ignore_ascii_case("POST") { &self.post } else { &self.query };
        self.method.eq_ignore_ascii_case(method)
            && is_like(&self.segments, path)
            && filter.has_required(parameters)
            // A denial is not got round by saying more.
            && (!self.allow || filter.has_only_listed(parameters))
    }
}

/// Which parameters there must be (true), and which there may be. None listed: any.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter(BTreeMap<String, bool>);

impl Filter {
    fn read(value: Option<&Value>) -> Self {
        let rules = value.and_then(Value::as_object).into_iter().flatten();
        Self(rules.map(|(name, rule)| (name.clone(), rule.get("required") == Some(&Value::Bool(true)))).collect())
    }

    fn has_required(&self, parameters: &Map<String, Value>) -> bool {
        self.0.iter().all(|(name, required)| !required || parameters.contains_key(name))
    }

    fn has_only_listed(&self, parameters: &Map<String, Value>) -> bool {
        self.0.is_empty() || parameters.keys().all(|name| self.0.contains_key(name))
    }
}

/// `*` is any segment, `**` at the end any number of them.
fn is_like(pattern: &[String], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, [])), _) if first == "**" => true,
        (Some((first, pattern)), Some((segment, path))) => (first == "*" || first == segment) && is_like(pattern, path),
        _ => false,
    }
}

/// What the path of a URL, or a path alone, is made of; where it has no version, that is the first there is.
pub(super) fn segments(url: &str) -> impl Iterator<Item = &str> {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let version = (segments.peek() != Some(&"v1")).then_some("v1");
    version.into_iter().chain(segments)
}

/// Of one token; the usual one has nine.
const POLICIES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn denials_come_first_then_what_is_allowed_and_nothing_else_is() {
        let worker = "https://taskrouter.twilio.com/v1/Workspaces/WS1/Workers/WK1";
        let policies = Policies::read(&json!([
            {"url": "https://event-bridge.twilio.com/v1/wschannels/AC1/WK1", "method": "GET", "allow": true},
            {"url": worker, "method": "GET", "allow": true, "query_filter": {}, "post_filter": {}},
            {"url": worker, "method": "POST", "allow": true, "post_filter":
                {"ActivitySid": {"required": true}, "Attributes": {"required": false}}},
            {"url": "https://taskrouter.twilio.com/v1/Workspaces/WS1/Tasks/**", "method": "POST", "allow": true},
            {"url": "https://taskrouter.twilio.com/v1/Workspaces/WS1/Tasks/WT9/**", "method": "POST", "allow": false},
            {"url": "https://taskrouter.twilio.com/v1/Workspaces/WS1/Workers/*/Reservations", "method": "GET", "allow": true},
            {"url": "https://taskrouter.twilio.com/v1/Workspaces/WS1/Tasks/**", "method": "POST", "allow": false,
                "post_filter": {"Reason": {"required": true}}},
            {"method": "GET", "allow": true},
            "no policy",
        ]));
        for (case, method, path, parameters, want) in [
            ("its socket", "GET", "/v1/wschannels/AC1/WK1", json!({}), true),
            ("another's", "GET", "/v1/wschannels/AC1/WK2", json!({}), false),
            ("itself", "GET", "Workspaces/WS1/Workers/WK1", json!({}), true),
            ("by a URL", "get", "https://elsewhere.test/v1/Workspaces/WS1/Workers/WK1?x=y", json!({}), true),
            ("another verb", "POST", "Workspaces/WS1/Workers/WK1", json!({"Attributes": {}}), false),
            ("with what is required", "POST", "Workspaces/WS1/Workers/WK1", json!({"ActivitySid": "WA1"}), true),
            (
                "and what may be",
                "POST",
                "Workspaces/WS1/Workers/WK1",
                json!({"ActivitySid": "WA1", "Attributes": {}}),
                true,
            ),
            (
                "and what is not listed",
                "POST",
                "Workspaces/WS1/Workers/WK1",
                json!({"ActivitySid": "WA1", "FriendlyName": "x"}),
                false,
            ),
            ("a task", "POST", "Workspaces/WS1/Tasks/WT1", json!({}), true),
            ("below it", "POST", "Workspaces/WS1/Tasks/WT1/Reservations/WR1", json!({}), true),
            ("all of them", "POST", "Workspaces/WS1/Tasks", json!({}), true),
            ("one that is denied", "POST", "Workspaces/WS1/Tasks/WT9", json!({}), false),
            (
                "one denied for what it says, and more",
                "POST",
                "Workspaces/WS1/Tasks/WT1",
                json!({"Reason": "x", "Priority": 1}),
                false,
            ),
            ("any worker's", "GET", "Workspaces/WS1/Workers/WK7/Reservations", json!({}), true),
            ("one segment is one", "GET", "Workspaces/WS1/Workers/WK7/x/Reservations", json!({}), false),
            ("nothing said", "GET", "Workspaces/WS1/Workflows", json!({}), false),
        ] {
            let parameters = parameters.as_object().expect("is an object");
            assert_eq!(policies.permit(method, path, parameters), want, "{case}");
        }
        assert!(!Policies::read(&Value::Null).permit("GET", "x", &Map::new()), "none allow nothing");
    }
}
