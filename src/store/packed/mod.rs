//! The heads and bodies of kept pushes, packed: they are most of a database, and each says nearly
//! what the one before said.
//!
//! A push of some 1,400 bytes becomes 360, by zstd with a dictionary of what pushes have in common:
//! names of headers and keys, addresses, the certificate's URL. What is left is what differs:
//! signature, digests, ids and times. Without the dictionary it would be 900 (measured on 600 pushes with
//! their proxies' headers).
//!
//! The first byte says how the rest is packed. **Architecture invariant:** what was packed is
//! unpacked to the same bytes for ever, so a dictionary is never edited: a better one is a new file
//! with a new first byte. `first.dict` was trained by `zstd --train` on 14,000 pushes that
//! `mpsink demo` had made, of all kinds of messages and all three formats, with the headers that
//! proxies add.
//!
//! Deliberately not packed: refusals and held pushes. They are few and bounded, and strangers write
//! them.

use std::cell::RefCell;
use std::io::{self, Cursor};
use std::sync::LazyLock;

use rusqlite::Row;
use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe;

use crate::store::values::unreadable;

/// As it is: what is packed no smaller.
const PLAIN: u8 = 0;

/// One frame of zstd with [`FIRST`].
const WITH_FIRST: u8 = 1;

const FIRST: &[u8] = include_bytes!("first.dict");

/// The packed form of the head's length, in front of the head.
const LENGTH_BYTES: usize = 4;

/// Level 3 takes longer for one byte in twenty.
const LEVEL: i32 = 1;

/// The most bytes that are unpacked. No push is a tenth as long; what says so is damaged.
const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;

static PACKING: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(FIRST, LEVEL));

static UNPACKING: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(FIRST));

thread_local! {
    // One for each thread, since it is more work to make than to use.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A push as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed(Vec<u8>);

/// A push as it came: request line and headers, and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// What is kept is not what was written.
#[derive(Debug, Error)]
enum Damaged {
    #[error("a kept push begins with {0:?}, which no version of mpsink has written")]
    Unknown(Option<u8>),
    #[error("a kept push is damaged: {0}")]
    Frame(io::Error),
    #[error("a kept push is damaged: its head would be longer than all of it")]
    Short,
}

impl Packed {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

pub(super) fn pack(head: &[u8], body: &[u8]) -> Packed {
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    let mut plain = Vec::with_capacity(1 + LENGTH_BYTES + head.len() + body.len());
    plain.push(PLAIN);
    plain.extend(length.to_le_bytes());
    plain.extend(head);
    plain.extend(body);
    let frame = plain.get(1..).and_then(compress);
    Packed(match frame {
        Some(frame) if frame.len() < plain.len() => frame,
        _ => plain,
    })
}

/// `None` if there is no memory for it.
fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    PACKER.with_borrow_mut(|kept| {
        let packer = match kept {
            Some(packer) => packer,
            None => kept.insert(Compressor::with_prepared_dictionary(&PACKING).ok()?),
        };
        let mut bytes = Vec::with_capacity(1 + zstd_safe::compress_bound(plain.len()));
        bytes.push(WITH_FIRST);
        let mut frame = Cursor::new(&mut bytes);
        frame.set_position(1);
        packer.compress_to_buffer(plain, &mut frame).ok()?;
        bytes.shrink_to_fit();
        Some(bytes)
    })
}

/// Reads the column `push`.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Unpacked> {
    let packed = row.get_ref("push")?.as_blob()?;
    unpack(packed).map_err(|damaged| unreadable(damaged.into()))
}

fn unpack(packed: &[u8]) -> Result<Unpacked, Damaged> {
    match packed.split_first() {
        Some((&PLAIN, plain)) => divide(plain),
        Some((&WITH_FIRST, frame)) => divide(&decompress(frame).map_err(Damaged::Frame)?),
        other => Err(Damaged::Unknown(other.map(|(first, _)| *first))),
    }
}

