//! Whom a channel with a `ca` of its own trusts: servers whose certificate is signed by one in that file, and
//! the very certificates in it. The second is what a server with a self-signed certificate needs: tools make
//! these as CA certificates, which webpki accepts from no server. It must not trust anybody else.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::BadChannel;

/// TLS settings that trust the certificates in `pem` and those they signed, nobody else. `at` is the server,
/// for the error.
pub(super) fn config(pem: &[u8], at: &str) -> Result<ClientConfig, BadChannel> {
    let unusable = |error: &dyn std::fmt::Display| {
        BadChannel(format!("the certificates trusted for {at} cannot be used: {error}"))
    };
    let own: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&error))?;
    if own.is_empty() {
        return Err(BadChannel(format!("the CA file of {at} holds no PEM certificate")));
    }
    let mut roots = RootCertStore::empty();
    for certificate in &own {
        roots.add(certificate.clone()).map_err(|error| unusable(&error))?;
    }
    let provider = Arc::new(default_provider());
    let signed =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| unusable(&error))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { signed, own }))
        .with_no_client_auth();
    Ok(config)
}

/// Webpki's rules, and the certificates that need no signature since the user named them.
#[derive(Debug)]
struct Verifier {
    signed: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// Whether this is a CA certificate that the user named, shown by the server itself. Webpki looks at the
    /// validity before it looks at this, so the certificate is neither expired nor from the future.
    fn is_named(&self, shown: &CertificateDer<'_>, why: &Error) -> bool {
        let Error::InvalidCertificate(CertificateError::Other(why)) = why else { return false };
        let ca = why.0.downcast_ref::<webpki::Error>();
        ca == Some(&webpki::Error::CaUsedAsEndEntity) && self.own.iter().any(|own| own == shown)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let signed = &self.signed;
        let found =
            signed.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match found {
            Err(why) if self.is_named(end_entity, &why) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            found => found,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
