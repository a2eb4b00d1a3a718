//! Asks the databases of a configuration whether they would take points, all at once. It gives them none.

use super::facts::Database;
use crate::config::Settings;
use crate::report::Report;

/// Asks those of the configuration, if there is one. Takes as long as the slowest of them.
pub(super) fn ask(settings: Option<&Settings>) -> Result<Vec<Database>, Report> {
    let Some(settings) = settings else { return Ok(Vec::new()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Report::because("cannot ask the sinks", &why).code(4))?;
    Ok(runtime.block_on(async {
        let mut asked = tokio::task::JoinSet::new();
        for sink in settings.sinks.iter().cloned() {
            asked.spawn(async move {
                let answer = sink.config.look().await;
                Database { name: sink.name, answer }
            });
        }
        let mut all = asked.join_all().await;
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }))
}
