//! What is to be done, and how far the way from the LAN to a container goes.

use std::str::FromStr;

use serde::Serialize;

use super::action::Planned;
use super::layers::{self, Layer};
use super::seen::Seen;
use super::view::View;
use super::{VERSION, firewall, gateway, route};
use crate::doctor::Level;
use crate::error::Result;

/// What the person at Windows asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To be told how it is.
    Look,
    /// That it works.
    Up,
}

impl FromStr for Verb {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "look" => Ok(Self::Look),
            "up" => Ok(Self::Up),
            _ => Err("neither look nor up".to_owned()),
        }
    }
}

/// The answer to Windows' scripts.
#[derive(Debug, Serialize)]
pub struct Decision {
    /// [`VERSION`].
    pub version: u32,
    /// What is looked at, in the order in which a packet meets it.
    pub layers: Vec<Layer>,
    /// The first layer that fails.
    pub stops_at: Option<&'static str>,
    /// Whether Windows has no way out: nobody could come in.
    pub offline: bool,
    /// What to do, in this order.
    pub actions: Vec<Planned>,
}

/// Decides by what was seen, and by nothing else.
pub fn decide(verb: Verb, seen: &Seen) -> Result<Decision> {
    let view = View::new(seen)?;
    let actions = match verb {
        Verb::Look => Vec::new(),
        // A route that could take other traffic away is worse than none.
        Verb::Up if layers::settings(&view).level == Level::Failure => Vec::new(),
        Verb::Up => [route::up(&view), firewall::up(&view), gateway::up(&view)].concat(),
    };
    let layers = layers::all(&view);
    let stops_at = layers.iter().find(|layer| layer.finding.level == Level::Failure).map(|layer| layer.layer);
    Ok(Decision { version: VERSION, layers, stops_at, offline: seen.out.is_none(), actions })
}
