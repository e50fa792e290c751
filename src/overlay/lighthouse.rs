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

/// The commands that make a lighthouse's key, certificate and files in `folder`, which must not exist.
pub fn plan(
    authority: &Authority,
    (name, at): (&HostName, &UdpEndpoint),
    folder: &Path,
    passphrase: Option<&str>,
    executor: &mut impl Executor,
) -> Result<Vec<Task>> {
    // It will hold a key, and nobody else may have prepared it.
    let mut tasks = Task::folder(folder, "700", "it goes to the lighthouse")?;
    tasks.push(nebula::key_pair(folder));
    let certificate = folder.join("host.crt");
    let (lighthouse, certify) =
        authority.plan_to_add_lighthouse(name, at, &certificate, passphrase, executor)?;
    tasks.extend(certify);
    let configuration = nebula::lighthouse_configuration(name, &lighthouse, &authority.revoked()?)?;
    let put = |file: &str, text: &str, why| Task::put(&folder.join(file), "644", text, why);
    tasks.extend([
        put("ca.crt", &authority.certificates()?.to_string(), "whose certificates count"),
        put("nebula.yml", &configuration, "Nebula's configuration"),
        put("flatnet-lighthouse.service", UNIT, "its unit of systemd"),
    ]);
    Ok(tasks)
}
