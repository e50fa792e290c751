//! A parsed page of the documents: its session, and its blocks of commands with their marks.
//!
//! Marks are HTML comments, which GitHub does not show:
//!
//! ```text
//! <!-- session: podman4 podman5; images: busybox web; begin: lan installed -->   the page's sandbox, before the first block that runs
//! <!-- not run: why -->        the next block is not run
//! <!-- only: podman5 -->       the next block is run only there
//! <!-- newcomer: why -->       the next block installs packages: only `./ops/test newcomer` runs it
//! <!-- output varies: why -->  the next block is run; its output is an example and not compared
//! <!-- setup                   run, and not shown to readers; must succeed
//! commands
//! -->
//! <!-- setup newcomer          the same, only in `./ops/test newcomer`; `<!-- setup suite`: everywhere else
//! commands
//! -->
//! ```

use std::ops::Range;
use std::path::Path;

/// Languages of blocks that contain commands.
const SHELLS: [&str; 3] = ["sh", "console", "powershell"];

/// A Markdown file.
#[derive(Debug)]
pub(crate) struct Page {
    /// The path in the source tree.
    pub(crate) path: String,
    pub(crate) lines: Vec<String>,
    pub(crate) session: Option<Session>,
    pub(crate) blocks: Vec<Block>,
}

/// The sandbox that a page's commands run in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// `podman4`, `podman5`: each runs the whole page.
    pub(crate) podmans: Vec<String>,
    /// Test images.
    pub(crate) images: Vec<String>,
    /// Functions of `prepare.sh` that run before the first block.
    pub(crate) begin: Vec<String>,
}

/// A block of commands, fenced or in a comment.
#[derive(Debug)]
pub(crate) struct Block {
    /// `sh`, `console`, `powershell` or, for a block in a comment, `setup`.
    pub(crate) language: String,
    /// The lines between the fences, counted from 0.
    pub(crate) inner: Range<usize>,
    /// The indentation of the fences.
    pub(crate) indent: usize,
    /// The heading above the block.
    pub(crate) heading: String,
    /// Why the block is not run.
    pub(crate) not_run: Option<String>,
    /// The only Podman on which the block is run.
    pub(crate) only: Option<String>,
    /// Whether the block is run only in `./ops/test newcomer`, or only elsewhere.
    pub(crate) newcomer: Option<bool>,
    /// Why the block's output is not compared.
    pub(crate) varies: Option<String>,
}

impl Page {
    /// Reads and parses the file at `path` of the source tree.
    pub(crate) fn read(path: &str) -> Result<Self, String> {
        let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(&whole).map_err(|error| format!("{path}: {error}"))?;
        Self::parse(path, &text)
    }

    /// Parses `text`; an error names the line.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut parser = Parser { path, lines: &lines, ..Parser::default() };
        parser.run()?;
        let Parser { session, blocks, .. } = parser;
        Ok(Self { path: path.to_owned(), lines, session, blocks })
    }

    /// The lines of a block, without the indentation of its fences.
    pub(crate) fn inside(&self, block: &Block) -> Vec<&str> {
        self.lines[block.inner.clone()]
            .iter()
            .map(|line| line.get(block.indent..).unwrap_or(line.trim_start()))
            .collect()
    }
}

