//! A command on a channel of its own, for platforms that have a status for each. No terminal, no prompt.

use std::time::Duration;

use russh::ChannelMsg;
use russh::client::Handle;
use tokio::time::timeout;

use super::connect::Guard;

/// What a command did.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) output: Vec<u8>,
    pub(super) errors: Vec<u8>,
    /// Its status; `None` if a signal ended it or the device did not say.
    pub(super) status: Option<u32>,
}

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Failure {
    Silent,
    TooLong,
    Ssh(russh::Error),
    /// The device does not run commands.
    Denied,
}

/// Runs a command to its end.
pub(super) async fn run(
    handle: &Handle<Guard>,
    command: &str,
    limit: Duration,
    most: usize,
) -> Result<Ran, Failure> {
    let running = async {
        let mut channel = handle.channel_open_session().await.map_err(Failure::Ssh)?;
        channel.exec(true, command).await.map_err(Failure::Ssh)?;
        let mut ran = Ran::default();
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => ran.output.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, .. } => ran.errors.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => ran.status = Some(exit_status),
                ChannelMsg::Failure => return Err(Failure::Denied),
                _ => {}
            }
            if ran.output.len() + ran.errors.len() > most {
                // Not read any more, or its window would be refilled for ever.
                let _ = channel.close().await;
                return Err(Failure::TooLong);
            }
        }
        Ok(ran)
    };
    timeout(limit, running).await.unwrap_or(Err(Failure::Silent))
}
