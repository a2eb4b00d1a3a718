//! One orchestrator to ask: authentication, the pace of questions, what to try again, and what an answer
//! is. It must not know what the answers mean.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::Secret;
use model::text::printable;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::address::Address;
use super::answer::{self, Said};
use super::cookie;
use crate::sdwan::{BadConfig, Error, Gate, QUOTED, explain, http, pause, retry_after};

/// Further tries of a question that failed for a reason that may pass.
const RETRIES: u32 = 3;
/// Further tries of a question that was refused with 429.
const LIMITED_RETRIES: u32 = 12;
/// How long no login is tried after one was refused: accounts are locked after a handful of failures.
const HOLD: Duration = Duration::from_hours(1);
/// Largest answer that is read: 10,000 links are about 15 MiB.
const MAX_ANSWER: usize = 256 << 20;

/// How an orchestrator is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it is.
    pub address: Address,
    /// What opens it.
    pub credential: Credential,
    /// PEM certificates that are trusted instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// Proxy to go through; `None` is what `HTTPS_PROXY` and `NO_PROXY` say.
    pub proxy: Option<String>,
    /// For one question and its whole answer.
    pub timeout: Duration,
}

impl Config {
    /// For one question and its whole answer, if nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_mins(1);
}

/// What opens an orchestrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An API token.
    Token(Secret),
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
        /// Whose login it is; `None` tries both, customers' first.
        login: Option<Login>,
    },
}

/// Whose login a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Customers and partners.
    Enterprise,
    /// Those who run the orchestrator.
    Operator,
}

impl Login {
    fn method(self) -> &'static str {
        match self {
            Login::Enterprise => "login/enterpriseLogin",
            Login::Operator => "login/operatorLogin",
        }
    }
}

/// An orchestrator to ask. Questions may be asked from many tasks at once; they wait for each other.
#[derive(Debug)]
pub struct Client {
    address: Address,
    at: String,
    credential: Credential,
    http: reqwest::Client,
    timeout: Duration,
    gate: Gate,
    session: Mutex<Session>,
    /// How it takes questions, once it took one.
    form: OnceLock<Form>,
}

/// How questions are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// At a path for each method.
    Paths,
    /// By JSON-RPC 2.0, all at one path.
    Rpc,
}

/// The login that holds, if it is by name and password.
#[derive(Debug, Default)]
struct Session {
    cookie: Option<Arc<str>>,
    /// The login that worked.
    login: Option<Login>,
    /// When and with which words a login was refused.
    refused: Option<(Instant, String)>,
}

/// What one request carries.
struct Pass {
    header: (reqwest::header::HeaderName, HeaderValue),
    /// The session it belongs to.
    cookie: Option<Arc<str>>,
}

impl Client {
    /// Makes a client; contacts nobody.
    ///
    /// # Errors
    /// What is wrong with the CA file or the proxy.
    pub fn new(config: Config) -> Result<Self, BadConfig> {
        let at = config.address.to_string();
        let trust = (config.ca.as_deref(), config.proxy.as_deref());
        let http = http(&at, config.address.is_local(), trust, config.timeout)?;
        let Config { address, credential, timeout, .. } = config;
        let (gate, session) = (Gate::new(), Mutex::default());
        let form = OnceLock::new();
        Ok(Self { address, at, credential, http, timeout, gate, session, form })
    }