fn decompress(frame: &[u8]) -> io::Result<Vec<u8>> {
    let size = zstd_safe::get_frame_content_size(frame).ok().flatten();
    let size = size.filter(|size| *size <= UNPACKED_BYTES_MAX);
    let size = size.and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or_else(|| io::Error::other("its length cannot be"))?;
    UNPACKER.with_borrow_mut(|kept| {
        let unpacker = match kept {
            Some(unpacker) => unpacker,
            None => kept.insert(Decompressor::with_prepared_dictionary(&UNPACKING)?),
        };
        unpacker.decompress(frame, size)
    })
}

fn divide(plain: &[u8]) -> Result<Unpacked, Damaged> {
    let (length, rest) = plain.split_first_chunk().ok_or(Damaged::Short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (head, body) = rest.split_at_checked(length).ok_or(Damaged::Short)?;
    Ok(Unpacked {
        head: head.to_vec(),
        body: body.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};
    use sha2::{Digest, Sha256};

    use crate::store::fixtures;

    use super::*;

    fn unpacked(head: &[u8], body: &[u8]) -> Unpacked {
        Unpacked {
            head: head.to_vec(),
            body: body.to_vec(),
        }
    }

    proptest! {
        #[test]
        fn every_push_is_unpacked_as_it_came(
            head in prop::collection::vec(any::<u8>(), 0..400),
            body in prop::collection::vec(any::<u8>(), 0..4_000),
        ) {
            let packed = pack(&head, &body);
            prop_assert_eq!(unpack(packed.bytes()).unwrap(), unpacked(&head, &body));
        }

        #[test]
        fn damaged_bytes_are_an_error_or_another_push_and_never_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in 0..300_usize,
            with in any::<u8>(),
        ) {
            let _ = unpack(&bytes);
            let mut packed = pack(b"POST /notifications HTTP/1.1\r\n\r\n", &bytes).0;
            if let Some(byte) = packed.get_mut(at) {
                *byte = with;
            }
            let _ = unpack(&packed);
        }
    }

    #[test]
    fn a_push_becomes_a_third_and_noise_no_longer_than_it_is() {
        let push = include_bytes!("../../../tests/data/workflow-report-completed.json");
        let head = b"POST /notifications HTTP/1.1\r\nx-mns-version: 2015-06-06\r\n\
            user-agent: Aliyun Notification Service Agent\r\n\r\n";
        let length = head.len() + push.len();
        assert!(pack(head, push).bytes().len() * 3 < length);
        let noise = fixtures::noise(1_000);
        assert_eq!(pack(b"", &noise).bytes().len(), 1 + LENGTH_BYTES + 1_000);
    }

    // What every database there is was written with. If this fails, the file was edited: put it back.
    #[test]
    fn the_dictionary_is_the_one_it_always_was() {
        let digest = format!("{:x}", Sha256::digest(FIRST));
        assert_eq!(
            digest,
            "7711e38f2a7e792cb2d4768843117a9e4be8e056990a2adbdb2f12cb818586d9"
        );
        let frame = include_bytes!("first.example");
        let head = b"POST /notifications HTTP/1.1\r\nx-mns-version: 2015-06-06\r\n\r\n";
        assert_eq!(unpack(frame).unwrap(), unpacked(head, b"{\"jobId\":\"1\"}"));
    }

    #[test]
    fn what_nobody_wrote_is_named() {
        let error = |bytes: &[u8]| unpack(bytes).unwrap_err().to_string();
        assert_eq!(
            error(b"\x07abc"),
            "a kept push begins with Some(7), which no version of mpsink has written"
        );
        assert!(error(b"").contains("None"));
        assert!(error(&[PLAIN, 9, 0, 0, 0, b'x']).contains("longer than all of it"));
        assert!(error(&[WITH_FIRST, 1, 2, 3]).contains("its length cannot be"));
    }
}
