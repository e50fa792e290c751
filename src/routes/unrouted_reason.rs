//! Why a container has no route: a word for programs and translations, a sentence for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// In a word. What it is called in `routes.json`, the gateway's texts have in other languages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A label of Flatnet's is wrong.
    BadLabel,
    /// It has labels of Flatnet's, but is not on its network.
    NotOnNetwork,
    /// A label says that it shall have none.
    NotEnabled,
    /// The configuration routes nothing.
    ExposeNone,
    /// The configuration routes what has labels only.
    ExposeLabelled,
    /// It has not run yet.
    NoAddress,
    /// Its address is none of Flatnet's.
    OutOfRange,
    /// There is no port to ask.
    NoPort,
    /// Its one port does not speak HTTP.
    PortSilent,
    /// None of its ports speaks HTTP.
    PortsSilent,
    /// Several of its ports speak HTTP.
    SeveralPorts,
    /// It does not run, and no port is remembered.
    NotRunning,
    /// The port belongs to whose address it shares.
    PortOfAnother,
    /// The port belongs to one of several that share an address.
    PortOfSome,
    /// The gateway takes no name so long.
    LongName,
    /// Its name is no host name.
    BadHost,
    /// It asks for a name or a path of the gateway's own.
    OwnName,
    /// Of a file that another version wrote.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Reason {
    /// In a sentence, with `{facts}` to be filled in.
    const fn sentence(self) -> &'static str {
        match self {
            Self::BadLabel | Self::Unknown => "{problem}",
            Self::NotOnNetwork => "it has labels of Flatnet's, and is not on the network {network}",
            Self::NotEnabled => "its label flatnet.enable says so",
            Self::ExposeNone => "gateway.expose is none",
            Self::ExposeLabelled => "gateway.expose is labelled, and it has no label of Flatnet's",
            Self::NoAddress => "it has had no address yet",
            Self::OutOfRange => "its address {address} is outside of {range}",
            Self::NoPort => "it exposes no TCP port, and has no label flatnet.port",
            Self::PortSilent => "its port {ports} does not answer HTTP",
            Self::PortsSilent => "none of its ports {ports} answers HTTP",
            Self::SeveralPorts => "its ports {ports} all answer HTTP: choose one by the label flatnet.port",
            Self::NotRunning => "it is {state}, and did not answer HTTP before",
            Self::PortOfAnother => "port {port} is that of {other}, whose address it shares",
            Self::PortOfSome => {
                "port {port} may be its own or that of {other}, whose address it shares: give one the label flatnet.port"
            }
            Self::LongName => "its name has more than {characters} characters",
            Self::OwnName => {
                "{url} is the gateway's own: give it another by the label flatnet.host, or flatnet.path"
            }
            Self::BadHost => "{problem}: give it one by the label flatnet.host",
        }
    }

    /// Whether somebody should look at it.
    const fn is_warning(self) -> bool {
        match self {
            Self::BadLabel
            | Self::NotOnNetwork
            | Self::OutOfRange
            | Self::SeveralPorts
            | Self::PortOfSome
            | Self::LongName
            | Self::BadHost
            | Self::OwnName => true,
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
pub struct Why {
    /// In a word.
    pub reason: Reason,
    /// What the sentence names, by what it is called there: harmless text.
    pub facts: BTreeMap<String, String>,
}

impl Why {
    pub(super) fn new(reason: Reason, facts: &[(&str, &dyn ToString)]) -> Self {
        let facts = facts.iter().map(|(name, fact)| ((*name).to_owned(), plain(&fact.to_string()))).collect();
        Self { reason, facts }
    }

    /// In a sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let filled =
            |text: String, (name, fact): (&String, &String)| text.replace(&format!("{{{name}}}"), fact);
        self.facts.iter().fold(self.reason.sentence().to_owned(), filled)
    }

    /// Whether somebody should look at it.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        self.reason.is_warning()
    }
}

/// `text` with nothing in it that means anything in HTML, JSON or a terminal: it may quote a label.
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
    use std::collections::BTreeSet;

    use super::*;

    const ALL: [Reason; 17] = [
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
    ];

    /// `{names}` in `text`.
    fn slots(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
    }

    #[test]
    fn the_gateway_has_each_reason_in_japanese_with_the_same_facts() {
        let texts =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/gateway/lua/flatnet/texts.lua"));
        let whys = texts.split_once("M.why = ").unwrap().1.split_once("} }").unwrap().0;
        let entries = whys.replace("\"\n        .. \"", "");
        for reason in ALL {
            let word = serde_json::to_value(reason).unwrap();
            let begin = format!("    {} = \"", word.as_str().unwrap());
            let line = entries.lines().find_map(|line| line.strip_prefix(&begin));
            let line = line.unwrap_or_else(|| panic!("texts.lua lacks {word}"));
            assert_eq!(slots(line), slots(reason.sentence()), "{word}");
        }
        assert_eq!(entries.lines().filter(|line| line.contains(" = \"")).count(), ALL.len());
    }

    #[test]
    fn facts_are_filled_in_harmlessly() {
        let why = Why::new(Reason::NotOnNetwork, &[("network", &"a<b>\u{7}{network}")]);
        assert_eq!(why.text(), "it has labels of Flatnet's, and is not on the network a?b??{network}");
        assert!(why.is_warning());
    }

    #[test]
    fn a_reason_of_another_version_is_read() {
        assert_eq!(serde_json::from_str::<Reason>("\"future\"").unwrap(), Reason::Unknown);
    }
}
