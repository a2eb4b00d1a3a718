//! A simulated VeloCloud Orchestrator: logins, tokens, and the questions about links, readings, events and places
//! that a client asks, over HTTP or HTTPS, with troubles of the network and faults of its own. What it tells is
//! made up and says SIMULATION. It knows nothing of the code that asks it, and keeps to the pace of its clock.
//!
//! Reading order: [`OrchestratorOptions`], [`Trouble`], [`OrchestratorFault`]; [`Orchestrator`]; then `fleet`, what
//! it knows, `http`, how it is asked, and `certificate`.

mod certificate;
mod fleet;
mod http;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::{Clock, UnixMs};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

pub use certificate::Certificate;
use fleet::Fleet;
use http::{Asked, Reply};

/// What an orchestrator is.
#[derive(Clone, Debug)]
pub struct OrchestratorOptions {
    /// How many edges it has.
    pub edges: u32,
    /// How many links each has.
    pub links: u32,
    /// How many gateways the edges are spread over.
    pub gateways: u32,
    /// The token that it takes.
    pub token: String,
    /// Name and password that it takes.
    pub user: (String, String),
    /// Time before each answer.
    pub latency: Duration,
    /// What becomes of its links.
    pub troubles: Vec<Trouble>,
    /// From when on troubles come.
    pub began: UnixMs,
    /// After so long they come again; zero: never.
    pub cycle: Duration,
    /// What it does wrong itself.
    pub faults: Vec<OrchestratorFault>,
    /// It takes questions by JSON-RPC alone, and logins.
    pub rpc_alone: bool,
}

impl OrchestratorOptions {
    /// One that behaves, and so do its links.
    pub fn new(edges: u32, links: u32) -> Self {
        Self {
            edges,
            links,
            gateways: 2,
            token: "lab".to_owned(),
            user: ("lab".to_owned(), "lab".to_owned()),
            latency: Duration::ZERO,
            troubles: Vec::new(),
            began: UnixMs(0),
            cycle: Duration::ZERO,
            faults: Vec::new(),
            rpc_alone: false,
        }
    }

    /// The same with something to see: within an hour and a half a slow link, a gateway that loses packets and
    /// an edge that is down, again and again.
    #[must_use]
    pub fn with_troubles(mut self, began: UnixMs) -> Self {
        let minutes = Duration::from_mins;
        let trouble = |of, what, starts, lasts| Trouble { of, what, starts, lasts };
        self.troubles = vec![
            trouble(Of::Link(1, 1), What::Slow(90.0), minutes(5), minutes(20)),
            trouble(Of::Gateway(1), What::Lossy(8.0), minutes(35), minutes(15)),
            trouble(Of::Edge(2), What::Down, minutes(60), minutes(15)),
        ];
        (self.began, self.cycle) = (began, minutes(90));
        self
    }
}

/// Something that happens to links for a while.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Whose trouble it is.
    pub of: Of,
    /// What happens.
    pub what: What,
    /// How long after the beginning it starts.
    pub starts: Duration,
    /// How long it lasts.
    pub lasts: Duration,
}

/// Whose trouble it is. All of them count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// One link of one edge.
    Link(u32, u32),
    /// All links of an edge.
    Edge(u32),
    /// All links of the edges of a gateway.
    Gateway(u32),
}

/// What happens to a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// Its download takes so many milliseconds more.
    Slow(f64),
    /// It loses so many percent more, both ways.
    Lossy(f64),
    /// It is dead, and so is an edge whose links all are.
    Down,
}

/// What an orchestrator does instead of answering, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrchestratorFault {
    /// What it does.
    pub does: Failing,
    /// To which method, as in `linkQualityEvent/getLinkQualityEvents`; `None` is every one, logins among them.
    pub method: Option<&'static str>,
    /// To questions about this edge alone.
    pub edge: Option<u32>,
    /// So many of these questions are answered first.
    pub after: u64,
    /// So many are not.
    pub times: u64,
}

impl OrchestratorFault {
    /// It does this to every question.
    pub fn always(does: Failing) -> Self {
        Self { does, method: None, edge: None, after: 0, times: u64::MAX }
    }
}

/// What an orchestrator can do instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// HTTP 429.
    TooMany,
    /// HTTP 500.
    Error,
    /// The page of a proxy before it.
    Page,
    /// The answer ends in the middle.
    Truncated,
    /// An answer of no bytes.
    Empty,
    /// `null`.
    Null,
    /// The connection ends.
    Reset,
    /// No answer ever comes.
    Silent,
    /// All sessions end, and so the question is refused.
    Expired,
}

