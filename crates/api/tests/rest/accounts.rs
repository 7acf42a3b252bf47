//! Accounts: a family of them, and who may change what.

use model::AccountStatus;
use switch::Command;

use crate::bridge::{ACCOUNT, Bridge, Reply, TOKEN};

/// A subaccount: its SID, and its token.
async fn subaccount(bridge: &Bridge) -> (String, String) {
    let made = bridge.accounts("POST", "", "FriendlyName=desk").await;
    assert_eq!(made.outcome(), (201, 0), "{}", made.body);
    let text = |name: &str| made.json()[name].as_str().expect("is text").to_owned();
    (text("sid"), text("auth_token"))
}

async fn as_owner(bridge: &Bridge, verb: &str, path: &str, form: &str) -> Reply {
    bridge.ask_as((&ACCOUNT.to_string(), TOKEN), verb, path, form).await
}

#[tokio::test]
async fn a_subaccount_is_made_shown_and_listed() {
    let bridge = Bridge::start().await;
    let made = bridge.accounts("POST", "", "FriendlyName=desk").await.json();
    let (sid, token) = (made["sid"].as_str().expect("a SID"), made["auth_token"].as_str().expect("a token"));
    assert_eq!(made["owner_account_sid"], ACCOUNT.to_string());
    assert_eq!(
        (&made["friendly_name"], &made["status"], &made["type"]),
        (&"desk".into(), &"active".into(), &"Full".into())
    );
    assert_eq!(token.len(), 32);
    let unnamed = bridge.accounts("POST", "", "").await.json();
    assert_eq!(unnamed["friendly_name"], "SubAccount Created at 2026-02-10 09:08 am");
    assert_ne!(unnamed["auth_token"], made["auth_token"]);

    let path = format!("/Accounts/{sid}.json");
    assert_eq!(as_owner(&bridge, "GET", &path, "").await.json(), made);
    assert_eq!(bridge.ask_as((sid, token), "GET", &path, "").await.json(), made);
    for (case, query, want) in
        [("all", "", 3), ("by name", "?FriendlyName=desk", 1), ("by status", "?Status=closed", 0)]
    {
        let listed = bridge.accounts("GET", query, "").await.json();
        assert_eq!(listed["accounts"].as_array().map(Vec::len), Some(want), "{case}");
    }
    for (case, query, want) in
        [("itself alone", "", 1), ("under its name", "?FriendlyName=x", 0), ("once", "?Page=1", 0)]
    {
        let listed = bridge.ask_as((sid, token), "GET", &format!("/Accounts.json{query}"), "").await.json();
        let listed: Vec<_> = listed["accounts"].as_array().expect("a list").iter().map(|row| &row["sid"]).collect();
        assert_eq!(listed, vec![sid; want], "{case}");
    }
}

#[tokio::test]
async fn who_may_change_what_and_to_what() {
    let bridge = Bridge::start().await;
    let (sid, token) = subaccount(&bridge).await;
    let owner = (ACCOUNT.to_string(), TOKEN.to_owned());
    let child = (sid.clone(), token);
    let long = format!("FriendlyName={}", "x".repeat(65));
    for (case, by, at, form, want) in [
        ("a name, by its owner", &owner, Some(&sid), "FriendlyName=phones", (200, 0)),
        ("a name, by itself", &child, Some(&sid), "FriendlyName=desk", (200, 0)),
        ("nothing", &owner, Some(&sid), "", (200, 0)),
        ("a name that is too long", &owner, Some(&sid), long.as_str(), (400, 20002)),
        ("no such status", &owner, Some(&sid), "Status=paused", (400, 21475)),
        ("what it is", &child, Some(&sid), "Status=active", (200, 0)),
        ("its own status", &child, Some(&sid), "Status=suspended", (403, 20006)),
        ("the parent's status", &owner, Some(&owner.0), "Status=closed", (400, 21477)),
        ("the parent's name", &owner, Some(&owner.0), "FriendlyName=main", (200, 0)),
        ("the parent, by its subaccount", &child, Some(&owner.0), "FriendlyName=mine", (404, 20404)),
        ("a subaccount of a subaccount", &child, None, "FriendlyName=below", (403, 20006)),
        ("a new one with a name too long", &owner, None, long.as_str(), (400, 20002)),
        ("suspended", &owner, Some(&sid), "Status=suspended", (200, 0)),
        ("suspended, by itself", &child, Some(&sid), "FriendlyName=x", (401, 20005)),
        ("active again", &owner, Some(&sid), "Status=active", (200, 0)),
        ("closed", &owner, Some(&sid), "Status=closed", (200, 0)),
        ("open again", &owner, Some(&sid), "Status=active", (400, 21479)),
        ("a name of what is closed", &owner, Some(&sid), "FriendlyName=x", (400, 21479)),
    ] {
        let path = at.map_or_else(|| "/Accounts.json".to_owned(), |sid| format!("/Accounts/{sid}.json"));
        let reply = bridge.ask_as((&by.0, &by.1), "POST", &path, form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
    let statuses = bridge.asked().into_iter().map(|command| match command {
        Command::SetAccountStatus { account, status } => (account.to_string(), status),
        other => panic!("unexpected: {other:?}"),
    });
    let statuses_wanted = [AccountStatus::Suspended, AccountStatus::Active, AccountStatus::Closed];
    assert_eq!(
        statuses.collect::<Vec<_>>(),
        statuses_wanted.map(|status| (sid.clone(), status)),
        "what the switch learnt"
    );
}

#[tokio::test]
async fn a_subaccounts_things_are_its_own() {
    let bridge = Bridge::start().await;
    let (sid, token) = subaccount(&bridge).await;
    let queues = format!("/Accounts/{sid}/Queues.json");
    assert_eq!(as_owner(&bridge, "POST", &queues, "FriendlyName=theirs").await.outcome(), (201, 0));
    let listed = async |user: &str, password: &str, path: &str| {
        let body = bridge.ask_as((user, password), "GET", path, "").await.json();
        body["queues"].as_array().map(Vec::len)
    };
    assert_eq!(listed(&sid, &token, &queues).await, Some(1));
    assert_eq!(listed(&ACCOUNT.to_string(), TOKEN, &queues).await, Some(1));
    assert_eq!(listed(&ACCOUNT.to_string(), TOKEN, &format!("/Accounts/{ACCOUNT}/Queues.json")).await, Some(0));
    as_owner(&bridge, "POST", &format!("/Accounts/{sid}.json"), "Status=suspended").await;
    for (user, password) in [(&sid, token.as_str()), (&ACCOUNT.to_string(), TOKEN)] {
        assert_eq!(bridge.ask_as((user, password), "GET", &queues, "").await.outcome(), (401, 20005), "{user}");
    }
}
