//! Proves to a device who we are. Each way is tried once: a second wrong password may lock an account.

use std::sync::Arc;

use model::{Login, Secret};
use russh::MethodKind;
use russh::MethodSet;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Reply};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, decode_secret_key};

use super::connect::Guard;
use super::error::SessionError;

/// Keys of an agent that are offered before giving up: servers count each as a try.
const MAX_AGENT_KEYS: usize = 3;

/// Rounds of questions that a server may ask.
const MAX_ROUNDS: usize = 5;

/// What was tried so far.
struct Attempt<'a> {
    handle: &'a mut Handle<Guard>,
    device: &'a str,
    login: &'a Login,
    tried: Vec<&'static str>,
    accepts: Option<MethodSet>,
}

/// Logs in by what the login has: key, agent, password.
pub(super) async fn authenticate(
    handle: &mut Handle<Guard>,
    device: &str,
    login: &Login,
) -> Result<(), SessionError> {
    let mut attempt = Attempt { handle, device, login, tried: Vec::new(), accepts: None };
    if let Some(key) = &login.key
        && attempt.key(key).await?
    {
        return Ok(());
    }
    if login.agent && attempt.agent().await? {
        return Ok(());
    }
    if attempt.password().await? {
        return Ok(());
    }
    Err(attempt.refused())
}

impl Attempt<'_> {
    async fn key(&mut self, key: &Secret) -> Result<bool, SessionError> {
        let passphrase = self.login.passphrase.as_ref().map(Secret::reveal);
        let key = decode_secret_key(key.reveal(), passphrase)
            .map_err(|why| self.credential("private key", why.to_string()))?;
        let hash = self.hash(&key.algorithm()).await?;
        self.tried.push("publickey");
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let result = self.handle.authenticate_publickey(&self.login.user, key).await;
        self.note(result)
    }

    async fn agent(&mut self) -> Result<bool, SessionError> {
        let unusable = |why: russh::keys::Error| self.credential("SSH agent", why.to_string());
        let mut agent = AgentClient::connect_env().await.map_err(unusable)?;
        let keys = agent.request_identities().await.map_err(unusable)?;
        for identity in keys.into_iter().take(MAX_AGENT_KEYS) {
            let AgentIdentity::PublicKey { key, .. } = identity else { continue };
            let hash = self.hash(&key.algorithm()).await?;
            self.tried.push("publickey of the agent");
            let user = self.login.user.clone();
            let result = self.handle.authenticate_publickey_with(user, key, hash, &mut agent).await;
            let result = result.map_err(|why| self.credential("SSH agent", why.to_string()))?;
            if self.note(Ok(result))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Password or questions, whichever the server takes; it is asked first, so that neither is wasted.
    async fn password(&mut self) -> Result<bool, SessionError> {
        if self.accepts.is_none() {
            let result = self.handle.authenticate_none(&self.login.user).await;
            if self.note(result)? {
                return Ok(true);
            }
        }
        let Some(password) = &self.login.password else { return Ok(false) };
        let accepts = |kind| self.accepts.as_ref().is_some_and(|set| set.contains(&kind));
        if accepts(MethodKind::Password) {
            self.tried.push("password");
            let user = self.login.user.as_str();
            let result = self.handle.authenticate_password(user, password.reveal()).await;
            self.note(result)
        } else if accepts(MethodKind::KeyboardInteractive) {
            self.tried.push("keyboard-interactive");
            self.questions(password).await
        } else {
            Ok(false)
        }
    }

    async fn questions(&mut self, password: &Secret) -> Result<bool, SessionError> {
        let user = self.login.user.as_str();
        let start = self.handle.authenticate_keyboard_interactive_start(user, None::<String>).await;
        let mut reply = start.map_err(|why| self.ssh(why))?;
        let mut told = false;
        for _ in 0..MAX_ROUNDS {
            let prompts = match reply {
                Reply::Success => return Ok(true),
                Reply::Failure { remaining_methods, .. } => {
                    self.accepts = Some(remaining_methods);
                    return Ok(false);
                }
                Reply::InfoRequest { prompts, .. } => prompts,
            };
            let mut answers = Vec::with_capacity(prompts.len());
            for prompt in &prompts {
                let text = prompt.prompt.to_ascii_lowercase();
                let for_password = !prompt.echo && text.contains("password");
                if !for_password || told {
                    // A second question for the password means that the first answer was wrong; a code
                    // or a new password is nothing that we have.
                    let why = format!("the device asks {:?}", prompt.prompt.trim());
                    return Err(self.credential("answer to a question at login", why));
                }
                told = true;
                answers.push(password.reveal().to_owned());
            }
            let next = self.handle.authenticate_keyboard_interactive_respond(answers).await;
            reply = next.map_err(|why| self.ssh(why))?;
        }
        Ok(false)
    }

    /// What an RSA key signs with; SHA-1 only where old algorithms may be spoken.
    async fn hash(&self, algorithm: &Algorithm) -> Result<Option<HashAlg>, SessionError> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        let best = self.handle.best_supported_rsa_hash().await.map_err(|why| self.ssh(why))?;
        Ok(match best {
            Some(Some(hash)) => Some(hash),
            Some(None) | None if self.login.legacy => None,
            Some(None) | None => Some(HashAlg::Sha512),
        })
    }

    fn note(&mut self, result: Result<AuthResult, russh::Error>) -> Result<bool, SessionError> {
        match result.map_err(|why| self.ssh(why))? {
            AuthResult::Success => Ok(true),
            AuthResult::Failure { remaining_methods, .. } => {
                self.accepts = Some(remaining_methods);
                Ok(false)
            }
        }
    }

    fn refused(&self) -> SessionError {
        // A server leaves out what was tried already: nothing means nothing further.
        let list = |words: Vec<String>| match words.len() {
            0 => "nothing".to_owned(),
            _ => words.join(", "),
        };
        let accepts = self.accepts.iter().flat_map(|set| set.iter()).map(String::from);
        SessionError::Authentication {
            device: self.device.to_owned(),
            user: self.login.user.clone(),
            tried: list(self.tried.iter().map(|word| (*word).to_owned()).collect()),
            accepts: list(accepts.collect()),
        }
    }

    fn credential(&self, what: &'static str, why: String) -> SessionError {
        SessionError::Credential { device: self.device.to_owned(), what, why }
    }

    fn ssh(&self, why: russh::Error) -> SessionError {
        SessionError::Ssh { device: self.device.to_owned(), doing: "the login", why }
    }
}
