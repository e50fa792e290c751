//! `flatnet gateway render`.

use std::path::PathBuf;

use clap::Args;

use crate::faces::cli::{Options, output};
use crate::nginx::static_mode::{Nginx, render};
use crate::routes::sync::draft_table;

/// Write the routes as plain nginx has them: `upstream` and `server` blocks.
///
/// For those who run nginx by themselves and want no Lua in it. Containers that come, go or change their address are in
/// force after the next render and reload only; requests are not held while one restarts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet gateway render --static                    # to look at\n  flatnet gateway render --static --output /etc/nginx/conf.d/flatnet.conf --reload\n  flatnet gateway render --static --no-default-server # where another server has that part"
)]
pub(super) struct Render {
    /// For plain nginx; there is nothing else to render.
    #[arg(long = "static", required = true)]
    is_static: bool,
    /// Write it to FILE, which nginx includes, and take it back if `nginx -t` refuses it. Unset: print it.
    #[arg(long, value_name = "FILE", value_parser = crate::faces::cli::path)]
    output: Option<PathBuf>,
    /// Then have nginx reload.
    #[arg(long, requires = "output")]
    reload: bool,
    /// Leave out the server that answers requests for unknown hosts.
    #[arg(long)]
    no_default_server: bool,
    /// The main configuration of nginx, where it is not the usual one.
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
            (false, _) => "is already so",
            (true, false) => "is written; `nginx -s reload` puts it in force",
            (true, true) => "is written and in force",
        };
        output::print(&format!("{} {how}: {}\n", path.display(), crate::routes::summary::count(&table)));
        Ok(0)
    }
}
