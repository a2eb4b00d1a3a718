//! The child processes that scripts run in: the same program, started with a hidden argument.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use mend::script::{Children, Problem, Program, Remediations};

/// The argument that makes a child of this program. No command has this name.
const CHILD: &str = "script-child";
/// Children at a time that only look at files.
const READERS: usize = 4;

/// At most `most` children of this program at a time.
pub(crate) fn children(most: usize) -> Children {
    // Not by the name of the file: an upgrade may have put another program there meanwhile.
    let program = Program { path: "/proc/self/exe".into(), arguments: vec![CHILD.into()] };
    Children::new(program, most)
}

/// What is wrong with the remediations of a folder, as the daemon would read them. Not for async code: it waits.
pub(crate) fn problems_of(folder: &Path) -> io::Result<Vec<Problem>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (none, children) = (Remediations::default(), children(READERS));
    let loading =
        runtime.block_on(async { mend::script::load(Some(folder), &none, &children).await });
    Ok(loading.problems)
}

/// Whether this process is to be a child.
pub(crate) fn is_child() -> bool {
    env::args_os().nth(1).is_some_and(|argument| argument == CHILD)
}

/// Serves the parent until it hangs up.
pub(crate) fn serve() -> ExitCode {
    match mend::script::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "{CHILD}: {why}; it is started by netmend alone");
            ExitCode::FAILURE
        }
    }
}
