//! Reads certificates and keys into the configuration of a TLS listener (RFC 5425). It decides nothing about
//! who may send beyond what the certificates say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or holds no PEM of that kind.
    #[error("cannot read {what} from {path}: {source}")]
    File {
        /// `a certificate`, `a private key`, `a certificate authority`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds nothing of what is wanted.
    #[error("{path} holds no certificate in PEM form")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The parts do not fit together.
    #[error("the certificate in {path} cannot be used: {source}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The authorities cannot be used to check senders.
    #[error("the authorities in {path} cannot be used to check senders: {why}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

impl Error {
    /// The file that it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::File { path, .. }
            | Self::Empty { path }
            | Self::Unfit { path, .. }
            | Self::Authorities { path, .. } => path,
        }
    }
}

/// A configuration with the certificate chain and key of these PEM files. With `clients`, a file of
/// certificate authorities, only senders with a certificate of one of them are let in.
///
/// # Errors
/// A file that cannot be read, or parts that do not fit together.
pub fn server(
    chain: &Path,
    key: &Path,
    clients: Option<&Path>,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Unfit { path: chain.to_owned(), source })?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = rustls::RootCertStore::empty();
            let unfit = |why: String| Error::Authorities { path: path.to_owned(), why };
            for authority in certificates(path, "a certificate authority")? {
                roots.add(authority).map_err(|why| unfit(why.to_string()))?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|why| unfit(why.to_string()))?)
        }
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| Error::File {
        what: "a private key",
        path: key.to_owned(),
        source,
    })?;
    let config = builder
        .with_single_cert(certificates(chain, "a certificate")?, private)
        .map_err(|source| Error::Unfit { path: chain.to_owned(), source })?;
    Ok(Arc::new(config))
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |source| Error::File { what, path: path.to_owned(), source };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if found.is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    Ok(found)
}