#[derive(Default)]
struct Parser<'a> {
    path: &'a str,
    lines: &'a [String],
    session: Option<Session>,
    blocks: Vec<Block>,
    heading: String,
    /// Marks for the next block.
    not_run: Option<String>,
    only: Option<String>,
    newcomer: Option<bool>,
    varies: Option<String>,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut at = 0;
        while let Some(line) = self.lines.get(at) {
            let text = line.trim();
            if let Some(info) = text.strip_prefix("```") {
                let end = self.find(at, |line| line.trim() == "```")?;
                self.fence(at, end, info)?;
                at = end;
            } else if let Some(who) = text.strip_prefix("<!-- setup").filter(|rest| !rest.ends_with("-->")) {
                self.newcomer = match who.trim() {
                    "" => None,
                    "newcomer" => Some(true),
                    "suite" => Some(false),
                    _ => return Err(self.wrong(at, "no mark that is known")),
                };
                let end = self.find(at, |line| line.trim() == "-->")?;
                self.block("setup", at, end);
                at = end;
            } else if let Some(mark) = text.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
                self.mark(at, mark)?;
            } else if !text.is_empty() {
                if self.is_marked() {
                    return Err(self.wrong(at, "the mark above is not followed by a block"));
                }
                if line.starts_with('#') {
                    text.trim_start_matches('#').trim().clone_into(&mut self.heading);
                }
            }
            at += 1;
        }
        Ok(())
    }

    fn mark(&mut self, at: usize, mark: &str) -> Result<(), String> {
        let (word, rest) = mark.split_once(": ").ok_or_else(|| self.wrong(at, "no mark that is known"))?;
        match word {
            "session" if self.blocks.iter().all(|block| block.not_run.is_some()) => {
                self.session = Some(Session::parse(rest).ok_or_else(|| self.wrong(at, "no session"))?);
            }
            "not run" => self.not_run = Some(rest.to_owned()),
            "output varies" => self.varies = Some(rest.to_owned()),
            "newcomer" => self.newcomer = Some(true),
            "only" if ["podman4", "podman5"].contains(&rest) => self.only = Some(rest.to_owned()),
            _ => return Err(self.wrong(at, "no mark that is known, or not in its place")),
        }
        Ok(())
    }

    fn fence(&mut self, start: usize, end: usize, info: &str) -> Result<(), String> {
        if info.is_empty() {
            return Err(self.wrong(start, "a block without a language: `console`, `sh`, `text`, .."));
        }
        if !SHELLS.contains(&info) {
            if self.is_marked() {
                return Err(self.wrong(start, "a mark for a block that holds no commands"));
            }
            return Ok(());
        }
        let is_run = self.not_run.is_none();
        if is_run && info == "powershell" {
            return Err(self.wrong(start, "PowerShell cannot run here: say `<!-- not run: .. -->` before it"));
        }
        if is_run && self.session.is_none() {
            return Err(
                self.wrong(start, "neither run (`<!-- session: .. -->`) nor marked `<!-- not run: .. -->`")
            );
        }
        self.block(info, start, end);
        Ok(())
    }

    fn block(&mut self, language: &str, start: usize, end: usize) {
        let line = &self.lines[start];
        self.blocks.push(Block {
            language: language.to_owned(),
            inner: start + 1..end,
            indent: line.len() - line.trim_start().len(),
            heading: self.heading.clone(),
            not_run: self.not_run.take(),
            only: self.only.take(),
            newcomer: self.newcomer.take(),
            varies: self.varies.take(),
        });
    }

    fn is_marked(&self) -> bool {
        self.not_run.is_some() || self.only.is_some() || self.newcomer.is_some() || self.varies.is_some()
    }

    fn find(&self, start: usize, is_end: impl Fn(&str) -> bool) -> Result<usize, String> {
        (start + 1..self.lines.len())
            .find(|&at| is_end(&self.lines[at]))
            .ok_or_else(|| self.wrong(start, "what begins here does not end"))
    }

    fn wrong(&self, at: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, at + 1)
    }
}

impl Session {
    /// `podman4 podman5; images: busybox web; begin: lan installed`
    fn parse(text: &str) -> Option<Self> {
        let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let mut parts = text.split("; ");
        let mut session = Self { podmans: words(parts.next()?), ..Self::default() };
        for part in parts {
            match part.split_once(": ")? {
                ("images", names) => session.images = words(names),
                ("begin", names) => session.begin = words(names),
                _ => return None,
            }
        }
        let known = session.podmans.iter().all(|podman| ["podman4", "podman5"].contains(&podman.as_str()));
        (known && !session.podmans.is_empty()).then_some(session)
    }
}
