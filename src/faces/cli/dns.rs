//! `flatnet dns`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Options, output, stop};
use crate::error::Result;
use crate::names::{Event, Resolver, Settings, counters, privileges};
use crate::state::names;
use crate::state::names_dir::NamesDir;

/// Answer the names of containers until stopped.
///
/// It listens at the address of each network, port 53, and answers from the files that `flatnet up` and the plugin write to
/// /run/flatnet-dns. Names of the internet it asks of this host's own servers (/etc/resolv.conf, or `dns.servers` of the
/// configuration). It answers containers, this host, `ingress_gateways` and `names.clients`, nobody else. Started as root,
/// it gives up root after it has bound its ports. `flatnet init` writes a systemd unit that runs it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  systemctl enable --now flatnet-dns.service\n  systemctl stop flatnet-dns; flatnet dns --log   # shows each question; then: systemctl start flatnet-dns\n  dig @10.87.1.1 web.direct.flatnet.internal"
)]
pub(super) struct Dns {
    /// Read the names from DIR.
    #[arg(long, value_name = "DIR", default_value = names::DIRECTORY, value_parser = super::path)]
    dir: PathBuf,
    /// Listen at this port.
    #[arg(long, value_name = "PORT", default_value_t = 53)]
    port: u16,
    /// Print each question: who asked, the answer or who was asked for it, and how long it took.
    #[arg(long)]
    log: bool,
    /// Answer at most this many questions a second of one client; 0 for no limit.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    rate: u32,
    /// Write counters to FILE, in a directory of the resolver's own.
    #[arg(long, value_name = "FILE", default_value = counters::FILE, value_parser = super::path)]
    counters: PathBuf,
}

impl Dns {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let Self { dir, port, log, rate, counters } = self;
        let settings = Settings {
            directory: dir.clone(),
            port: *port,
            resolv_conf: "/etc/resolv.conf".into(),
            counters: Some(counters.clone()),
            rate: *rate,
            has_log: *log,
        };
        serve(settings, options.json)?;
        Ok(0)
    }
}

fn serve(settings: Settings, is_json: bool) -> Result<()> {
    let stop = stop::signals()?;
    // Held for as long as this process lives. Another user cannot lock, and has a service manager.
    let names = NamesDir::new(settings.directory.clone());
    let _lock = rustix::process::geteuid().is_root().then(|| names.lock()).transpose()?;
    let mut report = |event: Event<'_>| say(&event, is_json);
    let user = privileges::user()?;
    if let (Some(user), Some(directory)) = (user, settings.counters.as_deref().and_then(Path::parent)) {
        // Without counters it answers all the same.
        if let Err(error) = privileges::hand_over(directory, user) {
            report(Event::Failed(&error));
        }
    }
    let resolver = Resolver::open(settings, &mut report)?;
    privileges::give_up(user)?;
    resolver.run(&stop, &mut report)
}

fn say(event: &Event<'_>, is_json: bool) {
    match event {
        Event::Query(query) if is_json => output::print(&format!("{}\n", query.json())),
        Event::Query(query) => output::print(&format!("{query}\n")),
        Event::Listening(network, address) => {
            output::note(&format!("flatnet: answers for {network} at {address}"));
        }
        Event::Closed(network, address) => {
            output::note(&format!("flatnet: answers no longer for {network} at {address}"));
        }
        Event::Failed(error) => output::note(&format!("flatnet: warning: {}", error.to_line())),
    }
}
