//! Why a push was not let in: refused (not believed) or held (believed, but not fit).
//!
//! The words are stored, counted and shown; the sentences are what the sender is answered, fixed
//! and without values, since a stranger reads them.

/// Why a push is not believed. Kept only to explain itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalReason {
    /// A header that the check needs is missing.
    HeaderMissing,
    /// A signed header came more than once, so that nobody can tell which one was signed.
    HeaderRepeated,
    /// The signed headers are longer together than the bound.
    HeadersTooLong,
    /// `Authorization` is not base64 of 64 to 512 bytes.
    AuthorizationMalformed,
    /// `Date` (or `x-mns-date`) is no date.
    DateMalformed,
    /// `x-mns-signing-cert-url` is not base64 of a URL.
    CertificateUrlMalformed,
    /// The certificate's URL is not one of those allowed.
    CertificateUrlNotAllowed,
    /// The certificate is not known, and is not fetched for a push that would not pass anyway.
    CertificateNotFetched,
    /// What the certificate's URL gave is no certificate with an RSA key.
    CertificateMalformed,
    /// The signature is not that of this push under the certificate's key.
    SignatureWrong,
}

impl RefusalReason {
    pub const ALL: [RefusalReason; 10] = [
        RefusalReason::HeaderMissing,
        RefusalReason::HeaderRepeated,
        RefusalReason::HeadersTooLong,
        RefusalReason::AuthorizationMalformed,
        RefusalReason::DateMalformed,
        RefusalReason::CertificateUrlMalformed,
        RefusalReason::CertificateUrlNotAllowed,
        RefusalReason::CertificateNotFetched,
        RefusalReason::CertificateMalformed,
        RefusalReason::SignatureWrong,
    ];

    pub fn word(self) -> &'static str {
        match self {
            RefusalReason::HeaderMissing => "header_missing",
            RefusalReason::HeaderRepeated => "header_repeated",
            RefusalReason::HeadersTooLong => "headers_too_long",
            RefusalReason::AuthorizationMalformed => "authorization_malformed",
            RefusalReason::DateMalformed => "date_malformed",
            RefusalReason::CertificateUrlMalformed => "certificate_url_malformed",
            RefusalReason::CertificateUrlNotAllowed => "certificate_url_not_allowed",
            RefusalReason::CertificateNotFetched => "certificate_not_fetched",
            RefusalReason::CertificateMalformed => "certificate_malformed",
            RefusalReason::SignatureWrong => "signature_wrong",
        }
    }

    pub fn from_word(word: &str) -> Option<RefusalReason> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// Returns the sentence the sender is answered, and a page's reader is told.
    pub fn sentence(self) -> &'static str {
        match self {
            RefusalReason::HeaderMissing => "A header that the signature check needs is missing.",
            RefusalReason::HeaderRepeated => "A signed header came more than once.",
            RefusalReason::HeadersTooLong => "The signed headers are too long.",
            RefusalReason::AuthorizationMalformed => {
                "The Authorization header is not the base64 of a signature."
            }
            RefusalReason::DateMalformed => "The Date header is not a date.",
            RefusalReason::CertificateUrlMalformed => {
                "The x-mns-signing-cert-url header is not the base64 of a URL."
            }
            RefusalReason::CertificateUrlNotAllowed => "The certificate URL is not allowed.",
            RefusalReason::CertificateNotFetched => {
                "The certificate is not known, and the push would not pass with it."
            }
            RefusalReason::CertificateMalformed => {
                "The certificate URL gave no certificate with an RSA key."
            }
            RefusalReason::SignatureWrong => "The signature does not hold.",
        }
    }
}

/// Why a push whose signature holds was not let in. Kept whole until a person admits or drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HoldReason {
    /// `Date` is outside the window around now.
    Date,
    /// The body does not match `Content-MD5`, or there is none to match.
    BodyChecksum,
    /// The topic's owner is not one of those let in.
    Owner,
    /// Neither headers nor body name the topic's owner.
    OwnerMissing,
    /// The topic is not one of those configured.
    Topic,
}

impl HoldReason {
    pub const ALL: [HoldReason; 5] = [
        HoldReason::Date,
        HoldReason::BodyChecksum,
        HoldReason::Owner,
        HoldReason::OwnerMissing,
        HoldReason::Topic,
    ];

    pub fn word(self) -> &'static str {
        match self {
            HoldReason::Date => "date",
            HoldReason::BodyChecksum => "body_checksum",
            HoldReason::Owner => "owner",
            HoldReason::OwnerMissing => "owner_missing",
            HoldReason::Topic => "topic",
        }
    }

    pub fn from_word(word: &str) -> Option<HoldReason> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    pub fn sentence(self) -> &'static str {
        match self {
            HoldReason::Date => "The date of the push is too far from now.",
            HoldReason::BodyChecksum => "The body does not match its Content-MD5.",
            HoldReason::Owner => "The topic's owner is not allowed here.",
            HoldReason::OwnerMissing => "The push does not say who owns its topic.",
            HoldReason::Topic => "The topic is not allowed here.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back_from_its_word() {
        for reason in RefusalReason::ALL {
            assert_eq!(RefusalReason::from_word(reason.word()), Some(reason));
        }
        for reason in HoldReason::ALL {
            assert_eq!(HoldReason::from_word(reason.word()), Some(reason));
        }
    }
}
