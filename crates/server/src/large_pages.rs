//! Memory in large pages, for the media threads' sake.
//!
//! What a tick touches of a leg lies in half a dozen places. Of a thousand legs, that is more pages of 4 kB than a
//! processor knows the way to, and finding one costs as much as reading it. glibc takes its memory in pages of 2 MB if
//! it is told so before a program starts, and only what all threads share: hence one more start. It saves 5 to 10 % of
//! what a leg costs, and costs nothing where the system has no such pages.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Starts this program once more, with its allocator told to take large pages. Returns where it has been told
/// anything already, be it by the operator, or where a second start is not possible: all goes on as it is.
pub(crate) fn ask_for_large_pages() {
    if env::var_os(TUNABLES).is_some() {
        return;
    }
    let (Ok(program), mut arguments) = (env::current_exe(), env::args_os()) else { return };
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    let refused = Command::new(&program).arg0(name).args(arguments).env(TUNABLES, LARGE_PAGES).exec();
    eprintln!("partyline: goes on with small pages, since it cannot start {} once more: {refused}", program.display());
}

/// Read by glibc before `main`.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// One arena, and `madvise` for it.
const LARGE_PAGES: &str = "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1";