    /// Scheme, host and port.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Asks `method`, as in `enterprise/getEnterpriseEdges`. What may pass is tried again a few times, a
    /// session that has ended is renewed once, a 429 is waited out. Where no path of a method is
    /// found it is asked by JSON-RPC.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(params).expect("parameters are numbers and text");
        let (mut failures, mut limited, mut renewed) = (0, 0, false);
        let mut form = self.form.get().copied().unwrap_or(Form::Paths);
        loop {
            let pass = self.pass().await?;
            let cookie = pass.cookie.clone();
            let failed = match self.once((method, form), &body, pass).await {
                Ok(answer) => {
                    self.form.get_or_init(|| form);
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            match &failed {
                Error::Limited { .. } if limited < LIMITED_RETRIES => limited += 1,
                Error::Status { status: 404, .. }
                    if form == Form::Paths && self.form.get().is_none() =>
                {
                    form = Form::Rpc;
                }
                Error::Session { .. } if !renewed && cookie.is_some() => {
                    renewed = true;
                    self.forget(cookie).await;
                }
                failed if failed.is_passing() && failures < RETRIES => {
                    failures += 1;
                    sleep(pause(failures)).await;
                }
                _ => return Err(failed),
            }
        }
    }

    /// What the next request carries; logs in where that is needed.
    async fn pass(&self) -> Result<Pass, Error> {
        match &self.credential {
            Credential::Token(token) => {
                let value = format!("Token {}", token.reveal());
                let header = (AUTHORIZATION, sensitive(&value).ok_or_else(|| self.no_token())?);
                Ok(Pass { header, cookie: None })
            }
            Credential::Password { username, password, login } => {
                // Held while logging in: those who come meanwhile wait for this one login.
                let mut session = self.session.lock().await;
                let cookie = match &session.cookie {
                    Some(cookie) => Arc::clone(cookie),
                    None => self.log_in(&mut session, (username, password), *login).await?,
                };
                let value = format!("{}={cookie}", cookie::SESSION);
                let value = sensitive(&value).ok_or_else(|| Error::Answer {
                    at: self.at.clone(),
                    method: "login",
                    why: "its session cookie holds characters that no header can".to_owned(),
                })?;
                Ok(Pass { header: (COOKIE, value), cookie: Some(cookie) })
            }
        }
    }

    fn no_token(&self) -> Error {
        let why = "it holds characters that no token has".to_owned();
        Error::Token { at: self.at.clone(), why }
    }

    /// Forgets a session that has ended, unless another task has renewed it already.
    async fn forget(&self, ended: Option<Arc<str>>) {
        let mut session = self.session.lock().await;
        if session.cookie == ended {
            session.cookie = None;
        }
    }

    async fn log_in(
        &self,
        session: &mut Session,
        (username, password): (&str, &Secret),
        login: Option<Login>,
    ) -> Result<Arc<str>, Error> {
        let refusal = |why: &str| Error::Login {
            at: self.at.clone(),
            username: printable(username, 80),
            why: why.to_owned(),
            hold: HOLD,
        };
        if let Some((at, why)) = &session.refused
            && at.elapsed() < HOLD
        {
            return Err(refusal(why));
        }
        let one = login.or(session.login);
        let ways = one.map_or(vec![Login::Enterprise, Login::Operator], |login| vec![login]);
        let mut said = String::new();
        for way in ways {
            let answer = self.try_login(way, username, password).await?;
            match answer {
                Ok(cookie) => {
                    let cookie: Arc<str> = cookie.into();
                    *session = Session {
                        cookie: Some(Arc::clone(&cookie)),
                        login: Some(way),
                        refused: None,
                    };
                    return Ok(cookie);
                }
                // What the customers' login says is what most people need to hear.
                Err(why) if said.is_empty() => said = why,
                Err(_) => {}
            }
        }
        session.refused = Some((Instant::now(), said.clone()));
        Err(refusal(&said))
    }

    /// One login: the outer failure is of the way, the inner one is the orchestrator's no. Only a session
    /// cookie with a value is a yes: statuses are 200 or 302 for both.
    async fn try_login(
        &self,
        login: Login,
        username: &str,
        password: &Secret,
    ) -> Result<Result<String, String>, Error> {
        #[derive(Serialize)]
        struct Params<'p> {
            username: &'p str,
            password: &'p str,
        }
        let params = Params { username, password: password.reveal() };
        let body = serde_json::to_vec(&params).expect("a name and a password are text");
        let (mut failures, mut limited) = (0, 0);
        loop {
            let failed =
                match self.send(login.method(), &path(login.method()), body.clone(), None).await {
                    Ok((status, headers, body)) => {
                        if let Some(session) = cookie::value(&headers, cookie::SESSION) {
                            return Ok(Ok(session));
                        }
                        match self.no_login(login.method(), status, &headers, &body) {
                            Ok(refusal) => return Ok(Err(refusal)),
                            Err(failed) => failed,
                        }
                    }
                    Err(failed) => failed,
                };
            match &failed {
                Error::Limited { .. } if limited < LIMITED_RETRIES => limited += 1,
                failed if failed.is_passing() && failures < RETRIES => {
                    failures += 1;
                    sleep(pause(failures)).await;
                }
                _ => return Err(failed),
            }
        }
    }

