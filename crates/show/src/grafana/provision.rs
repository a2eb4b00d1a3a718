//! The files by which Grafana takes over the database and the dashboards at its start. Grafana replaces
//! `$NAME` in them by its environment: that is how it gets a password, which never stands in a file.

use super::{File, Settings, Source};

/// Name of the database in Grafana.
pub(super) const NAME: &str = "netmend";
/// Where Grafana finds the password, if the database asks for a login.
pub(super) const PASSWORD: &str = "NETMEND_GRAFANA_PASSWORD";

/// What dashboards name the database by.
pub(super) fn uid(source: &Source) -> String {
    format!("netmend-{}", source.name())
}

/// The files of the folder `provisioning`.
pub(super) fn files(settings: &Settings) -> Vec<File> {
    let file = |path: &str, text| File { path: path.to_owned(), text };
    vec![
        file("provisioning/datasources/netmend.yaml", datasource(settings)),
        file("provisioning/dashboards/netmend.yaml", provider(settings)),
    ]
}

fn datasource(settings: &Settings) -> String {
    let (uid, kind) = (uid(&settings.source), settings.source.name());
    let url = quoted(&settings.url);
    let more = match &settings.source {
        Source::Influxdb { database, user } => {
            let database = quoted(database);
            let login = user.as_ref().map(|user| {
                let user = quoted(user);
                format!("    user: {user}\n    secureJsonData: {{ password: ${PASSWORD} }}\n")
            });
            // Grafana 5 reads the first, later ones the second.
            format!(
                "    database: {database}\n    jsonData: {{ dbName: {database}, httpMode: GET }}\n{}",
                login.unwrap_or_default()
            )
        }
        Source::Prometheus => "    jsonData: { httpMode: POST }\n".to_owned(),
    };
    format!(
        "# Made by netmend; it is written anew.\n\
         apiVersion: 1\n\
         datasources:\n  \
           - name: {NAME}\n    \
             uid: {uid}\n    \
             type: {kind}\n    \
             access: proxy\n    \
             editable: false\n    \
             url: {url}\n{more}"
    )
}

fn provider(settings: &Settings) -> String {
    format!(
        "# Made by netmend; it is written anew.\n\
         apiVersion: 1\n\
         providers:\n  \
           - name: {NAME}\n    \
             folder: {NAME}\n    \
             type: file\n    \
             disableDeletion: false\n    \
             updateIntervalSeconds: 10\n    \
             options: {{ path: {} }}\n",
        quoted(&settings.path)
    )
}

/// Text in YAML, in which Grafana finds no variable.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}
