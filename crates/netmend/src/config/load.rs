//! Reads files, follows their includes and makes [`Settings`] of them, or says all that is wrong. It reads
//! and nothing else; who watches the files and acts on a change is elsewhere.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use model::Protocol;

use super::dotenv;
use super::forms;
use super::glob;
use super::host::Typed;
use super::named::Scripts;
use super::problem::{Problem, Problems, quote};
use super::raw::{Host, Includes, RawConfig, Regions};
use super::reader::{Read, Reader};
use super::secret::{References, Surroundings};
use super::settings::{Settings, Singles};
use super::source::{self, At, Span, Texts};
use super::targets::{Defaults, Gathered};
use super::yaml::{self, Node};
use crate::children;

/// Deepest chain of includes.
const MAX_DEPTH: usize = 16;
/// Most files in one configuration.
const MAX_FILES: usize = 10_000;
/// Region of hosts that came without one: from a file with one host a line.
const REGION_OF_LINES: &str = "hosts";
/// Region of hosts given as options.
const REGION_OF_OPTIONS: &str = "command line";

/// Where a configuration comes from. All parts add up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The config file; `-` is standard input.
    pub(crate) config: Option<PathBuf>,
    /// The `.env` file of vco-api-wan-anomaly-alert.
    pub(crate) env_file: Option<PathBuf>,
    /// A targets file of network-telemetry, or one host a line.
    pub(crate) targets: Option<PathBuf>,
    /// Hosts as typed after `--target`: `host`, `host:port`, `[v6]:port`.
    pub(crate) extra: Vec<String>,
}

impl Sources {
    /// Whether a part can be read only once: standard input.
    pub(crate) fn only_once(&self) -> bool {
        [&self.config, &self.env_file, &self.targets]
            .into_iter()
            .flatten()
            .any(|path| path == Path::new("-"))
    }
}

/// What a configuration was made of, so that it can be watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// Files that were read or should have been: config, targets, includes, secrets.
    pub(crate) files: Vec<PathBuf>,
    /// Patterns of includes: a new file that fits is a change too.
    pub(crate) patterns: Vec<PathBuf>,
}

/// What is read from outside besides the files, so that tests can decide it.
pub(crate) struct Outside<'e> {
    /// Looks up an environment variable.
    pub(crate) env: &'e dyn Fn(&str) -> Option<String>,
    /// Name of this host, the default of `site`.
    pub(crate) host_name: String,
    /// How far what the configuration names besides is looked at.
    pub(crate) look: Look<'e>,
}

/// How far what a configuration names besides is looked at.
#[derive(Clone, Copy)]
pub(crate) enum Look<'e> {
    /// Not at all: who asks needs none of it.
    Away,
    /// At what the daemon does not start without.
    ToRun,
    /// At remediations too, of which the daemon leaves out what is wrong.
    ToCheck(Scripts<'e>),
}

impl Outside<'_> {
    /// The machine's own, for the daemon.
    pub(crate) fn to_run() -> Self {
        Self { look: Look::ToRun, ..Self::system() }
    }

    /// The machine's own, for who wants to know all that is wrong.
    fn to_check() -> Self {
        Self { look: Look::ToCheck(&children::problems_of), ..Self::system() }
    }

    /// The machine's own.
    pub(crate) fn system() -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        let host_name = if name.is_empty() { "localhost" } else { name }.to_owned();
        Self { env: &|name| std::env::var(name).ok(), host_name, look: Look::Away }
    }
}

/// Reads a configuration.
///
/// # Errors
/// Everything that is wrong, with places; then nothing is loaded.
pub(crate) fn load(sources: &Sources) -> Result<Settings, Problems> {
    load_from(sources, &Outside::system()).0
}

/// Reads a configuration, and looks at what it names without which the daemon does not start.
///
/// # Errors
/// Everything that is wrong, with places.
pub(crate) fn load_to_run(sources: &Sources) -> Result<Settings, Problems> {
    load_from(sources, &Outside::to_run()).0
}

