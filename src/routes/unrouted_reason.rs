//! The reason why a container has no route: a keyword for programs and translations, a sentence for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The reason as a keyword. The gateway translates it by its name in `routes.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// One of its Flatnet labels is invalid.
    BadLabel,
    /// It has Flatnet labels, but is not on the network.
    NotOnNetwork,
    /// A label disables it.
    NotEnabled,
    /// `gateway.expose` is `none`.
    ExposeNone,
    /// `gateway.expose` is `labelled`, and it has no Flatnet label.
    ExposeLabelled,
    /// It has not been started yet.
    NoAddress,
    /// Its address is outside the range.
    OutOfRange,
    /// It exposes no TCP port.
    NoPort,
    /// Its only port does not answer HTTP.
    PortSilent,
    /// None of its ports answers HTTP.
    PortsSilent,
    /// Several of its ports answer HTTP.
    SeveralPorts,
    /// It is not running, and its port is unknown.
    NotRunning,
    /// The port belongs to the container whose address it shares.
    PortOfAnother,
    /// The port belongs to one of several containers that share an address.
    PortOfSome,
    /// Its name is longer than the gateway supports.
    LongName,
    /// Its name is not a valid host name.
    BadHost,
    /// It claims a name or a path of the gateway itself.
    OwnName,
    /// It claims a name that a container of root's or of another user has.
    NameOfAnother,
    /// A container of root's has the same name.
    SameName,
    /// Unknown: the file was written by another version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Reason {
    /// The sentence, with `{facts}` as placeholders.
    const fn sentence(self) -> &'static str {
        match self {
            Self::BadLabel | Self::Unknown => "{problem}",
            Self::NotOnNetwork => "it has Flatnet labels, but is not on the network {network}",
            Self::NotEnabled => "it is disabled by its label flatnet.enable",
            Self::ExposeNone => "gateway.expose is none",
            Self::ExposeLabelled => "gateway.expose is labelled, but it has no Flatnet label",
            Self::NoAddress => "it has no address yet",
            Self::OutOfRange => "its address {address} is outside {range}",
            Self::NoPort => "it exposes no TCP port and has no label flatnet.port",
            Self::PortSilent => "its port {ports} does not answer HTTP",
            Self::PortsSilent => "none of its ports {ports} answers HTTP",
            Self::SeveralPorts => "its ports {ports} all answer HTTP: choose one with the label flatnet.port",
            Self::NotRunning => "it is {state} and has not answered HTTP before",
            Self::PortOfAnother => "port {port} belongs to {other}, whose address it shares",
            Self::PortOfSome => {
                "port {port} may belong to it or to {other}, whose address it shares: set the label flatnet.port on one of them"
            }
            Self::LongName => "its name exceeds {characters} characters",
            Self::OwnName => "{url} is reserved for the gateway: set another flatnet.host or flatnet.path",
            Self::NameOfAnother => "{url} belongs to {other}: set another flatnet.host",
            Self::SameName => "a container of root's is called {name}, too: give it another name",
            Self::BadHost => "{problem}: set the label flatnet.host",
        }
    }

    /// Whether it needs attention.
    const fn is_warning(self) -> bool {
        match self {
            Self::BadLabel
            | Self::NotOnNetwork
            | Self::OutOfRange
            | Self::SeveralPorts
            | Self::PortOfSome
            | Self::LongName
            | Self::BadHost
            | Self::OwnName
            | Self::NameOfAnother
            | Self::SameName => true,
            Self::NotEnabled
            | Self::ExposeNone
            | Self::ExposeLabelled
            | Self::NoAddress
            | Self::NoPort
            | Self::PortSilent
            | Self::PortsSilent
            | Self::NotRunning
            | Self::PortOfAnother
            | Self::Unknown => false,
        }
    }
}

/// Why a container has no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The keyword.
    pub reason: Reason,
    /// The values of the sentence's placeholders: harmless text.
    pub facts: BTreeMap<String, String>,
}

impl Explanation {
    pub(super) fn new(reason: Reason, facts: &[(&str, &dyn ToString)]) -> Self {
        let facts = facts.iter().map(|(name, fact)| ((*name).to_owned(), plain(&fact.to_string()))).collect();
        Self { reason, facts }
    }

    /// The sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let filled =
            |text: String, (name, fact): (&String, &String)| text.replace(&format!("{{{name}}}"), fact);
        self.facts.iter().fold(self.reason.sentence().to_owned(), filled)
    }

    /// Whether it needs attention.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        self.reason.is_warning()
    }
}

/// `text` without characters that are special in HTML, JSON or a terminal: it may quote a label.
fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '"' => '\'',
        '<' | '>' | '&' | '`' | '\\' => '?',
        c if c.is_ascii_graphic() || c == ' ' => c,
        _ => '?',
    };
    text.chars().take(300).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Reason; 19] = [
        Reason::BadLabel,
        Reason::NotOnNetwork,
        Reason::NotEnabled,
        Reason::ExposeNone,
        Reason::ExposeLabelled,
        Reason::NoAddress,
        Reason::OutOfRange,
        Reason::NoPort,
        Reason::PortSilent,
        Reason::PortsSilent,
        Reason::SeveralPorts,
        Reason::NotRunning,
        Reason::PortOfAnother,
        Reason::PortOfSome,
        Reason::LongName,
        Reason::BadHost,
        Reason::OwnName,
        Reason::NameOfAnother,
        Reason::SameName,
    ];

    /// `tests/lua/texts_spec.lua` compares the translations with the same file.
    #[test]
    fn sentences_are_those_the_translations_are_compared_with() {
        let sentence = |reason: Reason| {
            let word = serde_json::to_value(reason).unwrap().as_str().unwrap().to_owned();
            (word, reason.sentence().to_owned())
        };
        let sentences: BTreeMap<String, String> = ALL.map(sentence).into();
        let file: BTreeMap<String, String> =
            serde_json::from_str(include_str!("../../tests/lua/unrouted_reasons.json")).unwrap();
        assert_eq!(file, sentences);
    }

    #[test]
    fn facts_are_escaped_in_reason_text() {
        let why = Explanation::new(Reason::NotOnNetwork, &[("network", &"a<b>\u{7}{network}")]);
        assert_eq!(why.text(), "it has Flatnet labels, but is not on the network a?b??{network}");
        assert!(why.is_warning());
    }

    #[test]
    fn unknown_reason_is_accepted() {
        assert_eq!(serde_json::from_str::<Reason>("\"future\"").unwrap(), Reason::Unknown);
    }
}
