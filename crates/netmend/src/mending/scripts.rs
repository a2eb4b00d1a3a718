//! Reads the remediations of the daemon in child processes.

use std::path::Path;

use mend::script::{Children, load as read};
use tokio::runtime::Runtime;

use crate::shelf::Library;

/// Reads what is shipped and the files of a folder. A file that is wrong leaves what it held before.
pub(super) fn load(
    folder: Option<&Path>,
    before: &Library,
    children: &Children,
    runtime: &Runtime,
) -> Library {
    let loading = runtime.block_on(read(folder, &before.remediations, children));
    let problems = loading.problems.iter().map(ToString::to_string).collect();
    Library::new(loading.remediations, problems)
}