/// Reads a configuration, and looks at all that it names.
///
/// # Errors
/// Everything that is wrong, with places.
pub(crate) fn load_to_check(sources: &Sources) -> Result<Settings, Problems> {
    load_from(sources, &Outside::to_check()).0
}

/// Reads a configuration and says what it was made of, also if it is wrong.
pub(crate) fn load_from(
    sources: &Sources,
    outside: &Outside<'_>,
) -> (Result<Settings, Problems>, Inputs) {
    let mut loader = Loader::new(outside);
    if let Some(path) = &sources.config {
        loader.file(path, Expect::Config);
    }
    if let Some(path) = &sources.env_file {
        loader.env_file(path);
    }
    if let Some(path) = &sources.targets {
        loader.file(path, Expect::Targets);
    }
    loader.options(&sources.extra);
    loader.finish(outside)
}

/// Reads one file of any form.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load_any(path: &Path) -> Result<Settings, Problems> {
    load_any_from(path, &Outside::system()).0
}

/// The same, and looks at all that it names.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load_any_to_check(path: &Path) -> Result<Settings, Problems> {
    load_any_from(path, &Outside::to_check()).0
}

/// The same, and what it was made of.
pub(crate) fn load_any_from(
    path: &Path,
    outside: &Outside<'_>,
) -> (Result<Settings, Problems>, Inputs) {
    let mut loader = Loader::new(outside);
    loader.file(path, Expect::Any);
    loader.finish(outside)
}

/// Reads a config that is no file.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load_text(name: &str, text: &str) -> Result<Settings, Problems> {
    let outside = Outside::system();
    let mut loader = Loader::new(&outside);
    let source = loader.texts.add(name, text);
    loader.content(Path::new(""), source, text, Expect::Config, &Defaults::default());
    loader.finish(&outside).0
}

/// What form a file must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Config,
    Targets,
    /// A config or targets by region: what `include` takes.
    Yaml,
    Any,
}

struct Loader<'e> {
    reader: Reader<'e>,
    texts: Texts,
    inputs: Inputs,
    singles: Singles,
    gathered: Gathered,
    /// Files that include the one that is being read, outermost first.
    chain: Vec<PathBuf>,
}

impl<'e> Loader<'e> {
    fn new(outside: &Outside<'e>) -> Self {
        let surroundings = Surroundings { env: outside.env, folder: PathBuf::new() };
        Self {
            reader: Reader {
                problems: Problems::default(),
                surroundings,
                references: References::default(),
                files: Vec::new(),
                digest: DefaultHasher::new(),
            },
            texts: Texts::default(),
            inputs: Inputs::default(),
            singles: Singles::default(),
            gathered: Gathered::default(),
            chain: Vec::new(),
        }
    }

    /// Reads a file that the user named.
    fn file(&mut self, path: &Path, expect: Expect) {
        match self.text(path) {
            Ok((source, text)) => self.content(path, source, &text, expect, &Defaults::default()),
            Err(problem) => self.reader.problems.push(problem),
        }
    }

    /// Reads the `.env` file of vco-api-wan-anomaly-alert as the config that it comes to.
    fn env_file(&mut self, path: &Path) {
        let (source, text) = match self.text(path) {
            Ok(read) => read,
            Err(problem) => return self.reader.problems.push(problem),
        };
        match dotenv::as_config(&text) {
            Ok(config) => {
                // Places in the config would mean nothing to people: the sentences must do.
                let name = format!("{} (as a config)", path.display());
                let source = self.texts.add(name, config.clone());
                self.content(path, source, &config, Expect::Config, &Defaults::default());
            }
            Err(why) => {
                let problem = Problem::new(why.place(source, &text), why.what);
                self.reader.problems.push(problem);
            }
        }
    }

    /// Reads a file's text; on failure its problem, placed in the file itself.
    fn text(&mut self, path: &Path) -> Result<(u32, std::sync::Arc<str>), Problem> {
        if path != Path::new("-") {
            self.inputs.files.push(path.to_owned());
        }
        let name = path.display().to_string();
        match source::read(path) {
            Ok(text) => {
                (&name, &text).hash(&mut self.reader.digest);
                let source = self.texts.add(name, text);
                Ok((source, self.texts.get(source).text.clone()))
            }
            Err(unreadable) => {
                let end = unreadable.before.len() as u32;
                let source = self.texts.add(name, unreadable.before);
                Err(Problem::new(Span { source, start: end, end }, unreadable.what))
            }
        }
    }