impl Failing {
    /// All of them by their names.
    pub const ALL: [(&str, Self); 9] = [
        ("429", Self::TooMany),
        ("500", Self::Error),
        ("page", Self::Page),
        ("truncated", Self::Truncated),
        ("empty", Self::Empty),
        ("null", Self::Null),
        ("reset", Self::Reset),
        ("silent", Self::Silent),
        ("expired", Self::Expired),
    ];

    /// The one that is called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, failing)| failing)
    }
}

/// A simulated orchestrator; clones are the same one.
#[derive(Clone, Debug)]
pub struct Orchestrator {
    fleet: Arc<Fleet>,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashSet<String>,
    /// How often it was asked, by method.
    asked: BTreeMap<String, u64>,
    /// How many questions met each fault's condition.
    met: Vec<u64>,
    logins: u64,
}

/// What of a question's parameters concerns more than one kind of question.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Params {
    edge_id: Option<u32>,
    id: Option<u32>,
    interval: Interval,
    username: String,
    password: String,
}

/// A question by JSON-RPC 2.0.
#[derive(Deserialize)]
struct Rpc {
    method: String,
    #[serde(default)]
    params: Params,
}

/// A span in milliseconds since 1970.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Interval {
    start: i64,
    end: i64,
}

impl Orchestrator {
    /// An orchestrator that stands at the time of `clock`.
    pub fn new(options: OrchestratorOptions, clock: Arc<dyn Clock>) -> Self {
        let state = State { met: vec![0; options.faults.len()], ..State::default() };
        Self { fleet: Arc::new(Fleet::new(options)), clock, state: Arc::new(Mutex::new(state)) }
    }

    /// How often it was asked since its start, by method; `login` counts both kinds.
    pub fn asked(&self) -> BTreeMap<String, u64> {
        self.locked().asked.clone()
    }

