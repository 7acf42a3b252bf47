//! Pages of lists.

use serde_json::Value;
use store::Row;

use crate::bridge::{ACCOUNT, Bridge, call, conference, ended_call, participant};

async fn with_calls(count: i64) -> Bridge {
    let bridge = Bridge::start().await;
    let calls: Vec<_> = (0..count).map(|number| Row::Call(call(number))).collect();
    bridge.save(&calls).await;
    bridge
}

/// The numbers of the calls on a page.
fn numbers(page: &Value) -> Vec<i64> {
    let number = |row: &Value| {
        let sid = row["sid"].as_str().expect("has a SID");
        i64::from_str_radix(&sid[2..], 16).expect("is hex") - 0xCA00
    };
    page["calls"].as_array().expect("a list").iter().map(number).collect()
}

/// The page a link of another leads to.
async fn follow(bridge: &Bridge, page: &Value, link: &str) -> Value {
    let prefix = format!("/2010-04-01/Accounts/{ACCOUNT}");
    let path = page[link].as_str().unwrap_or_else(|| panic!("no {link}: {page}"));
    bridge.get(path.strip_prefix(&prefix).expect("is relative to the host")).await.json()
}

#[tokio::test]
async fn a_page_says_where_it_is() {
    let bridge = with_calls(5).await;
    let base = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json");
    let page = bridge.get("/Calls.json?PageSize=2").await.json();
    assert_eq!(numbers(&page), [4, 3]);
    for (key, want) in [
        ("page", Value::from(0)),
        ("page_size", Value::from(2)),
        ("start", Value::from(0)),
        ("end", Value::from(1)),
        ("uri", format!("{base}?PageSize=2&Page=0").into()),
        ("first_page_uri", format!("{base}?PageSize=2&Page=0").into()),
        ("next_page_uri", format!("{base}?PageSize=2&Page=1&PageToken=PA{}", call(3).sid).into()),
        ("previous_page_uri", Value::Null),
    ] {
        assert_eq!(page[key], want, "{key}");
    }
    let page = follow(&bridge, &page, "next_page_uri").await;
    assert_eq!(numbers(&page), [2, 1]);
    assert_eq!((&page["page"], &page["start"], &page["end"]), (&1.into(), &2.into(), &3.into()));
    let page = follow(&bridge, &page, "next_page_uri").await;
    assert_eq!((numbers(&page), &page["next_page_uri"]), (vec![0], &Value::Null));
    assert_eq!((&page["page"], &page["start"], &page["end"]), (&2.into(), &4.into(), &4.into()));
}

#[tokio::test]
async fn links_hold_their_place_while_calls_arrive_and_go() {
    let bridge = with_calls(6).await;
    let first = bridge.get("/Calls.json?PageSize=2").await.json();
    bridge.save(&[Row::Call(call(6)), Row::Call(ended_call(4))]).await;
    bridge.ask("DELETE", &format!("/Calls/{}.json", call(4).sid), None).await;
    let second = follow(&bridge, &first, "next_page_uri").await;
    assert_eq!(numbers(&second), [3, 2], "after call 4, although it is gone");
    let third = follow(&bridge, &second, "next_page_uri").await;
    assert_eq!(numbers(&third), [1, 0]);
    let back = follow(&bridge, &third, "previous_page_uri").await;
    assert_eq!((numbers(&back), &back["page"]), (vec![3, 2], &Value::from(1)));
    assert_eq!(numbers(&follow(&bridge, &back, "next_page_uri").await), [1, 0]);
    assert_eq!(numbers(&follow(&bridge, &back, "first_page_uri").await), [6, 5]);
}

#[tokio::test]
async fn links_keep_the_filters_and_escape_them() {
    let bridge = with_calls(3).await;
    let filters = "To=sip%3Astandup%40bridge.test&StartTime%3E=2026-02-10&Unknown=a%20b";
    let page = bridge.get(&format!("/Calls.json?Page=0&{filters}&PageSize=1")).await.json();
    let next = page["next_page_uri"].as_str().expect("has a next page");
    assert!(next.contains(&format!("Calls.json?{filters}&PageSize=1&Page=1&PageToken=PA")), "{next}");
    assert_eq!(numbers(&follow(&bridge, &page, "next_page_uri").await), [1]);
    assert_eq!(page["first_page_uri"], page["uri"]);
}

#[tokio::test]
async fn sizes_and_numbers_have_their_bounds() {
    let bridge = with_calls(3).await;
    for (query, want) in [
        ("", Ok((vec![2, 1, 0], 50))),
        ("PageSize=1000", Ok((vec![2, 1, 0], 1000))),
        ("PageSize=1001", Ok((vec![2, 1, 0], 1000))),
        ("PageSize=99999999999999999999999", Ok((vec![2, 1, 0], 1000))),
        ("PageSize=", Ok((vec![2, 1, 0], 50))),
        ("PageSize=0", Err((400, 20007))),
        ("PageSize=-1", Err((400, 20007))),
        ("PageSize=ten", Err((400, 20007))),
        ("PageSize=2&Page=1", Ok((vec![0], 2))),
        ("PageSize=2&Page=2", Ok((vec![], 2))),
        ("Page=99999999999999999999999", Ok((vec![], 50))),
        ("Page=-1", Err((400, 20001))),
        ("Page=x", Err((400, 20001))),
        ("PageToken=nonsense", Err((400, 21481))),
        ("PageToken=P", Err((400, 21481))),
        ("PageToken=%C3%A9", Err((400, 21481))),
        ("PageToken=PA", Err((400, 21481))),
        ("PageToken=PACA123", Err((400, 21481))),
        ("PageToken=PACA000000000000000000000000000fffff", Err((400, 21481))),
        ("PageToken=PXCA0000000000000000000000000000ca01", Err((400, 21481))),
        ("PageToken=PACF0000000000000000000000000000ca01", Err((400, 21481))),
        ("PageToken=PACA0000000000000000000000000000ca01", Ok((vec![0], 50))),
        ("PageToken=PBCA0000000000000000000000000000ca01", Ok((vec![2], 50))),
    ] {
        let reply = bridge.get(&format!("/Calls.json?{query}")).await;
        let found = match reply.outcome() {
            (200, _) => Ok((numbers(&reply.json()), reply.json()["page_size"].as_u64().expect("is a number"))),
            error => Err(error),
        };
        assert_eq!(found, want, "{query}");
    }
    let empty = bridge.get("/Calls.json?Page=7").await.json();
    assert_eq!((&empty["start"], &empty["end"], &empty["page"]), (&0.into(), &0.into(), &7.into()));
}

#[tokio::test]
async fn every_list_can_be_walked() {
    let bridge = Bridge::start().await;
    let room = conference(0).sid;
    for number in 0..3 {
        let rows =
            [Row::Call(call(number)), Row::Conference(conference(number)), Row::Participant(participant(number))];
        bridge.save(&rows).await;
    }
    for (key, path) in [
        ("calls", "/Calls.json".to_owned()),
        ("conferences", "/Conferences.json".to_owned()),
        ("participants", format!("/Conferences/{room}/Participants.json")),
        ("participants", "/Conferences/room%200/Participants.json".to_owned()),
    ] {
        let mut page = bridge.get(&format!("{path}?PageSize=1")).await.json();
        let mut rows = 0;
        loop {
            rows += page[key].as_array().expect("a list").len();
            if page["next_page_uri"].is_null() {
                break;
            }
            page = follow(&bridge, &page, "next_page_uri").await;
        }
        assert_eq!(rows, 3, "{path}");
    }
}
