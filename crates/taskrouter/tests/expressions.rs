//! The contract's own cases, and whatever else may be written where an expression belongs.

use proptest::prelude::*;
use serde_json::{Value, json};
use taskrouter::{Expression, LENGTH_MAX};

#[test]
fn the_contracts_cases() {
    let vectors = include_str!("../../../fixtures/taskrouter/expressions.json");
    let vectors: Value = serde_json::from_str(vectors).expect("the fixture is JSON");
    let cases = vectors["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 95);
    for case in cases {
        let names = &vectors["contexts"][case["context"].as_str().expect("a context")];
        let text = case["expression"].as_str().expect("an expression");
        let got = Expression::parse(text).map_or(json!("error"), |expression| json!(expression.is_true(names)));
        assert_eq!(got, case["result"], "{text} on {} ({})", case["context"], case["note"]);
    }
}

/// Pieces from which nearly-expressions are made.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "(", ")", "[", "]", ",", ".", "==", "=", "!=", "<", ">=", "AND", "or", "NOT", "IN", "has", "CONTAINS", "null",
        "true", "a", "b.c", "x[0]", "1", "-2.5", "\"s\"", "'t\\''", "\\", "\"", "é", " ",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..60).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn any_text_is_understood_or_refused(text in ".{0,200}") {
        if let Ok(expression) = Expression::parse(&text) {
            expression.is_true(&json!({"a": [1]}));
        }
    }

    #[test]
    fn any_pieces_are_understood_or_refused(text in pieces()) {
        match Expression::parse(&text) {
            // What was understood once means the same however it is spaced.
            Ok(expression) => {
                let names = json!({"a": [1, "s"], "b": {"c": "s"}, "x": [true]});
                let spaced = Expression::parse(&text.replace(' ', "  ")).expect("only more space");
                prop_assert_eq!(expression.is_true(&names), spaced.is_true(&names));
            }
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.at), "{}", error),
        }
    }
}

/// Longest texts of the kinds that would cost most, were anything looked at twice.
#[test]
fn the_longest_expressions_of_every_kind() {
    let fill = |piece: &str, last: &str| format!("{}{last}", piece.repeat((LENGTH_MAX - last.len()) / piece.len()));
    let names = json!({"a": 1});
    for (case, text, want) in [
        ("OR", fill("b OR ", "a == 1"), Some(true)),
        ("AND", fill("a==1 AND ", "a"), Some(false)),
        ("a list", format!("a IN [{}", fill("0,", "1]").split_off(8)), Some(true)),
        ("a long path", fill("a.", "a == null"), Some(true)),
        ("indices", format!("{} == null", "a[0]".replace("[0]", &"[0]".repeat(LENGTH_MAX / 3 - 4))), Some(true)),
        ("parentheses", fill("(", "a"), None),
        ("brackets", fill("[", "a"), None),
        ("NOT", fill("NOT ", "a"), None),
        ("quotes that never close", fill("\\\"", "\""), None),
        ("a string of escapes", format!("'{}' == 'x'", "\\x".repeat(LENGTH_MAX / 2 - 8)), Some(false)),
    ] {
        assert!(text.len() <= LENGTH_MAX, "{case}: {}", text.len());
        let got = Expression::parse(&text).ok().map(|expression| expression.is_true(&names));
        assert_eq!(got, want, "{case}");
    }
}