    /// Reads a text in its form.
    fn content(
        &mut self,
        path: &Path,
        source: u32,
        text: &str,
        expect: Expect,
        defaults: &Defaults,
    ) {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        self.reader.surroundings.folder.clone_from(&folder);
        if matches!(expect, Expect::Targets | Expect::Any) && forms::is_lines(text) {
            return self.lines(source, text);
        }
        let before = self.reader.problems.len();
        let Some(root) = yaml::parse(text, source, &mut self.reader.problems) else {
            let nothing = match expect {
                Expect::Targets => Some("no targets are in this file"),
                // A file that is being written, or was on a full disk: it must not end all watching.
                Expect::Config if text.trim().is_empty() => {
                    Some("the file is empty; write `{}` if nothing is to be set")
                }
                _ => None,
            };
            if let Some(nothing) = nothing
                && self.reader.problems.len() == before
            {
                self.reader.problems.push(Problem::new(Span::top(source), nothing));
            }
            return;
        };
        let targets = forms::is_targets(&root);
        match expect {
            Expect::Config if targets => self.wrong_form(&root, "a targets file", "--targets"),
            Expect::Targets if !targets && forms::is_config(&root) => {
                self.wrong_form(&root, "a config file", "--config");
            }
            Expect::Targets => self.regions(&root, defaults),
            Expect::Any | Expect::Yaml if targets => self.regions(&root, defaults),
            _ => self.config(path, &folder, &root, defaults),
        }
    }

    fn wrong_form(&mut self, root: &Node<'_>, what: &str, option: &str) {
        let problem = Problem::new(Span::top(root.span.source), format!("this is {what}"))
            .allowed(format!("give it with {option}"));
        self.reader.problems.push(problem);
    }

    fn regions(&mut self, root: &Node<'_>, defaults: &Defaults) {
        if let Some(regions) = Regions::read(root, &mut self.reader) {
            self.gathered.add(regions, defaults, &mut self.reader.problems);
        }
    }

    fn config(&mut self, path: &Path, folder: &Path, root: &Node<'_>, defaults: &Defaults) {
        if root.is_null() {
            return;
        }
        let Some(mut raw) = RawConfig::read(root, &mut self.reader) else { return };
        let defaults = match &raw.defaults {
            Some(own) => defaults.with(&own.value),
            None => defaults.clone(),
        };
        self.singles.take(&mut raw, folder, &mut self.reader.problems);
        if let Some(regions) = raw.targets {
            self.gathered.add(regions.value, &defaults, &mut self.reader.problems);
        }
        if let Some(includes) = raw.include {
            self.chain.push(identity(path));
            self.includes(folder, &includes.value, &defaults);
            self.chain.pop();
        }
    }

    fn includes(&mut self, folder: &Path, includes: &Includes, defaults: &Defaults) {
        for At { value, span } in &includes.0 {
            let pattern = folder.join(&value.0);
            let paths = if glob::is_pattern(&pattern) {
                self.inputs.patterns.push(pattern.clone());
                glob::expand(&pattern)
            } else {
                vec![pattern]
            };
            for path in paths {
                if let Err(problem) = self.include(&path, *span, defaults) {
                    self.reader.problems.push(problem);
                }
            }
        }
    }

    /// Reads one included file; what keeps it from being read is a problem of the line that includes it.
    fn include(&mut self, path: &Path, span: Span, defaults: &Defaults) -> Result<(), Problem> {
        let shown = quote(&path.display().to_string());
        if path == Path::new("-") {
            return Err(Problem::new(span, "standard input cannot be included"));
        }
        if self.chain.contains(&identity(path)) {
            return Err(Problem::new(span, format!("{shown} includes itself, here or by others")));
        }
        if self.chain.len() >= MAX_DEPTH || self.inputs.files.len() >= MAX_FILES {
            let what = format!("{shown} is one include too many: at most {MAX_DEPTH} deep");
            return Err(Problem::new(span, format!("{what} and {MAX_FILES} files")));
        }
        let (source, text) = self.text(path).map_err(|problem| {
            // A file that cannot be opened has no text to point into.
            let at = if problem.span.end == 0 { span } else { problem.span };
            Problem::new(at, format!("{shown} {}", problem.what))
        })?;
        self.content(path, source, &text, Expect::Yaml, defaults);
        Ok(())
    }

