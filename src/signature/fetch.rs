//! Fetches one certificate over HTTP, within bounds.
//!
//! TLS is verified; a redirect is a failure and not followed, since it would lead away from the
//! host that was checked; the environment's proxy settings are ignored. Blocking: `certificates.rs`
//! runs it off the async threads and sees to it that it runs rarely.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use ureq::{Agent, Proxy};

use crate::signature::certificate::{CERTIFICATE_BYTES_MAX, Certificate, CertificateError};
use crate::signature::urls::CertificateUrl;

/// Fetches certificates with one set of options.
#[derive(Debug)]
pub(super) struct Fetcher {
    agent: Agent,
}

/// The text of `[verify] proxy` is no address of a proxy.
#[derive(Debug, Error)]
#[error("cannot use the proxy's address, expected one such as `http://proxy.example:3128`")]
pub struct ProxyError(#[source] ureq::Error);

/// Why a certificate was not fetched. Cloned to everyone who waited for it.
#[derive(Clone, Debug, Error)]
pub enum FetchError {
    /// The host cannot be reached, its TLS certificate is not good, or it took too long.
    #[error("cannot fetch the certificate")]
    Network(#[source] Arc<ureq::Error>),
    /// The answer broke off or took too long.
    #[error("cannot read the certificate to its end")]
    Body(#[source] Arc<std::io::Error>),
    /// Something else than 200; redirects too.
    #[error("cannot fetch the certificate, its host answered with status {0}")]
    Status(u16),
    /// The host answered 200 with something else.
    #[error("cannot use what was fetched as a certificate")]
    Malformed(#[source] CertificateError),
}

impl Fetcher {
    /// `timeout` is for all of one fetch, from the name look-up to the last byte.
    pub(super) fn new(proxy: Option<&str>, timeout: Duration) -> Result<Fetcher, ProxyError> {
        let proxy = proxy.map(Proxy::new).transpose().map_err(ProxyError)?;
        let config = Agent::config_builder()
            // Given also when there is none: left out, the environment's would be taken.
            .proxy(proxy)
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // Fetches are minutes apart at best; a kept connection would only be a stale one.
            .max_idle_connections(0)
            .user_agent(concat!("mpsink/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Fetcher {
            agent: config.new_agent(),
        })
    }

    /// Fetches the certificate and returns it with the bytes it came as.
    pub(super) fn fetch(&self, url: &CertificateUrl) -> Result<(Certificate, Vec<u8>), FetchError> {
        let network = |error| FetchError::Network(Arc::new(error));
        let mut response = self.agent.get(url.as_str()).call().map_err(network)?;
        if response.status().as_u16() != 200 {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut bytes = Vec::new();
        // One byte more than may come, so that a longer body is seen to be longer.
        let bytes_max = u64::try_from(CERTIFICATE_BYTES_MAX).unwrap_or(u64::MAX);
        let mut reader = response.body_mut().as_reader().take(bytes_max + 1);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| FetchError::Body(Arc::new(error)))?;
        let certificate = Certificate::parse(&bytes).map_err(FetchError::Malformed)?;
        Ok((certificate, bytes))
    }
}
