//! Keys: what they are, and what may be done with them.

use crate::bridge::{ACCOUNT, Bridge, TOKEN, account};
use model::AccountSid;

/// A key: its SID, and its secret.
async fn key(bridge: &Bridge, account: AccountSid) -> (String, String) {
    let owner = (&*ACCOUNT.to_string(), TOKEN);
    let made = bridge.ask_as(owner, "POST", &format!("/Accounts/{account}/Keys.json"), "FriendlyName=desk").await;
    assert_eq!(made.outcome(), (201, 0), "{}", made.body);
    let text = |name: &str| made.json()[name].as_str().expect("is text").to_owned();
    (text("sid"), text("secret"))
}

#[tokio::test]
async fn a_key_is_made_shown_renamed_and_deleted_and_its_secret_is_told_once() {
    let bridge = Bridge::start().await;
    let (sid, secret) = key(&bridge, ACCOUNT).await;
    assert_eq!(secret.len(), 32);
    let one = format!("/Keys/{sid}.json");
    let fetched = bridge.get(&one).await.json();
    assert_eq!(
        (&fetched["sid"], &fetched["friendly_name"], fetched.get("secret")),
        (&sid.clone().into(), &"desk".into(), None)
    );
    assert_eq!(bridge.post(&one, "FriendlyName=phones").await.json()["friendly_name"], "phones");
    assert_eq!(bridge.post(&one, "").await.json()["friendly_name"], "phones", "nothing changes nothing");
    let long = format!("FriendlyName={}", "x".repeat(65));
    assert_eq!(bridge.post(&one, &long).await.outcome(), (400, 20002));
    assert_eq!(bridge.post("/Keys.json", &long).await.outcome(), (400, 20002));
    for (path, list) in [("/Keys.json", "keys"), ("/SigningKeys.json", "signing_keys")] {
        let listed = bridge.get(path).await.json();
        assert_eq!((&listed[list][0]["sid"], listed[list][0].get("secret")), (&sid.clone().into(), None), "{path}");
    }
    assert_eq!(bridge.ask("DELETE", &one, None).await.outcome(), (204, 0));
    for verb in ["GET", "POST", "DELETE"] {
        assert_eq!(bridge.ask(verb, &one, Some("FriendlyName=x")).await.outcome(), (404, 20404), "{verb}");
    }
    assert_eq!(bridge.get("/Keys/SK1.json").await.outcome(), (404, 20404));
    let path = format!("/Accounts/{ACCOUNT}/Calls.json");
    assert_eq!(bridge.ask_as((&sid, &secret), "GET", &path, "").await.outcome(), (401, 20003), "gone");
}

#[tokio::test]
async fn a_main_key_does_everything_its_account_may() {
    let bridge = Bridge::start().await;
    let made = api::make_main_key(&bridge.store, ACCOUNT, "operator".to_owned(), crate::bridge::at(1)).await;
    let (main, secret) = made.expect("writes").expect("there is room");
    let by = (&*main.sid.to_string(), &*secret);
    let child = AccountSid::from_bits(0xC411D);
    bridge.store.save_account(&account(child, ACCOUNT)).await.expect("writes");
    let seen = bridge.ask_as(by, "GET", "/Accounts.json", "").await.json();
    let seen: Vec<_> = seen["accounts"].as_array().expect("a list").iter().map(|account| &account["sid"]).collect();
    assert_eq!(seen, [&serde_json::Value::from(ACCOUNT.to_string())], "none but its own");
    for (verb, path, want) in [
        ("GET", "/Accounts.json".to_owned(), 200),
        ("POST", "/Accounts.json".to_owned(), 201),
        ("GET", format!("/Accounts/{ACCOUNT}.json"), 200),
        ("POST", format!("/Accounts/{ACCOUNT}/Keys.json"), 201),
        ("GET", format!("/Accounts/{ACCOUNT}/SigningKeys.json"), 200),
        ("GET", format!("/Accounts/{ACCOUNT}/Calls.json"), 200),
        ("GET", format!("/Accounts/{child}/Calls.json"), 404),
        ("DELETE", format!("/Accounts/{ACCOUNT}/Keys/{}.json", main.sid), 204),
        ("GET", format!("/Accounts/{ACCOUNT}/Calls.json"), 401),
    ] {
        assert_eq!(bridge.ask_as(by, verb, &path, "FriendlyName=x").await.status, want, "{verb} {path}");
    }
}

#[tokio::test]
async fn a_key_does_everything_but_accounts_and_keys() {
    let bridge = Bridge::start().await;
    let child = AccountSid::from_bits(0xC411D);
    bridge.store.save_account(&account(child, ACCOUNT)).await.expect("writes");
    let main = key(&bridge, ACCOUNT).await;
    let other = key(&bridge, ACCOUNT).await;
    let childs = key(&bridge, child).await;
    let wrong = (main.0.clone(), other.1.clone());
    let unknown = (format!("SK{:032x}", 9), main.1.clone());
    let empty = (main.0.clone(), String::new());
    for (case, by, verb, path, want) in [
        ("calls", &main, "GET", format!("/Accounts/{ACCOUNT}/Calls.json"), (200, 0)),
        ("queues", &main, "POST", format!("/Accounts/{ACCOUNT}/Queues.json"), (201, 0)),
        ("another key's secret", &wrong, "GET", format!("/Accounts/{ACCOUNT}/Calls.json"), (401, 20003)),
        ("no secret", &empty, "GET", format!("/Accounts/{ACCOUNT}/Calls.json"), (401, 20003)),
        ("no such key", &unknown, "GET", format!("/Accounts/{ACCOUNT}/Calls.json"), (401, 20003)),
        ("accounts", &main, "GET", "/Accounts.json".to_owned(), (403, 20003)),
        ("a new account", &main, "POST", "/Accounts".to_owned(), (403, 20003)),
        ("its account", &main, "GET", format!("/Accounts/{ACCOUNT}.json"), (403, 20003)),
        ("its account, with slashes", &main, "POST", format!("/Accounts/{ACCOUNT}//"), (403, 20003)),
        ("keys", &main, "GET", format!("/Accounts/{ACCOUNT}/Keys.json"), (403, 20003)),
        ("itself", &main, "DELETE", format!("/Accounts/{ACCOUNT}/Keys/{}.json", main.0), (403, 20003)),
        ("by the older name", &main, "POST", format!("/Accounts/{ACCOUNT}/SigningKeys.json"), (403, 20003)),
        ("by an escape", &main, "GET", format!("/Accounts/{ACCOUNT}/%4Beys.json"), (404, 20404)),
        ("a subaccount", &main, "GET", format!("/Accounts/{child}/Calls.json"), (404, 20404)),
        ("of a subaccount", &childs, "GET", format!("/Accounts/{child}/Calls.json"), (200, 0)),
        ("of a subaccount, its owner", &childs, "GET", format!("/Accounts/{ACCOUNT}/Calls.json"), (404, 20404)),
    ] {
        let reply = bridge.ask_as((&by.0, &by.1), verb, &path, "FriendlyName=x").await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
    bridge
        .store
        .update_account(child, None, Some(model::AccountStatus::Suspended), crate::bridge::at(1))
        .await
        .expect("writes");
    let path = format!("/Accounts/{child}/Calls.json");
    assert_eq!(bridge.ask_as((&childs.0, &childs.1), "GET", &path, "").await.outcome(), (401, 20005), "suspended");
}
