//! What a session brought back, as tools read it.

use berth_ssh::RunOutput;
use berth_tools::Reply;

/// A script's output for the tool that made the script.
pub fn reply(output: &RunOutput) -> Reply<'_> {
    Reply {
        stdout: &output.stdout.bytes,
        stderr: &output.stderr.bytes,
        exit_code: output.exit_code,
        truncated: output.stdout.dropped > 0 || output.stderr.dropped > 0,
    }
}
