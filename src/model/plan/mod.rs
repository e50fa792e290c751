//! Plans: typed [`Step`]s, each with its inverse and its reason.
//!
//! [`crate::kernel::planner`] makes plans, [`crate::kernel::render`] renders them as commands, receipts keep them.

mod element;
mod flow_filter;
mod op;

pub use element::{Element, TableElement};
pub use flow_filter::FlowFilter;
pub use op::{LinkAttribute, Op, Place};

use serde::{Deserialize, Serialize};

use crate::model::types::IfName;

/// Steps in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One operation with its undo and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    #[serde(flatten)]
    pub op: Op,
    /// How it is undone.
    pub undo: Undo,
    /// The reason, for people.
    pub why: String,
}

/// How a step is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// By the inverse operation.
    Op(Box<Op>),
    /// By these, in this order: the step removed more than one operation restores.
    Ops(Vec<Op>),
    /// By the undo of the step at this index: an address is removed with its link.
    With(usize),
    /// There is nothing to undo: the step itself removes something.
    Nothing,
}

impl Plan {
    /// Whether the desired state is reached already.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The operations, in order.
    #[must_use]
    pub fn ops(&self) -> Vec<Op> {
        self.steps.iter().map(|step| step.op.clone()).collect()
    }

    /// Adds a step that is undone by the inverse operation; returns its index.
    pub fn push(&mut self, op: Op, undo: Op, why: impl Into<String>) -> usize {
        self.add(op, Undo::Op(Box::new(undo)), why)
    }

    /// Adds a step that is undone with the step at `with`, or by `undo` if no step of this plan made what it depends
    /// on.
    pub fn push_with(&mut self, op: Op, with: Option<usize>, undo: Undo, why: impl Into<String>) {
        self.add(op, with.map_or(undo, Undo::With), why);
    }

    /// Adds a step that sets an attribute of the link `dev`; its undo sets `back`, unless a step of this plan made the
    /// link.
    pub fn push_link_set(
        &mut self,
        (place, dev): (&Place, &IfName),
        (attribute, back): (LinkAttribute, Option<LinkAttribute>),
        with: Option<usize>,
        why: &str,
    ) {
        let op = |attribute| Op::LinkSet { place: place.clone(), dev: dev.clone(), attribute };
        let undo = back.map_or(Undo::Nothing, |back| Undo::Op(Box::new(op(back))));
        self.push_with(op(attribute), with, undo, why);
    }

    /// Adds a step without an inverse; returns its index.
    pub fn push_final(&mut self, op: Op, why: impl Into<String>) -> usize {
        self.add(op, Undo::Nothing, why)
    }

    fn add(&mut self, op: Op, undo: Undo, why: impl Into<String>) -> usize {
        self.steps.push(Step { op, undo, why: why.into() });
        self.steps.len() - 1
    }

    /// Appends the steps of `other`; each reason is prefixed with its subject.
    pub fn append(&mut self, other: &Self, what: &str) {
        let start = self.steps.len();
        for Step { op, undo, why } in &other.steps {
            let undo = match undo {
                Undo::With(index) => Undo::With(index + start),
                undo => undo.clone(),
            };
            self.add(op.clone(), undo, format!("{what}: {why}"));
        }
    }

    /// The operations that undo the steps for which `may_have_run` holds, last first.
    #[must_use]
    pub fn undo_of(&self, may_have_run: impl Fn(usize) -> bool) -> Vec<Op> {
        self.steps
            .iter()
            .enumerate()
            .rev()
            .filter(|(index, _)| may_have_run(*index))
            .flat_map(|(_, step)| match &step.undo {
                Undo::Op(op) => vec![(**op).clone()],
                Undo::Ops(ops) => ops.clone(),
                Undo::With(_) | Undo::Nothing => Vec::new(),
            })
            .collect()
    }

    /// The operations that undo the whole plan, last first.
    #[must_use]
    pub fn undo(&self) -> Vec<Op> {
        self.undo_of(|_| true)
    }
}
