//! A signing certificate: the RSA key in it, and what a person wants to know about it.
//!
//! SMQ's real certificate is self-signed, has 512 bits, expired in 2016, and still signs. So
//! neither its dates nor who signed it are checked, here or anywhere: what makes it trustworthy is
//! where it came from (`urls.rs`, over verified TLS).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::RsaPublicKey;
use rsa::pkcs8::spki::Error::KeyMalformed;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey};
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};
use thiserror::Error;
use x509_cert::der::{Decode, Encode};
use x509_cert::time::Time;

use crate::clock::Timestamp;
use crate::signature::opening::OpeningKey;

/// The most bytes a certificate may have, as PEM or DER. The known one has 940; one with a 4096-bit
/// key about 2,000.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// The fewest bits of a key: those of SMQ's own. Shorter ones sign nothing that SMQ has sent.
pub const KEY_BITS_MIN: usize = 512;

/// The most bits of a key, so that checking a signature has a bounded price. `rsa` bounds the
/// public exponent to 33 bits.
pub const KEY_BITS_MAX: usize = 4096;

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// An RSA key with what its certificate says about it.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) key: OpeningKey,
    /// From 512 to 4096.
    pub key_bits: usize,
    /// RFC 4514, such as `CN=notify,OU=Mns,O=Aliyun`; a stranger may have written it.
    pub subject: String,
    /// `None` only for the test key.
    pub not_before: Option<Timestamp>,
    /// `None` only for the test key.
    pub not_after: Option<Timestamp>,
    /// SHA-256 of the DER bytes in lower-case hex.
    pub fingerprint: String,
}

