//! A certificate for a server on loopback, signed by an authority that exists for its sake alone.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate, its key, and the authority that a client has to trust.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    authority: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Certificate {
    /// A new one for these names and addresses.
    ///
    /// # Errors
    /// A name is none.
    pub fn new(names: &[&str]) -> io::Result<Self> {
        let made = || -> Result<Self, rcgen::Error> {
            let mut params = CertificateParams::new(Vec::new())?;
            params.distinguished_name.push(DnType::CommonName, "netmend SIMULATION");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
            let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let key = KeyPair::generate()?;
            let server = CertificateParams::new(names)?.signed_by(&key, &authority)?;
            let key = PrivatePkcs8KeyDer::from(key.serialize_der());
            Ok(Self { chain: vec![server.der().clone()], key, authority: authority.pem() })
        };
        made().map_err(io::Error::other)
    }

    /// The authority's certificate in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What accepts connections with it.
    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let key = PrivateKeyDer::from(self.key.clone_key());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(self.chain.clone(), key)
            })
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
