//! One orchestrator to ask: authentication, the form of questions, and what an answer is. It must not know what the
//! answers mean.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::Secret;
use model::text::printable;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::{self, Said};
use super::cookie;
use crate::sdwan::{Address, Answer, BadConfig, Error, Line, Tries, Trust, read, sensitive};

/// How long no login is tried after one was refused: accounts are locked after a handful of failures.
const HOLD: Duration = Duration::from_hours(1);

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
    line: Line,
    credential: Credential,
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
    header: (HeaderName, HeaderValue),
    /// The session it belongs to.
    cookie: Option<Arc<str>>,
}

impl Client {
    /// Makes a client; contacts nobody.
    ///
    /// # Errors
    /// What is wrong with the CA file or the proxy.
    pub fn new(config: Config) -> Result<Self, BadConfig> {
        let Config { address, credential, ca, proxy, timeout } = config;
        let (Credential::Token(secret) | Credential::Password { password: secret, .. }) =
            &credential;
        let trust = Trust { ca: ca.as_deref(), proxy: proxy.as_deref() };
        let line = Line::new(address, trust, timeout, secret.clone())?;
        Ok(Self { line, credential, session: Mutex::default(), form: OnceLock::new() })
    }

    /// Scheme, host and port.
    pub fn at(&self) -> &str {
        self.line.at()
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
        let (mut tries, mut renewed) = (Tries::default(), false);
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
                Error::Status { status: 404, .. }
                    if form == Form::Paths && self.form.get().is_none() =>
                {
                    form = Form::Rpc;
                }
                Error::Session { .. } if !renewed && cookie.is_some() => {
                    renewed = true;
                    self.forget(cookie).await;
                }
                _ => tries.again(failed).await?,
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
                let value = sensitive(&value).ok_or_else(|| {
                    let why = "its session cookie holds characters that no header can";
                    self.line.senseless("login", why.to_owned())
                })?;
                Ok(Pass { header: (COOKIE, value), cookie: Some(cookie) })
            }
        }
    }

    fn no_token(&self) -> Error {
        let why = "it holds characters that no token has".to_owned();
        Error::Token { at: self.at().to_owned(), why }
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
            at: self.at().to_owned(),
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
        let mut tries = Tries::default();
        loop {
            let failed =
                match self.send(login.method(), &path(login.method()), body.clone(), None).await {
                    Ok(answer) => {
                        if let Some(session) = cookie::value(&answer.headers, cookie::SESSION) {
                            return Ok(Ok(session));
                        }
                        match self.no_login(login.method(), &answer) {
                            Ok(refusal) => return Ok(Err(refusal)),
                            Err(failed) => failed,
                        }
                    }
                    Err(failed) => failed,
                };
            tries.again(failed).await?;
        }
    }

    /// What an answer to a login without a session means: a refusal, or a server in trouble.
    fn no_login(&self, method: &'static str, answer: &Answer) -> Result<String, Error> {
        if let Some(message) = cookie::value(&answer.headers, cookie::MESSAGE) {
            return Ok(self.line.quote(&cookie::decode(&message)));
        }
        if let Some(Said { message, .. }) = answer::refusal(&answer.body) {
            return Ok(self.line.quote(&message));
        }
        if answer.status.is_server_error() || answer.status == StatusCode::NOT_FOUND {
            return Err(self.line.status(method, answer));
        }
        Ok(format!("it gave no session (HTTP {})", answer.status.as_u16()))
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
        let answer = self.send(method, &path, body, Some(pass)).await?;
        let at = || self.at().to_owned();
        if let Some(Said { message, session_ended }) = answer::refusal(&answer.body) {
            let message = self.line.quote(&message);
            return Err(match (session_ended, by_token) {
                (true, true) => Error::Token { at: at(), why: message },
                (true, false) => Error::Session { at: at(), method },
                (false, _) => Error::Refused { at: at(), method, message },
            });
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            let why = "HTTP 401".to_owned();
            return Err(if by_token {
                Error::Token { at: at(), why }
            } else {
                Error::Session { at: at(), method }
            });
        }
        if !answer.status.is_success() {
            return Err(self.line.status(method, &answer));
        }
        let found = match form {
            Form::Paths => read(&answer.body),
            Form::Rpc => answer::result(&answer.body).and_then(read),
        };
        found.map_err(|why| self.line.senseless(method, why))
    }

    async fn send(
        &self,
        method: &'static str,
        path: &str,
        body: Vec<u8>,
        pass: Option<Pass>,
    ) -> Result<Answer, Error> {
        let mut request = self.line.post(path).header(CONTENT_TYPE, "application/json");
        if let Some(Pass { header: (name, value), .. }) = pass {
            request = request.header(name, value);
        }
        self.line.send(method, request.body(body)).await
    }
}

/// The path of a method of its own.
fn path(method: &str) -> String {
    format!("portal/rest/{method}")
}
