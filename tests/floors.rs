//! The floors of the house: which crate may know which (README, "One-page map").

use std::process::Command;

use serde_json::Value;

/// What each crate may depend on among ours. `testkit` is for tests and benches only, so nothing here names it.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sip", &[]),
    ("media", &["model"]),
    ("store", &["model"]),
    ("web", &[]),
    ("sound", &["model", "web"]),
    ("twiml", &["model"]),
    ("taskrouter", &["model"]),
    ("switch", &["media", "model", "sip", "taskrouter", "twiml"]),
    ("api", &["model", "store", "switch", "taskrouter", "web"]),
    ("server", &["api", "media", "model", "sip", "sound", "store", "switch", "web"]),
    ("testkit", &[]),
];

#[test]
fn no_crate_knows_more_than_its_floor_allows() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: Vec<&str> = MAY_KNOW.iter().map(|(name, _)| *name).collect();
    for (name, may_know) in MAY_KNOW {
        let package = packages.iter().find(|package| package["name"] == *name);
        let package = package.unwrap_or_else(|| panic!("{name} is a crate of ours"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let (on, kind) = (dependency["name"].as_str().expect("a name"), &dependency["kind"]);
            let for_tests = kind == "dev";
            assert!(
                for_tests || !ours.contains(&on) || may_know.contains(&on),
                "{name} must not know {on}: it stands on a floor below, or beside",
            );
        }
    }
    let known = packages.iter().filter_map(|package| package["name"].as_str());
    let strangers: Vec<&str> = known.filter(|name| !ours.contains(name) && *name != "partyline-tests").collect();
    assert!(strangers.is_empty(), "a new crate needs a floor: {strangers:?}");
}
