//! A PowerShell script as a syntax tree: its calls, functions and variables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tree_sitter::{Node, Parser, Tree};

/// Parameters of every cmdlet and advanced function (`about_CommonParameters`).
pub(crate) const COMMON: [&str; 3] = ["ErrorAction", "WarningAction", "Verbose"];

/// A parsed script.
pub(crate) struct Script {
    pub(crate) name: String,
    text: String,
    tree: Tree,
}

/// A call of a command, with the values that are literals.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) parameters: BTreeMap<String, Vec<String>>,
    /// Plain words that belong to no parameter.
    pub(crate) words: Vec<String>,
    pub(crate) line: usize,
}

/// A function that a script defines.
pub(crate) struct Function<'a> {
    pub(crate) name: String,
    pub(crate) parameters: BTreeSet<String>,
    pub(crate) mandatory: BTreeSet<String>,
    pub(crate) node: Node<'a>,
}

impl Script {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        Self::of(&path.file_name().unwrap().to_string_lossy(), text)
    }

    pub(crate) fn of(name: &str, text: String) -> Self {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
        let tree = parser.parse(&text, None).unwrap();
        Self { name: name.to_owned(), text, tree }
    }

    pub(crate) fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }

    pub(crate) fn text(&self, node: Node) -> &str {
        &self.text[node.byte_range()]
    }

    fn at(&self, node: Node) -> String {
        let line = node.start_position().row + 1;
        format!("{}:{line}: {}", self.name, self.text(node).lines().next().unwrap_or_default())
    }

    /// Syntax that PowerShell 5.1 rejects, as far as the tree shows it.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(line) = self.text.lines().position(|line| !line.is_ascii() || line.contains('\t')) {
            faults.push(format!("{}:{}: not ASCII, or a tab", self.name, line + 1));
        }
        for node in below(self.root()) {
            let has = |kind: &str| children(node).any(|child| child.kind().starts_with(kind));
            let what = match node.kind() {
                _ if node.is_error() => "cannot be parsed",
                _ if node.is_missing() => "something is missing",
                "pipeline_chain_tail" | "background_operator" | "ternary_expression" => "PowerShell 7 only",
                "try_statement" if !has("catch") && !has("finally") => "try without catch or finally",
                _ => continue,
            };
            faults.push(format!("{}: {what}", self.at(node)));
        }
        faults
    }

    /// Every command below `node`, including those that `Invoke-Cmdlet` runs.
    pub(crate) fn calls(&self, node: Node) -> Vec<Call> {
        let commands = below(node).filter(|node| node.kind() == "command");
        commands.flat_map(|command| [Some(self.call(command)), self.inner(command)]).flatten().collect()
    }

    fn call(&self, command: Node) -> Call {
        let name = children(command).find(|child| child.kind().starts_with("command_name"));
        let operator = children(command).find(|child| child.kind() == "command_invokation_operator");
        let (mut parameters, mut words) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
        let mut current = None;
        let elements = children(command).find(|child| child.kind() == "command_elements");
        for element in elements.into_iter().flat_map(children) {
            match element.kind() {
                "command_argument_sep" => {}
                "command_parameter" => {
                    let name = self.text(element).trim_start_matches('-').to_owned();
                    parameters.entry(name.clone()).or_default();
                    words.push(self.text(element).to_owned());
                    current = Some(name);
                }
                _ => match current.take() {
                    Some(name) => parameters.entry(name).or_default().extend(self.words(element)),
                    None => words.extend(self.words(element)),
                },
            }
        }
        let operator = operator.map_or("", |operator| self.text(operator));
        let name = format!("{operator}{}", name.map_or("", |name| self.text(name)));
        Call { name, parameters, words, line: command.start_position().row + 1 }
    }

    /// `Invoke-Cmdlet NAME ([ordered]@{ parameter = value .. })`.
    fn inner(&self, command: Node) -> Option<Call> {
        let outer = self.call(command);
        if outer.name != "Invoke-Cmdlet" {
            return None;
        }
        let hash = below(command).find(|node| node.kind() == "hash_literal_expression")?;
        let parameters =
            self.entries(hash).into_iter().map(|(key, value)| (key, self.words(value))).collect();
        Some(Call { name: outer.words.first()?.clone(), parameters, words: Vec::new(), line: outer.line })
    }

    /// Keys and values of a hashtable, without those of hashtables in it.
    pub(crate) fn entries<'a>(&'a self, hash: Node<'a>) -> Vec<(String, Node<'a>)> {
        let body = children(hash).find(|child| child.kind() == "hash_literal_body");
        let entries = body.into_iter().flat_map(children).filter(|child| child.kind() == "hash_entry");
        entries
            .filter_map(|entry| Some((self.text(entry.named_child(0)?).to_owned(), entry.named_child(1)?)))
            .collect()
    }

    /// Literal words without their quotes; strings with variables are skipped.
    pub(crate) fn words(&self, node: Node) -> Vec<String> {
        let literal = |node: &Node| ["verbatim_string_characters", "generic_token"].contains(&node.kind());
        let words = below(node).filter(literal);
        words.map(|node| self.text(node).trim_matches('\'').to_owned()).collect()
    }

    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let functions = below(self.root()).filter(|node| node.kind() == "function_statement");
        functions.map(|node| self.function(node)).collect()
    }

    fn function<'a>(&'a self, node: Node<'a>) -> Function<'a> {
        let name = children(node).find(|child| child.kind() == "function_name").unwrap();
        let (mut parameters, mut mandatory) = (BTreeSet::new(), BTreeSet::new());
        // Script blocks inside the function have parameters of their own, deeper in the tree.
        let block = below(node).find(|node| node.kind() == "param_block");
        let block = block.filter(|block| block.parent().and_then(|body| body.parent()) == Some(node));
        for parameter in block.into_iter().flat_map(below).filter(|node| node.kind() == "script_parameter") {
            let variable = children(parameter).find(|child| child.kind() == "variable").unwrap();
            let name = self.text(variable).trim_start_matches('$').to_owned();
            if self.text(parameter).contains("Mandatory = $true") {
                mandatory.insert(name.clone());
            }
            parameters.insert(name);
        }
        Function { name: self.text(name).to_owned(), parameters, mandatory, node }
    }

    /// Everything outside of functions.
    pub(crate) fn top_level(&self) -> Vec<Node<'_>> {
        let mut found = Vec::new();
        let mut open = vec![self.root()];
        while let Some(node) = open.pop() {
            if node.kind() != "function_statement" {
                found.push(node);
                open.extend(children(node));
            }
        }
        found
    }

    /// Names of variables among `nodes`, in lower case: the assigned ones and those that are read.
    pub(crate) fn variables<'a>(&self, nodes: impl Iterator<Item = Node<'a>>) -> [BTreeSet<String>; 2] {
        let (mut set, mut read) = (BTreeSet::new(), BTreeSet::new());
        for node in nodes.filter(|node| node.kind() == "variable") {
            let name =
                self.text(node).trim_start_matches(['$', '@', '{']).trim_end_matches('}').to_lowercase();
            let ancestors = || std::iter::successors(node.parent(), Node::parent);
            let gets = |kind: &str| {
                ancestors().take_while(|node| node.kind() != "pipeline").any(|node| node.kind() == kind)
            };
            // `$x.y = 1` counts as an assignment to `$x`, which does no harm here.
            let is_loop = node.parent().is_some_and(|parent| parent.kind() == "foreach_statement");
            if is_loop || gets("left_assignment_expression") || gets("script_parameter") {
                set.insert(name);
            } else {
                read.insert(name);
            }
        }
        [set, read]
    }
}

/// `node` and all below it, in the order of the text.
pub(crate) fn below(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let mut open = vec![node];
    std::iter::from_fn(move || {
        let node = open.pop()?;
        open.extend(children(node).collect::<Vec<_>>().into_iter().rev());
        Some(node)
    })
}

pub(crate) fn children(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let count = u32::try_from(node.child_count()).unwrap();
    (0..count).filter_map(move |index| node.child(index))
}