    /// One host a line, each with a port or without.
    fn lines(&mut self, source: u32, text: &str) {
        for (start, word) in forms::lines(text) {
            let span = Span { source, start: start as u32, end: (start + word.len()) as u32 };
            self.typed(word, span, REGION_OF_LINES);
        }
    }

    fn options(&mut self, hosts: &[String]) {
        if hosts.is_empty() {
            return;
        }
        let text = hosts.join("\n");
        text.hash(&mut self.reader.digest);
        let source = self.texts.add("--target", text);
        let mut start = 0;
        for host in hosts {
            let end = start + host.len();
            let span = Span { source, start: start as u32, end: end as u32 };
            self.typed(host, span, REGION_OF_OPTIONS);
            start = end + 1;
        }
    }

    /// A host with or without a port.
    fn typed(&mut self, typed: &str, span: Span, region: &str) {
        match Typed::read(typed) {
            Ok(Typed { host, port, family }) => {
                let host = At { value: Host { name: host.to_owned(), family }, span };
                let protocol = port.map_or(Protocol::Icmp, Protocol::Tcp);
                self.gathered.host(region, &host, protocol, &Defaults::default());
            }
            Err(why) => {
                let what = format!("{} {why}", quote(typed));
                self.reader.problems.push(Problem::new(span, what));
            }
        }
    }

    /// Looks at what is named besides.
    fn judge_named(&mut self, look: Look<'_>) {
        let named = &self.singles.named;
        named.judge_sockets(&mut self.reader.problems);
        let scripts = match look {
            Look::Away => return,
            Look::ToRun => None,
            Look::ToCheck(scripts) => Some(scripts),
        };
        named.judge_files(&mut self.texts, &mut self.reader.problems);
        if let Some(scripts) = scripts {
            named.judge_remediations(scripts, &mut self.texts, &mut self.reader.problems);
        }
        // What is put right there is a reason to look again, but no other configuration.
        self.inputs.files.extend(named.files());
    }

    fn finish(mut self, outside: &Outside<'_>) -> (Result<Settings, Problems>, Inputs) {
        let read = self.singles.read_inventories(&mut self.texts, &mut self.reader.problems);
        for path in &read {
            // What cannot be read has been told, and is another digest than what can.
            std::fs::read(path).ok().hash(&mut self.reader.digest);
        }
        self.inputs.files.extend(read);
        let patterns = self.singles.patterns();
        for path in patterns.iter().flat_map(|pattern| glob::expand(pattern)) {
            (&path, std::fs::read(&path).ok()).hash(&mut self.reader.digest);
        }
        self.inputs.patterns.extend(patterns);
        self.judge_named(outside.look);
        let digest = self.reader.digest.finish();
        let targets = self.gathered.finish(&mut self.reader.problems);
        let mut warnings = self.singles.warnings();
        let mut settings = self.singles.finish(
            targets,
            outside.host_name.clone(),
            digest,
            &mut self.reader.problems,
        );
        self.inputs.files.append(&mut self.reader.files);
        let result = if self.reader.problems.is_empty() {
            warnings.reword(|message| self.reader.references.hide(message));
            // As sentences: the texts themselves may hold secrets, and nobody is to keep those.
            let warnings = warnings.finish(self.texts).to_string();
            settings.warnings = warnings.lines().map(str::to_owned).collect();
            Ok(settings)
        } else {
            // Whoever found a problem may have had no more than the value.
            self.reader.problems.reword(|message| self.reader.references.hide(message));
            Err(self.reader.problems.finish(self.texts))
        };
        (result, self.inputs)
    }
}

/// One form for all ways to name a file.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
