//! Chooses the face and returns the exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("CNI_COMMAND").is_some() {
        return ExitCode::from(flatnet::faces::cni::run());
    }
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    if arguments.first().is_some_and(|first| flatnet::faces::netavark::is_command(first)) {
        return ExitCode::from(flatnet::faces::netavark::run(&arguments));
    }
    match flatnet::faces::cli::run() {
        Ok(status) => ExitCode::from(status),
        Err(report) => {
            flatnet::faces::cli::report(&report);
            ExitCode::from(2)
        }
    }
}
