//! What is to be done, and how far the way from the LAN to a container goes.

use std::str::FromStr;

use serde::Serialize;

use super::action::Planned;
use super::layers::{self, Layer};
use super::observed::{Answer, Observed, Task};
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
    /// Whether anything of Flatnet's is on Windows. Where nothing is, what fails for that reason alone is a warning: the way is not
    /// open, and nobody has asked for it.
    pub set_up: bool,
    /// Whether Windows has no way out: nobody could come in.
    pub offline: bool,
    /// What to do, in this order.
    pub actions: Vec<Planned>,
}

/// Decides by what was seen, and by nothing else.
pub fn decide(verb: Verb, seen: &Observed) -> Result<Decision> {
    let view = View::new(seen)?;
    let actions = match verb {
        Verb::Look => Vec::new(),
        // A route that could take other traffic away is worse than none.
        Verb::Up if layers::settings(&view).level == Level::Failure => Vec::new(),
        Verb::Up => [route::up(&view), firewall::up(&view), gateway::up(&view)].concat(),
    };
    let mut layers = layers::all(&view);
    let stops_at = layers.iter().find(|layer| layer.finding.level == Level::Failure).map(|layer| layer.layer);
    let set_up = verb == Verb::Up || is_set_up(&view, &layers);
    if !set_up {
        for layer in layers.iter_mut().filter(|layer| layer.finding.level == Level::Failure) {
            layer.finding.level = Level::Warning;
        }
    }
    Ok(Decision { version: VERSION, layers, stops_at, set_up, offline: seen.out.is_none(), actions })
}

/// Whether there is something of ours, or something fails that is not just missing.
fn is_set_up(view: &View, layers: &[Layer]) -> bool {
    let has_run = |task: &Task| {
        task.state != "Disabled"
            && task.last_result.is_some_and(|result| !layers::NOT_ENDED.contains(&result))
    };
    let seen = view.seen;
    let is_there = route::own(view).next().is_some()
        || !seen.lan_rules.is_empty()
        || !seen.hyperv_rules.is_empty()
        || seen.service.is_some()
        || seen.processes.iter().any(|process| process.ours)
        || seen.task.as_ref().is_some_and(has_run);
    let missing = [view.script("up"), view.in_wsl(gateway::INSIDE)];
    let nobody_answers = |answer: Option<&Answer>| answer.is_none_or(|answer| answer.status().is_none());
    let is_missing = |Layer { layer, finding }: &Layer| match *layer {
        // What lies behind what is missing.
        "bridge" => !view.facts.bridge_link.is_empty(),
        "container" => true,
        "gateway" => nobody_answers(Some(&seen.probes.gateway)),
        "name" => nobody_answers(seen.probes.lan.as_ref()),
        _ => matches!(&finding.commands[..], [command] if missing.contains(command)),
    };
    let mut failing = layers.iter().filter(|layer| layer.finding.level == Level::Failure);
    is_there || !failing.all(is_missing)
}
