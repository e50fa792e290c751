//! The files of a lighthouse: for a small machine with a stable address, without Flatnet.

use std::path::Path;

use super::authority::Authority;
use super::nebula;
use super::papers::UdpEndpoint;
use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::model::types::HostName;
use crate::setup::task::Task;

const UNIT: &str = include_str!("../../templates/nebula-lighthouse.service.in");

/// What writes a lighthouse's files into `folder`, which has its key already.
pub fn files(
    authority: &mut Authority,
    (name, at): (&HostName, &UdpEndpoint),
    folder: &Path,
    passphrase: Option<&str>,
    executor: &mut impl Executor,
) -> Result<Vec<Task>> {
    let key = folder.join("host.pub");
    let (lighthouse, certificate) = authority.add_lighthouse(name, at, &key, passphrase, executor)?;
    let configuration = nebula::lighthouse_configuration(name, &lighthouse, &authority.revoked()?)?;
    let put = |file: &str, text: &str, why| Task::put(&folder.join(file), "644", text, why);
    Ok(vec![
        put("ca.crt", &authority.certificates()?.to_string(), "whose certificates count"),
        put("host.crt", &certificate.to_string(), "the lighthouse's certificate"),
        put("nebula.yml", &configuration, "Nebula's configuration"),
        put("flatnet-lighthouse.service", UNIT, "its unit of systemd"),
    ])
}
