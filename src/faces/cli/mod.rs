//! The command line: each command parses, calls the engine, prints.

mod completions;
mod config;
mod dns;
mod doctor;
mod down;
mod explain;
mod gateway;
mod gc;
mod init;
mod inspect;
mod man;
mod metrics;
mod names;
mod output;
mod overlay;
mod plan;
mod ps;
mod repair;
mod report;
mod rules;
mod serve;
mod status;
mod stop;
mod up;
mod windows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::doctor::{Context, Invocation};
use crate::engine::Engine;
use crate::error::Result;
use crate::error::line::{one_line, steers};
use crate::kernel::execute::HostExecutor;
use crate::log::Log;
use crate::model::command;
use crate::model::config::{Config, DEFAULT_PATH, load};
use crate::setup::podman::Podman;

/// Give Podman containers flat, routable addresses and a gateway that opens them by name.
#[derive(Debug, Parser)]
#[command(
    name = "flatnet",
    version,
    long_version = env!("FLATNET_VERSION"),
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:\n  flatnet init && flatnet up    # once per host\n  podman run -d --name web --network flatnet IMAGE\n  flatnet ps\n  flatnet status"
)]
pub struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Options {
    /// Read the configuration from FILE.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_PATH, env = "FLATNET_CONFIG", value_parser = path)]
    config: PathBuf,
    /// Keep leases and receipts in DIR instead of `paths.state` of the configuration.
    #[arg(long, global = true, value_name = "DIR", value_parser = path)]
    state_dir: Option<PathBuf>,
    /// Keep locks in DIR instead of `paths.run` of the configuration.
    #[arg(long, global = true, value_name = "DIR", value_parser = path)]
    run_dir: Option<PathBuf>,
    /// Kill a command after SECONDS instead of `limits.command_seconds` of the configuration.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    command_seconds: Option<u64>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Print each command to standard error before it runs.
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Plan(plan::Plan),
    Up(up::Up),
    Down(down::Down),
    Ps(ps::Ps),
    Status(status::Status),
    Metrics(metrics::Metrics),
    Doctor(doctor::Doctor),
    Dns(dns::Dns),
    Serve(serve::Serve),
    Inspect(inspect::Inspect),
    Names(names::NamesCommand),
    Gateway(gateway::Gateway),
    Overlay(overlay::Overlay),
    Gc(gc::Gc),
    Repair(repair::Repair),
    Explain(explain::Explain),
    Rules(rules::Rules),
    Config(config::Config),
    Windows(windows::Windows),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Parses the command line, runs the command and returns the exit status.
pub fn run() -> eyre::Result<u8> {
    color_eyre::config::HookBuilder::default().display_env_section(false).theme(output::theme()).install()?;
    let Cli { options, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return Ok(print_usage(&error)),
    };
    let status = match command {
        Command::Init(command) => command.run(&options)?,
        Command::Plan(command) => command.run(&options)?,
        Command::Up(command) => command.run(&options)?,
        Command::Down(command) => command.run(&options)?,
        Command::Ps(command) => command.run(&options)?,
        Command::Status(command) => command.run(&options)?,
        Command::Metrics(command) => command.run(&options)?,
        Command::Doctor(command) => command.run(&options)?,
        Command::Dns(command) => command.run(&options)?,
        Command::Serve(command) => command.run()?,
        Command::Inspect(command) => command.run(&options)?,
        Command::Names(command) => command.run(&options)?,
        Command::Gateway(command) => command.run(&options)?,
        Command::Overlay(command) => command.run(&options)?,
        Command::Gc(command) => command.run(&options)?,
        Command::Repair(command) => command.run(&options)?,
        Command::Explain(command) => command.run(&options)?,
        Command::Rules(command) => command.run(&options)?,
        Command::Config(command) => command.run(&options)?,
        Command::Windows(command) => command.run(&options)?,
        Command::Completions(command) => command.run(&options)?,
        Command::Man(command) => command.run(&options)?,
    };
    Ok(output::status(status))
}

/// Parses a path; rejects one that cannot be printed safely.
fn path(text: &str) -> Result<PathBuf, &'static str> {
    match text {
        "" => Err("the path is empty"),
        _ if text.contains(steers) => Err("the path contains control characters"),
        _ => Ok(text.into()),
    }
}

