//! Who may ask.

use axum::body::Body;
use axum::http::{Request, header};
use model::{Account, AccountSid, AccountStatus};

use crate::bridge::{ACCOUNT, Bridge, TOKEN, account, basic};

const CHILD: AccountSid = AccountSid::from_bits(0xC411D);
const STRANGER: AccountSid = AccountSid::from_bits(0x57A6);
const SUSPENDED: AccountSid = AccountSid::from_bits(0x5059);
const CLOSED_CHILD: AccountSid = AccountSid::from_bits(0xC105);

async fn family() -> Bridge {
    let bridge = Bridge::start().await;
    for row in [
        account(CHILD, ACCOUNT),
        account(STRANGER, STRANGER),
        Account { status: AccountStatus::Suspended, ..account(SUSPENDED, SUSPENDED) },
        Account { status: AccountStatus::Closed, ..account(CLOSED_CHILD, ACCOUNT) },
        Account { auth_token: String::new(), ..account(AccountSid::from_bits(0), AccountSid::from_bits(0)) },
    ] {
        bridge.store.save_account(&row).await.expect("writes");
    }
    bridge
}

#[tokio::test]
async fn only_the_account_and_its_owner_may() {
    let bridge = family().await;
    let main = ACCOUNT.to_string();
    for (case, authorization, path_account, want) in [
        ("right", Some(basic(&main, TOKEN)), ACCOUNT, (200, 0)),
        ("upper-case hex", Some(basic(&format!("AC{}", main[2..].to_uppercase()), TOKEN)), ACCOUNT, (200, 0)),
        ("scheme in lower case", Some(basic(&main, TOKEN).replace("Basic", "basic")), ACCOUNT, (200, 0)),
        ("without padding", Some(basic(&main, TOKEN).replace('=', "")), ACCOUNT, (200, 0)),
        ("none", None, ACCOUNT, (401, 20003)),
        ("wrong token", Some(basic(&main, "secret")), ACCOUNT, (401, 20003)),
        ("empty token", Some(basic(&main, "")), ACCOUNT, (401, 20003)),
        ("empty token of an account without one", Some(basic(&format!("AC{:032}", 0), "")), ACCOUNT, (401, 20003)),
        ("unknown account", Some(basic(&AccountSid::from_bits(9).to_string(), TOKEN)), ACCOUNT, (401, 20003)),
        ("not an account", Some(basic("ana", TOKEN)), ACCOUNT, (401, 20003)),
        ("an API key", Some(basic(&format!("SK{:032}", 1), TOKEN)), ACCOUNT, (401, 20003)),
        ("no colon", Some("Basic QUM=".to_owned()), ACCOUNT, (401, 20003)),
        ("not base64", Some("Basic !!!".to_owned()), ACCOUNT, (401, 20003)),
        ("not UTF-8", Some("Basic /w==".to_owned()), ACCOUNT, (401, 20003)),
        ("another scheme", Some(basic(&main, TOKEN).replace("Basic", "Bearer")), ACCOUNT, (401, 20003)),
        ("nothing after the scheme", Some("Basic".to_owned()), ACCOUNT, (401, 20003)),
        ("owner for its subaccount", Some(basic(&main, TOKEN)), CHILD, (200, 0)),
        ("subaccount for itself", Some(basic(&CHILD.to_string(), TOKEN)), CHILD, (200, 0)),
        ("subaccount for its owner", Some(basic(&CHILD.to_string(), TOKEN)), ACCOUNT, (404, 20404)),
        ("a stranger's path", Some(basic(&main, TOKEN)), STRANGER, (404, 20404)),
        ("a path of nobody", Some(basic(&main, TOKEN)), AccountSid::from_bits(9), (404, 20404)),
        ("suspended", Some(basic(&SUSPENDED.to_string(), TOKEN)), SUSPENDED, (401, 20005)),
        ("suspended, wrong token", Some(basic(&SUSPENDED.to_string(), "x")), SUSPENDED, (401, 20003)),
        ("owner for a closed one", Some(basic(&main, TOKEN)), CLOSED_CHILD, (401, 20005)),
        ("a closed one for itself", Some(basic(&CLOSED_CHILD.to_string(), TOKEN)), CLOSED_CHILD, (401, 20005)),
    ] {
        for path in [".json", "/Calls.json", "/Calls", "/Conferences/"] {
            let mut request = Request::get(format!("/2010-04-01/Accounts/{path_account}{path}"));
            if let Some(authorization) = &authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let reply = bridge.send(request.body(Body::empty()).expect("is a request")).await;
            let sees_it = case == "owner for a closed one" && path == ".json";
            assert_eq!(reply.outcome(), if sees_it { (200, 0) } else { want }, "{case}: {path}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_how_to_do_better_and_tells_nothing() {
    let bridge = family().await;
    let request = Request::get(format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json"));
    let reply = bridge.send(request.body(Body::empty()).expect("is a request")).await;
    assert_eq!(reply.headers[header::WWW_AUTHENTICATE], "Basic realm=\"Twilio API\"");
    let body = reply.json();
    assert_eq!(body["message"], "Authenticate");
    assert_eq!(body["more_info"], "https://www.twilio.com/docs/errors/20003");
    assert_eq!(body["status"], 401);
    assert!(body["detail"].is_string());
    // Who may not ask is not told what there is: not a path, not a verb.
    for (verb, path) in [("GET", "/Nothing.json"), ("DELETE", "/Calls.json"), ("GET", "/Calls.xml")] {
        let request = Request::builder().method(verb).uri(format!("/2010-04-01/Accounts/{ACCOUNT}{path}"));
        let reply = bridge.send(request.body(Body::empty()).expect("is a request")).await;
        assert_eq!(reply.outcome(), (401, 20003), "{verb} {path}");
    }
    // Credentials twice over are none.
    let request = Request::get(format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json"))
        .header(header::AUTHORIZATION, basic(&ACCOUNT.to_string(), TOKEN))
        .header(header::AUTHORIZATION, basic(&STRANGER.to_string(), TOKEN));
    let reply = bridge.send(request.body(Body::empty()).expect("is a request")).await;
    assert_eq!(reply.outcome(), (401, 20003));
}

#[tokio::test]
async fn accounts_are_listed_to_their_owner() {
    let bridge = family().await;
    let request = Request::get("/2010-04-01/Accounts.json?Status=active")
        .header(header::AUTHORIZATION, basic(&ACCOUNT.to_string(), TOKEN));
    let body = bridge.send(request.body(Body::empty()).expect("is a request")).await.json();
    let sids: Vec<_> = body["accounts"].as_array().expect("a list").iter().map(|account| &account["sid"]).collect();
    assert_eq!(sids, [&CHILD.to_string(), &ACCOUNT.to_string()]);
    assert_eq!(bridge.get(".json").await.json()["auth_token"], TOKEN);
}
