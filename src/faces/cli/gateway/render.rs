//! `flatnet gateway render`.

use std::path::PathBuf;

use clap::Args;

use crate::faces::cli::{Options, output};
use crate::nginx::static_mode::{Nginx, render};
use crate::routes::sync::draft_table;

/// Write the routes as plain nginx configuration: `upstream` and `server` blocks.
///
/// Use it to run your own nginx without Lua. Changes of containers take effect only after the next render and reload, and
/// requests are not held while a container restarts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet gateway render --static                    # print it\n  flatnet gateway render --static --output /etc/nginx/conf.d/flatnet.conf --reload\n  flatnet gateway render --static --no-default-server # if another server is the default"
)]
pub(super) struct Render {
    /// Render for plain nginx (required; the only mode).
    #[arg(long = "static", required = true)]
    is_static: bool,
    /// Write to FILE, which nginx includes, and restore it if `nginx -t` fails. Default: print it.
    #[arg(long, value_name = "FILE", value_parser = crate::faces::cli::path)]
    output: Option<PathBuf>,
    /// Reload nginx afterwards.
    #[arg(long, requires = "output")]
    reload: bool,
    /// Omit the server that answers requests for unknown hosts.
    #[arg(long)]
    no_default_server: bool,
    /// nginx's main configuration. Default: nginx's own default.
    #[arg(long, value_name = "FILE", requires = "output")]
    nginx_conf: Option<String>,
}

impl Render {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let engine = options.engine_to_look()?;
        let mut executor = options.patient_executor();
        let table = draft_table(&engine, &mut executor)?;
        let text = render(&engine.config, &table, !self.no_default_server)?;
        let Some(path) = &self.output else {
            output::print(&text);
            return Ok(0);
        };
        let nginx = Nginx { conf: self.nginx_conf.clone() };
        let is_new = nginx.put(path, &text, &mut executor)?;
        if is_new && self.reload {
            nginx.reload(&mut executor)?;
        }
        let how = match (is_new, self.reload) {
            (false, _) => "is unchanged",
            (true, false) => "is written; run `nginx -s reload` to apply it",
            (true, true) => "is written and nginx reloaded",
        };
        output::print(&format!("{} {how}: {}\n", path.display(), crate::routes::summary::count(&table)));
        Ok(0)
    }
}
