//! Several hosts: who belongs to the overlay, and what each host needs for it.
//!
//! Nebula carries packets between hosts, and its certificates say which host has which addresses. In a trusted LAN the kernel's VXLAN
//! can do it instead, without encryption. Nothing of Flatnet runs between hosts, and nothing but a number is allocated: all addresses of a host follow from it.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`authority`] | the folder of the certificate authority: numbers, certificates, lighthouses |
//! | [`papers`] | what travels: a new host's request, and the invitation that answers it |
//! | [`membership`] | the commands by which a host joins and leaves |
//! | [`lighthouse`] | the files of a lighthouse |
//! | [`nebula`] | Nebula's programs and its configuration |
//! | [`console`] | Nebula's console, which knows the tunnels |
//! | [`status`] | the overlay as a host sees it |
//! | [`vxlan`] | the file with the hosts for VXLAN |
//! | [`crate::setup::task`] | commands that run in order, and are undone in reverse order if one fails |

pub mod authority;
pub mod console;
pub mod lighthouse;
pub mod membership;
pub mod nebula;
pub mod papers;
pub mod status;
pub mod vxlan;