    /// Answers whoever connects, for ever; over TLS if there is a certificate.
    ///
    /// # Errors
    /// The listener fails, or the certificate cannot be used.
    pub async fn listen(
        &self,
        listener: TcpListener,
        certificate: Option<&Certificate>,
    ) -> io::Result<()> {
        let tls = certificate.map(Certificate::acceptor).transpose()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (this, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                // Whoever hangs up or does not trust us is gone: there is nobody to tell.
                match tls {
                    None => drop(this.serve(stream).await),
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            drop(this.serve(stream).await);
                        }
                    }
                }
            });
        }
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut connection = http::Connection::new(stream);
        while let Some(asked) = connection.next().await? {
            let latency = self.fleet.options.latency;
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            if !connection.answer(self.answer(&asked)).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&self, asked: &Asked) -> Reply {
        if asked.path == "/portal/" {
            return match serde_json::from_slice::<Rpc>(&asked.body) {
                Ok(Rpc { method, params }) => self.put(asked, &method, &params).by_rpc(),
                Err(_) => refused("parse error"),
            };
        }
        let path = asked.path.strip_prefix("/portal/rest/");
        let rpc_alone = self.fleet.options.rpc_alone;
        let known = path.filter(|path| !rpc_alone || path.starts_with("login/"));
        match (known, serde_json::from_slice::<Params>(&asked.body)) {
            (None, _) => Reply::of(404, "text/plain", b"SIMULATION: no such page".to_vec()),
            (Some(_), Err(_)) => refused("parse error"),
            (Some(path), Ok(params)) => self.put(asked, path, &params),
        }
    }

    /// Puts a question, by either way.
    fn put(&self, asked: &Asked, path: &str, params: &Params) -> Reply {
        let login = path.starts_with("login/");
        let method = if login { "login" } else { path };
        let fault = self.fault(method, path, params.edge_id.or(params.id));
        match fault {
            Some(Failing::Truncated | Failing::Expired) | None => {}
            Some(failing) => return failing.reply(),
        }
        if login {
            return self.log_in(path, params);
        }
        if let Err(why) = self.admit(asked) {
            return refused(why);
        }
        let reply = self.call(path, params);
        if fault == Some(Failing::Truncated) { reply.cut() } else { reply }
    }

    /// Counts a question; what is done instead of answering it, if something is.
    fn fault(&self, method: &str, path: &str, edge: Option<u32>) -> Option<Failing> {
        let mut state = self.locked();
        *state.asked.entry(method.to_owned()).or_default() += 1;
        let mut does = None;
        for (number, fault) in self.fleet.options.faults.iter().enumerate() {
            let concerned = fault.method.is_none_or(|wanted| wanted == method || wanted == path)
                && fault.edge.is_none_or(|wanted| edge == Some(wanted));
            if concerned {
                let met = state.met[number];
                state.met[number] += 1;
                let now = met >= fault.after && met - fault.after < fault.times;
                does = does.or(now.then_some(fault.does));
            }
        }
        if does == Some(Failing::Expired) {
            state.sessions.clear();
        }
        does
    }

    fn admit(&self, asked: &Asked) -> Result<(), &'static str> {
        if let Some(token) = asked.token.as_deref() {
            let known = token == self.fleet.options.token;
            return if known { Ok(()) } else { Err("tokenError [invalid token]") };
        }
        let known = asked.session.as_ref().is_some_and(|id| self.locked().sessions.contains(id));
        if known { Ok(()) } else { Err("tokenError [expired session cookie]") }
    }

    fn log_in(&self, path: &str, params: &Params) -> Reply {
        let (user, password) = &self.fleet.options.user;
        let mut state = self.locked();
        state.logins += 1;
        if path == "login/enterpriseLogin"
            && (&params.username, &params.password) == (user, password)
        {
            let id = format!("simulation-{}", state.logins);
            let cookie = format!("velocloud.session={id}; Path=/; Secure; HttpOnly");
            state.sessions.insert(id);
            return Reply::json(200, b"{}".to_vec()).with("Set-Cookie", cookie);
        }
        Reply::of(302, "text/plain", Vec::new())
            .with("Set-Cookie", "velocloud.message=Invalid%20credentials; Path=/".to_owned())
            .with("Location", "/login/".to_owned())
    }

    fn call(&self, method: &str, params: &Params) -> Reply {
        let (fleet, now) = (&self.fleet, self.clock.now_ms());
        let edge = params.edge_id.or(params.id);
        let edge = edge.filter(|edge| (1..=fleet.options.edges).contains(edge));
        // The years 1970 to 9999.
        let time = |at: i64| at.clamp(0, 253_402_300_799_999);
        let (start, end) = (time(params.interval.start), time(params.interval.end));
        let body = match (method, edge) {
            ("monitoring/getAggregateEdgeLinkMetrics", _) => fleet.links(now),
            ("event/getEnterpriseEvents", _) => {
                let rows = fleet.events(start, end.min(now.0));
                json!({ "metaData": { "more": false }, "data": rows }).to_string().into_bytes()
            }
            ("enterprise/getEnterprise", _) => bytes(&fleet::customer()),
            ("enterprise/getEnterpriseEdges", _) => bytes(&fleet.sites()),
            ("linkQualityEvent/getLinkQualityEvents", Some(edge)) => {
                fleet.readings(edge, start, end, now)
            }
            ("edge/getEdgeGatewayAssignments", Some(edge)) => bytes(&fleet.gateways(edge)),
            ("linkQualityEvent/getLinkQualityEvents" | "edge/getEdgeGatewayAssignments", None) => {
                return refused("invalid params: edgeId");
            }
            _ => return refused("methodError"),
        };
        Reply::json(200, body)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock can panic")
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// A refusal as orchestrators write it: those of a session come with success.
fn refused(why: &str) -> Reply {
    let status = if why.starts_with("tokenError") { 200 } else { 400 };
    let error = json!({ "error": { "code": -32_000, "message": why } });
    Reply::json(status, bytes(&error))
}

impl Failing {
    /// What comes in place of an answer.
    fn reply(self) -> Reply {
        let page = b"<html><body><h1>502 Bad Gateway</h1></body></html>";
        match self {
            Self::TooMany => Reply::of(429, "text/plain", b"Too Many Requests".to_vec()),
            Self::Error => Reply::of(500, "text/plain", b"SIMULATION of an error".to_vec()),
            Self::Page => Reply::of(502, "text/html", page.to_vec()),
            Self::Empty | Self::Truncated | Self::Expired => Reply::json(200, Vec::new()),
            Self::Null => Reply::json(200, b"null".to_vec()),
            Self::Reset => Reply::hang_up(),
            Self::Silent => Reply::silence(),
        }
    }
}
