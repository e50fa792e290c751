//! Decides from the observed state how far the path from the LAN to the containers works, and which actions are needed.

use std::str::FromStr;

use serde::Serialize;

use super::action::Planned;
use super::layers::{self, Layer};
use super::observed::{Answer, Observed, Task};
use super::view::View;
use super::{VERSION, firewall, gateway, nrpt, route};
use crate::doctor::Level;
use crate::error::Result;

/// The request: to report, or to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Report the state.
    Look,
    /// Report the state and plan the actions that fix it.
    Up,
}

impl FromStr for Verb {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "look" => Ok(Self::Look),
            "up" => Ok(Self::Up),
            _ => Err("the verb must be look or up".to_owned()),
        }
    }
}

/// The output of `flatnet windows decide`, which Windows' scripts read.
#[derive(Debug, Serialize)]
pub struct Decision {
    /// [`VERSION`].
    pub version: u32,
    /// The state of each layer, in the order in which a packet passes them.
    pub layers: Vec<Layer>,
    /// The first layer with a failure.
    pub stops_at: Option<&'static str>,
    /// Whether Flatnet is set up on Windows. If it is not, failures that follow from that are only
    /// warnings.
    pub set_up: bool,
    /// Whether Windows has no default route, and so no LAN.
    pub offline: bool,
    /// The actions, in order.
    pub actions: Vec<Planned>,
}

/// A pure function of the observed state.
pub fn decide(verb: Verb, observed: &Observed) -> Result<Decision> {
    let view = View::new(observed)?;
    let actions = match verb {
        Verb::Look => Vec::new(),
        // With a wrong subnet the route could divert other traffic.
        Verb::Up if layers::settings(&view).level == Level::Failure => Vec::new(),
        Verb::Up => [route::up(&view), firewall::up(&view), nrpt::up(&view), gateway::up(&view)].concat(),
    };
    let mut layers = layers::all(&view);
    let stops_at = layers.iter().find(|layer| layer.finding.level == Level::Failure).map(|layer| layer.layer);
    let set_up = verb == Verb::Up || is_set_up(&view, &layers);
    if !set_up {
        for layer in layers.iter_mut().filter(|layer| layer.finding.level == Level::Failure) {
            layer.finding.level = Level::Warning;
        }
    }
    Ok(Decision { version: VERSION, layers, stops_at, set_up, offline: observed.out.is_none(), actions })
}

/// Whether Windows has an object of Flatnet, or a layer fails for another reason than a missing object.
fn is_set_up(view: &View, layers: &[Layer]) -> bool {
    let has_run = |task: &Task| {
        task.state != "Disabled"
            && task.last_result.is_some_and(|result| !layers::NOT_ENDED.contains(&result))
    };
    let observed = view.observed;
    let is_there = route::own(view).next().is_some()
        || !observed.lan_rules.is_empty()
        || !observed.hyperv_rules.is_empty()
        || nrpt::own(view).next().is_some()
        || observed.service.is_some()
        || observed.processes.iter().any(|process| process.ours)
        || observed.task.as_ref().is_some_and(has_run);
    let missing = [view.script("up"), view.in_wsl(gateway::INSIDE)];
    let has_no_answer = |answer: Option<&Answer>| answer.is_none_or(|answer| answer.status().is_none());
    let is_missing = |Layer { layer, finding }: &Layer| match *layer {
        // Layers that depend on the missing objects.
        "bridge" => !view.facts.bridge_link.is_empty(),
        "container" => true,
        "gateway" => has_no_answer(Some(&observed.probes.gateway)),
        "name" => has_no_answer(observed.probes.lan.as_ref()),
        _ => matches!(&finding.commands[..], [command] if missing.contains(command)),
    };
    let mut failing = layers.iter().filter(|layer| layer.finding.level == Level::Failure);
    is_there || !failing.all(is_missing)
}