/// Prints the requested help, or the usage error. Clap quotes the arguments, which may be hostile.
fn print_usage(error: &clap::Error) -> u8 {
    if std::env::args_os().any(|word| word.to_string_lossy().contains(steers)) {
        let said = error.render().to_string();
        output::note(&said.lines().map(one_line).collect::<Vec<_>>().join("\n"));
    } else {
        // A closed pipe is not an error.
        let _ = error.print();
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// Prints an error with its causes.
pub fn report(report: &eyre::Report) {
    output::note(&report::text(report, output::errors_have_colour()));
}

impl Options {
    /// The configuration, with the overrides of the command line.
    fn config(&self) -> Result<Config> {
        let mut config = load(&self.config)?;
        if let Some(state) = &self.state_dir {
            config.paths.state.clone_from(state);
        }
        if let Some(run) = &self.run_dir {
            config.paths.run.clone_from(run);
        }
        if let Some(seconds) = self.command_seconds {
            config.limits.command_seconds = seconds;
        }
        Ok(config)
    }

    fn engine(&self) -> Result<Engine> {
        let config = self.config()?;
        let log = Log::new(&config.paths.log);
        if !self.verbose {
            return Engine::open(config, log);
        }
        let executor = Box::new(self.executor(&config));
        Engine::with_executor(config, executor, log)
    }

    /// An engine for commands that change nothing.
    fn engine_to_look(&self) -> Result<Engine> {
        let config = self.config()?;
        let executor = Box::new(self.executor(&config));
        Ok(Engine::look_with_executor(config, executor))
    }

    /// The doctor's context. An unusable configuration is one of its findings.
    fn context(&self) -> Context {
        let config = self.config();
        let usable = config.as_ref().map_or_else(|_| Config::default(), Clone::clone);
        let engine = Engine::look_with_executor(usable.clone(), Box::new(self.executor(&usable)));
        let called =
            Invocation { config, config_path: self.config.clone(), program: self.program_and_options() };
        Context::gather(called, engine, Box::new(self.patient_executor()))
    }

    /// `flatnet` with the options for the same configuration and state.
    fn program(&self) -> String {
        command::Command::new(self.program_and_options()).line()
    }

    fn program_and_options(&self) -> Vec<String> {
        let mut argv = vec!["flatnet".to_owned()];
        let is_default = self.config == Path::new(DEFAULT_PATH);
        let options = [
            ("--config", (!is_default).then_some(&self.config)),
            ("--state-dir", self.state_dir.as_ref()),
            ("--run-dir", self.run_dir.as_ref()),
        ];
        for (option, path) in options {
            argv.extend(path.into_iter().flat_map(|path| [option.to_owned(), path.display().to_string()]));
        }
        argv
    }

    /// An executor that prints each command before it runs if `--verbose` is given.
    fn executor(&self, config: &Config) -> HostExecutor {
        self.shown(HostExecutor::new(Duration::from_secs(config.limits.command_seconds)))
    }

    /// An executor for slow programs such as Podman.
    fn patient_executor(&self) -> HostExecutor {
        let limit = self.config().map_or(0, |config| config.limits.command_seconds);
        self.shown(Podman::executor(limit))
    }

    /// The same, which prints no command: its input may be a secret.
    fn silent_executor(&self) -> HostExecutor {
        Podman::executor(self.config().map_or(0, |config| config.limits.command_seconds))
    }

    fn shown(&self, executor: HostExecutor) -> HostExecutor {
        if !self.verbose {
            return executor;
        }
        executor.observed_by(|command| output::note(&format!("+ {command}")))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_help_of_every_command_has_examples() {
        fn check(mut command: clap::Command, path: &str) {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:\n  "), "`{path} --help` has no example:\n{help}");
            for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
                check(inner.clone(), &format!("{path} {}", inner.get_name()));
            }
        }
        Cli::command().debug_assert();
        check(Cli::command(), "flatnet");
    }
}