    /// What an answer to a login without a session means: a refusal, or a server in trouble.
    fn no_login(
        &self,
        method: &'static str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<String, Error> {
        if let Some(message) = cookie::value(headers, cookie::MESSAGE) {
            return Ok(self.quote(&cookie::decode(&message)));
        }
        if let Some(Said { message, .. }) = answer::refusal(body) {
            return Ok(self.quote(&message));
        }
        if status.is_server_error() || status == StatusCode::NOT_FOUND {
            return Err(self.status(method, status, body));
        }
        Ok(format!("it gave no session (HTTP {})", status.as_u16()))
    }

    /// Asks once.
    async fn once<T: DeserializeOwned>(
        &self,
        (method, form): (&'static str, Form),
        body: &[u8],
        pass: Pass,
    ) -> Result<T, Error> {
        let by_token = pass.cookie.is_none();
        let (path, body) = match form {
            Form::Paths => (path(method), body.to_vec()),
            Form::Rpc => ("portal/".to_owned(), answer::rpc(method, body)),
        };
        let (status, _, body) = self.send(method, &path, body, Some(pass)).await?;
        let at = || self.at.clone();
        if let Some(Said { message, session_ended }) = answer::refusal(&body) {
            let message = self.quote(&message);
            return Err(match (session_ended, by_token) {
                (true, true) => Error::Token { at: at(), why: message },
                (true, false) => Error::Session { at: at(), method },
                (false, _) => Error::Refused { at: at(), method, message },
            });
        }
        if status == StatusCode::UNAUTHORIZED {
            let why = "HTTP 401".to_owned();
            return Err(if by_token {
                Error::Token { at: at(), why }
            } else {
                Error::Session { at: at(), method }
            });
        }
        if !status.is_success() {
            return Err(self.status(method, status, &body));
        }
        let read = match form {
            Form::Paths => answer::read(&body),
            Form::Rpc => answer::read_rpc(&body),
        };
        read.map_err(|why| Error::Answer { at: at(), method, why })
    }

    /// Sends a request when the gate lets it pass, and reads all of its answer.
    async fn send(
        &self,
        method: &'static str,
        path: &str,
        body: Vec<u8>,
        pass: Option<Pass>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Error> {
        let _slot = self.gate.pass().await;
        let url = self.address.join(path);
        let mut request = self.http.post(url).header(CONTENT_TYPE, "application/json");
        if let Some(Pass { header: (name, value), .. }) = pass {
            request = request.header(name, value);
        }
        let sent = request.body(body).send().await;
        let response = sent.map_err(|error| self.explain(method, &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status == StatusCode::TOO_MANY_REQUESTS {
            self.gate.stop(retry_after(&headers));
            return Err(Error::Limited { at: self.at.clone(), method });
        }
        let body = self.read(method, response).await?;
        Ok((status, headers, body))
    }

    async fn read(&self, method: &'static str, mut response: Response) -> Result<Vec<u8>, Error> {
        // As long as it says it is, as far as that is common.
        let length = response.content_length().unwrap_or_default().min(1 << 20);
        let mut body = Vec::with_capacity(length as usize);
        loop {
            match response.chunk().await {
                Ok(None) => return Ok(body),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Err(error) => return Err(self.explain(method, &error)),
            }
            if body.len() > MAX_ANSWER {
                let why = format!("it is larger than {} MiB", MAX_ANSWER >> 20);
                return Err(Error::Answer { at: self.at.clone(), method, why });
            }
        }
    }

    fn explain(&self, method: &'static str, error: &reqwest::Error) -> Error {
        explain(error, (&self.at, method), self.timeout, self.secret())
    }

    fn status(&self, method: &'static str, status: StatusCode, body: &[u8]) -> Error {
        let body = self.quote(&answer::beginning(body));
        Error::Status { at: self.at.clone(), method, status: status.as_u16(), body }
    }

    /// What others said, fit to be shown: short, printable, without our secret should they quote it.
    fn quote(&self, text: &str) -> String {
        printable(&self.secret().redact(text), QUOTED)
    }

    fn secret(&self) -> &Secret {
        let (Credential::Token(secret) | Credential::Password { password: secret, .. }) =
            &self.credential;
        secret
    }
}

/// The path of a method of its own.
fn path(method: &str) -> String {
    format!("portal/rest/{method}")
}

/// A header that is never logged; `None`: not all characters may stand in one.
fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
