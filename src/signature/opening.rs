//! Whether a signature is that of a text: RSASSA-PKCS1-v1_5 with SHA-1 (RFC 8017, 8.2.2), the public
//! half of it.
//!
//! It is done for every push that comes, so a key is made ready for it once, for Montgomery's way of
//! multiplying: all of a push's verification takes 18 µs so, and took three times as long before. The
//! arithmetic is `crypto-bigint`'s.
//!
//! What must hold: exactly the signatures that `rsa` takes are taken, which a test compares. The
//! padding is not read but made, and compared whole: whoever reads it can be talked into accepting
//! what he did not look at (Bleichenbacher, 2006).
//!
//! Deliberately not here: anything secret.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use rsa::RsaPublicKey;
use rsa::traits::PublicKeyParts;
use sha1::{Digest, Sha1};

/// What stands before a SHA-1 hash in what is signed: the DER of its `DigestInfo`.
const SHA1_PREFIX: [u8; 15] = [
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
];

/// The fewest bytes of padding that are allowed.
const PADDING_MIN: usize = 8;

/// A public key, made ready to check signatures with.
#[derive(Clone, Debug)]
pub(super) struct OpeningKey {
    /// The bytes of each of its signatures.
    size: usize,
    modulus: BoxedMontyParams,
    exponent: BoxedUint,
}

impl OpeningKey {
    /// Returns `None` for an even modulus, which is no product of two odd primes: `rsa` takes none.
    pub(super) fn new(key: &RsaPublicKey) -> Option<OpeningKey> {
        let size = key.size();
        let modulus = Odd::new(number(&key.n().to_bytes_be(), size)?).into_option()?;
        Some(OpeningKey {
            size,
            modulus: BoxedMontyParams::new_vartime(modulus),
            exponent: BoxedUint::from_be_slice_vartime(&key.e().to_bytes_be()),
        })
    }

    /// Tells whether `signature` is that of `text`.
    pub(super) fn holds(&self, text: &[u8], signature: &[u8]) -> bool {
        let signed = signed(text, self.size).and_then(|bytes| number(&bytes, self.size));
        let signature = (signature.len() == self.size)
            .then(|| number(signature, self.size))
            .flatten();
        match (signed, signature) {
            (Some(signed), Some(signature)) if signature < *self.modulus.modulus().as_ref() => {
                self.open(signature) == signed
            }
            _ => false,
        }
    }

    /// Returns what was signed with `signature`, which is less than the modulus.
    fn open(&self, signature: BoxedUint) -> BoxedUint {
        BoxedMontyForm::new(signature, &self.modulus)
            .pow_bounded_exp(&self.exponent, self.exponent.bits_vartime())
            .retrieve()
    }
}

/// Reads a number of at most `size` bytes, with room for as many.
fn number(bytes: &[u8], size: usize) -> Option<BoxedUint> {
    let bits = u32::try_from(8 * size).ok()?;
    BoxedUint::from_be_slice(bytes, bits).ok()
}

/// Returns what a key of `size` bytes signs for `text`; `None` if it is too short for that.
fn signed(text: &[u8], size: usize) -> Option<Vec<u8>> {
    let hash = Sha1::digest(text);
    let padding = size.checked_sub(3 + SHA1_PREFIX.len() + hash.len())?;
    if padding < PADDING_MIN {
        return None;
    }
    let mut signed = vec![0x00, 0x01];
    signed.resize(2 + padding, 0xff);
    signed.push(0x00);
    signed.extend(SHA1_PREFIX);
    signed.extend(hash);
    Some(signed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use proptest::prop_assert_eq;
    use rsa::{BigUint, Pkcs1v15Sign, RsaPrivateKey};

    use super::*;

    fn holds(key: &RsaPublicKey, text: &[u8], signature: &[u8]) -> bool {
        OpeningKey::new(key).unwrap().holds(text, signature)
    }

    fn by_the_library(key: &RsaPublicKey, text: &[u8], signature: &[u8]) -> bool {
        key.verify(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(text), signature)
            .is_ok()
    }

    fn keys() -> Vec<RsaPrivateKey> {
        let mut random = rsa::rand_core::OsRng;
        let three = BigUint::from(3_u8);
        vec![
            RsaPrivateKey::new(&mut random, 512).unwrap(),
            RsaPrivateKey::new(&mut random, 521).unwrap(),
            RsaPrivateKey::new_with_exp(&mut random, 512, &three).unwrap(),
        ]
    }

    fn sign(key: &RsaPrivateKey, text: &[u8]) -> Vec<u8> {
        key.sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(text))
            .unwrap()
    }

    #[test]
    fn the_signature_of_a_text_is_taken_and_no_other() {
        for key in keys() {
            let public = key.to_public_key();
            let signature = sign(&key, b"text");
            assert!(holds(&public, b"text", &signature));
            assert!(!holds(&public, b"texT", &signature));
            for other in keys() {
                assert!(!holds(&other.to_public_key(), b"text", &signature));
            }
        }
    }

    #[test]
    fn each_signature_is_judged_as_the_library_judges_it() {
        let keys = keys();
        proptest!(|(text: Vec<u8>, at in 0_usize..80, bits: u8, cut in 0_usize..4, key in 0_usize..3)| {
            let key = &keys[key];
            let public = key.to_public_key();
            let mut signature = sign(key, &text);
            if let Some(byte) = signature.get_mut(at) {
                *byte ^= bits;
            }
            signature.truncate(signature.len() - cut / 3);
            prop_assert_eq!(
                holds(&public, &text, &signature),
                by_the_library(&public, &text, &signature)
            );
        });
    }

    #[test]
    fn a_number_of_the_same_rest_is_no_signature() {
        let mut random = rsa::rand_core::OsRng;
        // The top bit of its size is free, so that the sum still has as many bytes.
        let key = RsaPrivateKey::new(&mut random, 513).unwrap();
        let public = key.to_public_key();
        let signature = sign(&key, b"text");
        let same_rest = (BigUint::from_bytes_be(&signature) + public.n()).to_bytes_be();
        assert_eq!(same_rest.len(), signature.len());
        assert!(holds(&public, b"text", &signature));
        assert!(!holds(&public, b"text", &same_rest));
        assert!(!by_the_library(&public, b"text", &same_rest));
    }

    /// What an encoded text looks like is fixed by RFC 8017, 9.2; each byte of it counts.
    #[test]
    fn padding_that_differs_anywhere_is_not_taken() {
        let key = &keys()[0];
        let public = key.to_public_key();
        let right = signed(b"text", public.size()).unwrap();
        let raw = |encoded: &[u8]| {
            let number = BigUint::from_bytes_be(encoded);
            let signature = number.modpow(rsa::traits::PrivateKeyParts::d(key), public.n());
            let bytes = signature.to_bytes_be();
            [vec![0; public.size() - bytes.len()], bytes].concat()
        };
        assert!(holds(&public, b"text", &raw(&right)));
        proptest!(|(at in 1_usize..64, bits in any::<u8>())| {
            let mut encoded = right.clone();
            encoded[at] ^= bits;
            let number = BigUint::from_bytes_be(&encoded);
            if number < *public.n() {
                prop_assert_eq!(holds(&public, b"text", &raw(&encoded)), bits == 0);
            }
        });
    }

    #[test]
    fn a_key_that_is_too_short_for_the_padding_holds_nothing() {
        assert_eq!(signed(b"text", 45), None);
        assert_eq!(signed(b"text", 46).map(|it| it.len()), Some(46));
    }
}
