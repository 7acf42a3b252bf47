//! One run of a program that speaks: text in, a sound file out.
//!
//! The text goes in by its standard input, never by a command line or a shell. Its standard output is a nameless file
//! rather than a pipe, since flite writes its file in several goes. Whoever gives up, or takes too long, ends the process.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Why a program has not spoken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("{program} cannot be run: {error}")]
    Run { program: String, error: io::Error },
    #[error("{program} took longer than {after:?}")]
    TimedOut { program: String, after: Duration },
    #[error("{program} ended with {status}")]
    Failed { program: String, status: std::process::ExitStatus },
    #[error("{program} wrote more than {FILE_BYTES_MAX} bytes")]
    TooLarge { program: String },
}

/// Runs a program with this input and hands out what it wrote.
pub(crate) async fn run(
    program: &Path,
    arguments: &[&str],
    input: &str,
    timeout: Duration,
) -> Result<Vec<u8>, ProcessError> {
    let name = || program.display().to_string();
    let failed = |error| ProcessError::Run { program: name(), error };
    let file = tempfile::tempfile().map_err(failed)?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(file.try_clone().map_err(failed)?)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let speaks = async {
        if let Some(mut stdin) = stdin {
            // A program that has heard enough may close it; what it wrote then tells.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait().await
    };
    let status = match tokio::time::timeout(timeout, speaks).await {
        Ok(status) => status.map_err(failed)?,
        Err(_) => {
            // It is ended, and waited for, by its own handle; an error means that it is gone.
            let _ = child.kill().await;
            return Err(ProcessError::TimedOut { program: name(), after: timeout });
        }
    };
    if !status.success() {
        return Err(ProcessError::Failed { program: name(), status });
    }
    let read = tokio::task::spawn_blocking(move || read(file)).await;
    let bytes = read.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(failed)?;
    if bytes.len() > FILE_BYTES_MAX { Err(ProcessError::TooLarge { program: name() }) } else { Ok(bytes) }
}

fn read(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// 4,096 characters are some five minutes: 14 MB at 22 kHz.
const FILE_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_program_reads_its_input_and_its_output_is_a_file() {
        let bytes = run(Path::new("cat"), &[], "a $(b) `c` \"d\"", LONG).await.expect("cat");
        assert_eq!(bytes, b"a $(b) `c` \"d\"");
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said() {
        let missing = run(Path::new("/nonexistent/flite"), &[], "", LONG).await;
        assert!(matches!(missing, Err(ProcessError::Run { .. })), "{missing:?}");
        let failing = run(Path::new("false"), &[], "", LONG).await;
        assert!(matches!(failing, Err(ProcessError::Failed { .. })), "{failing:?}");
        // Longer than it could read: it must not hold us up either.
        let text = "x".repeat(1 << 20);
        let hanging = run(Path::new("sleep"), &["3600"], &text, Duration::from_millis(20)).await;
        assert!(matches!(hanging, Err(ProcessError::TimedOut { .. })), "{hanging:?}");
    }
}