/// Why bytes are no certificate to check signatures with.
#[derive(Clone, Debug, Error)]
pub enum CertificateError {
    #[error("cannot use a certificate of more than {CERTIFICATE_BYTES_MAX} bytes")]
    TooLong,
    #[error("cannot read the bytes between the PEM lines as base64")]
    Base64(#[source] base64::DecodeError),
    #[error("cannot read the bytes as a certificate, in PEM or DER")]
    Malformed(#[source] x509_cert::der::Error),
    #[error("cannot use the certificate's key, which is no RSA key of {KEY_BITS_MAX} bits at most")]
    Key(#[source] rsa::pkcs8::spki::Error),
    #[error("cannot use an RSA key of {bits} bits, which is less than {KEY_BITS_MIN}")]
    KeyTooShort { bits: usize },
}

impl Certificate {
    /// Reads PEM (the first certificate in it, whatever stands around it) or DER.
    pub fn parse(bytes: &[u8]) -> Result<Certificate, CertificateError> {
        if bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLong);
        }
        let der = match pem_content(bytes) {
            Some(base64) => STANDARD.decode(base64).map_err(CertificateError::Base64)?,
            None => bytes.to_vec(),
        };
        let read = x509_cert::Certificate::from_der(&der).map_err(CertificateError::Malformed)?;
        let parts = read.tbs_certificate;
        let key_der = parts
            .subject_public_key_info
            .to_der()
            .map_err(CertificateError::Malformed)?;
        // Not a larger maximum: `rsa` refuses more than `KEY_BITS_MAX` bits here.
        let key = RsaPublicKey::from_public_key_der(&key_der).map_err(CertificateError::Key)?;
        let key_bits = key.n().bits();
        if key_bits < KEY_BITS_MIN {
            return Err(CertificateError::KeyTooShort { bits: key_bits });
        }
        Ok(Certificate {
            key: OpeningKey::new(&key).ok_or(CertificateError::Key(KeyMalformed))?,
            key_bits,
            subject: parts.subject.to_string(),
            not_before: Some(timestamp(parts.validity.not_before)),
            not_after: Some(timestamp(parts.validity.not_after)),
            fingerprint: fingerprint(&der),
        })
    }

    /// Wraps the key that `push` signs with, which has no certificate. `None` if it is no key.
    pub fn of_test_key(key: &RsaPublicKey) -> Option<Certificate> {
        let der = key.to_public_key_der();
        Some(Certificate {
            key: OpeningKey::new(key)?,
            key_bits: key.n().bits(),
            subject: "CN=mpsink test key".to_owned(),
            not_before: None,
            not_after: None,
            fingerprint: der.map_or_else(|_| String::new(), |der| fingerprint(der.as_bytes())),
        })
    }
}

/// Returns the base64 between the first pair of PEM lines, without white space; `None` if there is
/// no such pair.
fn pem_content(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once(PEM_BEGIN)?;
    let (content, _) = rest.split_once(PEM_END)?;
    let is_content = |byte: &u8| !byte.is_ascii_whitespace();
    Some(content.bytes().filter(is_content).collect())
}

fn timestamp(time: Time) -> Timestamp {
    let ms = time.to_unix_duration().as_millis();
    Timestamp(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn fingerprint(der: &[u8]) -> String {
    format!("{:x}", Sha256::digest(der))
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::*;

    const KNOWN: &[u8] = include_bytes!("smq-known-certificate.pem");

    #[test]
    fn the_known_certificate_is_read_though_it_is_short_and_expired() {
        let known = Certificate::parse(KNOWN).unwrap();
        assert_eq!(known.key_bits, 512);
        assert!(known.subject.contains("CN=notify"), "{}", known.subject);
        let date = |time: Option<Timestamp>| time.unwrap().to_string();
        assert_eq!(date(known.not_before), "2015-07-02T02:06:16.000Z");
        assert_eq!(date(known.not_after), "2016-07-01T02:06:16.000Z");
        assert_eq!(
            known.fingerprint,
            "3f7edc3c7b871726fc961494a4f264d5403084f129c78bf6ef84672482e3e103"
        );
    }

    #[test]
    fn der_and_pem_in_any_layout_give_the_same_certificate() {
        let fingerprint = Certificate::parse(KNOWN).unwrap().fingerprint;
        let text = std::str::from_utf8(KNOWN).unwrap();
        let der = STANDARD.decode(pem_content(KNOWN).unwrap()).unwrap();
        let one_line = text.replace('\n', "");
        let layouts = [
            der,
            text.replace('\n', "\r\n").into_bytes(),
            format!("\u{feff}Certificate:\n  Data: …\n{text}").into_bytes(),
            format!(
                "{text}{}",
                include_str!("../../tests/data/keys/certificate-1024.pem")
            )
            .into_bytes(),
            one_line.into_bytes(),
        ];
        for layout in layouts {
            assert_eq!(
                Certificate::parse(&layout).unwrap().fingerprint,
                fingerprint
            );
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let html = b"<!DOCTYPE html><html><body>404</body></html>".to_vec();
        let key = include_bytes!("../../tests/data/keys/key-512.pem").to_vec();
        let mut cut = KNOWN.to_vec();
        cut.truncate(500);
        let empty_pem = format!("{PEM_BEGIN}\n{PEM_END}\n").into_bytes();
        for bytes in [Vec::new(), html, key, cut, empty_pem] {
            let error = Certificate::parse(&bytes).unwrap_err();
            assert!(matches!(error, CertificateError::Malformed(_)), "{error}");
        }
        let no_base64 = format!("{PEM_BEGIN}\n<html>\n{PEM_END}\n");
        let error = Certificate::parse(no_base64.as_bytes()).unwrap_err();
        assert!(matches!(error, CertificateError::Base64(_)), "{error}");
    }

    #[test]
    fn a_certificate_may_be_as_long_as_the_bound_and_not_longer() {
        let mut padded = KNOWN.to_vec();
        padded.resize(CERTIFICATE_BYTES_MAX, b'\n');
        assert!(Certificate::parse(&padded).is_ok());
        padded.push(b'\n');
        let error = Certificate::parse(&padded).unwrap_err();
        assert!(matches!(error, CertificateError::TooLong), "{error}");
    }

    #[test]
    fn keys_of_unusable_length_or_exponent_are_refused() {
        let with_key = |modulus: &[u8], exponent: &[u8]| {
            let der = STANDARD.decode(pem_content(KNOWN).unwrap()).unwrap();
            let mut read = x509_cert::Certificate::from_der(&der).unwrap();
            let key = rsa::pkcs1::RsaPublicKey {
                modulus: rsa::pkcs1::UintRef::new(modulus).unwrap(),
                public_exponent: rsa::pkcs1::UintRef::new(exponent).unwrap(),
            };
            let key = x509_cert::der::asn1::BitString::from_bytes(&key.to_der().unwrap()).unwrap();
            read.tbs_certificate
                .subject_public_key_info
                .subject_public_key = key;
            Certificate::parse(&read.to_der().unwrap())
        };
        let usual = [1, 0, 1];
        assert!(with_key(&[0xff; 64], &usual).is_ok());
        assert!(with_key(&[0xff; 512], &usual).is_ok());

        let short = with_key(&[0xff; 63], &usual).unwrap_err();
        assert!(
            matches!(short, CertificateError::KeyTooShort { bits: 504 }),
            "{short}"
        );
        let long = with_key(&[0xff; 513], &usual).unwrap_err();
        assert!(matches!(long, CertificateError::Key(_)), "{long}");
        let mut even = [0xff; 64];
        even[63] = 0xfe;
        let even = with_key(&even, &usual).unwrap_err();
        assert!(matches!(even, CertificateError::Key(_)), "{even}");
        // An exponent as long as the modulus would make each check a thousand times dearer.
        let slow = with_key(&[0xff; 512], &[0xf1; 511]).unwrap_err();
        assert!(matches!(slow, CertificateError::Key(_)), "{slow}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_parser(at in 0..650_usize, byte: u8, cut in 0..650_usize) {
            let mut der = STANDARD.decode(pem_content(KNOWN).unwrap()).unwrap();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            let _ = Certificate::parse(&der);
            der.truncate(cut);
            let _ = Certificate::parse(&der);
        }
    }
}
