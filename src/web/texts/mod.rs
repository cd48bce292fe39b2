//! Everything the pages say to people, in English and in Simplified Chinese.
//!
//! One typed struct with a constant for each language, so that a text which is missing in one does
//! not compile. Each file holds the texts of one part of the dashboard, English and Chinese below
//! each other, so that whoever changes one sees the other. A sentence with values in it is a
//! function. What stays in English in both: JSON and its errors, what MPS and SMQ call their own
//! fields, and the words that a filter takes in an address.

use crate::web::texts::arrivals::ArrivalTexts;
use crate::web::texts::completeness::CompletenessTexts;
use crate::web::texts::connect::ConnectTexts;
use crate::web::texts::details::DetailTexts;
use crate::web::texts::frame::FrameTexts;
use crate::web::texts::lanes::LaneTexts;
use crate::web::texts::lists::ListTexts;
use crate::web::texts::operations::OperationsTexts;
use crate::web::texts::overview::OverviewTexts;
use crate::web::texts::trouble::TroubleTexts;
use crate::web::texts::words::WordTexts;

pub mod arrivals;
pub mod completeness;
pub mod connect;
pub mod details;
pub mod frame;
pub mod hints;
pub mod lanes;
pub mod lists;
pub mod operations;
mod operations_chinese;
mod operations_english;
pub mod overview;
pub mod trouble;
pub mod words;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

impl Language {
    pub const ALL: [Language; 2] = [Language::English, Language::Chinese];

    /// Returns the tag for `lang` attributes and the cookie (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh-CN",
        }
    }

    /// Reads [`Language::tag`] back.
    pub fn from_tag(tag: &str) -> Option<Language> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// Returns what it is called in itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Chinese => "简体中文",
        }
    }

    pub fn texts(self) -> &'static Texts {
        match self {
            Language::English => &Texts::ENGLISH,
            Language::Chinese => &Texts::CHINESE,
        }
    }
}

/// All texts of one language.
#[derive(Debug)]
pub struct Texts {
    pub completeness: CompletenessTexts,
    pub connect: ConnectTexts,
    pub details: DetailTexts,
    pub frame: FrameTexts,
    pub lanes: LaneTexts,
    pub overview: OverviewTexts,
    pub words: WordTexts,
    pub lists: ListTexts,
    pub operations: OperationsTexts,
    pub arrivals: ArrivalTexts,
    pub trouble: TroubleTexts,
}

impl Texts {
    pub const ENGLISH: Texts = Texts {
        completeness: CompletenessTexts::ENGLISH,
        connect: ConnectTexts::ENGLISH,
        details: DetailTexts::ENGLISH,
        frame: FrameTexts::ENGLISH,
        lanes: LaneTexts::ENGLISH,
        overview: OverviewTexts::ENGLISH,
        words: WordTexts::ENGLISH,
        lists: ListTexts::ENGLISH,
        operations: OperationsTexts::ENGLISH,
        arrivals: ArrivalTexts::ENGLISH,
        trouble: TroubleTexts::ENGLISH,
    };

    pub const CHINESE: Texts = Texts {
        completeness: CompletenessTexts::CHINESE,
        connect: ConnectTexts::CHINESE,
        details: DetailTexts::CHINESE,
        frame: FrameTexts::CHINESE,
        lanes: LaneTexts::CHINESE,
        overview: OverviewTexts::CHINESE,
        words: WordTexts::CHINESE,
        lists: ListTexts::CHINESE,
        operations: OperationsTexts::CHINESE,
        arrivals: ArrivalTexts::CHINESE,
        trouble: TroubleTexts::CHINESE,
    };
}
