//! The messages and services of `proto/`, and their description for reflection. Compiled in Rust: nobody needs `protoc`.

use std::path::PathBuf;
use std::{env, fs, io};

const FILES: [&str; 2] = ["partyline/v1/conference_control.proto", "partyline/v1/events.proto"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=proto");
    let described = protox::compile(FILES, ["proto"]).map_err(io::Error::other)?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no OUT_DIR"))?);
    fs::write(out.join("partyline.bin"), prost::Message::encode_to_vec(&described))?;
    // The client is for our own tests; whoever else wants one makes it from the same files.
    tonic_prost_build::configure().build_transport(false).compile_fds(described)
}
