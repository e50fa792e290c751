//! All tests that need a kernel, a container runtime or a whole process: one binary, with one module per subject.
//!
//! Each test starts a [`sandbox::Sandbox`] of its own, so tests never change the machine and run in parallel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod architecture;
#[cfg(feature = "faults")]
mod boots;
mod browser;
mod browser_git;
mod browser_life;
mod browser_pages;
mod browser_services;
mod cli_init;
mod cli_look;
mod cli_rules;
mod cli_words;
mod cni;
mod cni_concurrency;
mod cni_failures;
mod cni_hostile;
mod cni_input;
mod cni_lifecycle;
mod cni_versions;
#[cfg(feature = "faults")]
mod config_missing;
mod dels_at_once;
mod dns;
mod dns_forward;
mod doctor;
mod doctor_containers;
mod doctor_firewall;
mod doctor_fix;
mod doctor_gateway;
mod doctor_host;
mod doctor_inside;
mod doctor_kernel;
mod doctor_network;
mod doctor_podman;
mod doctor_wsl;
mod documents;
mod drive;
mod error_messages;
mod errors;
#[cfg(feature = "faults")]
mod faults;
mod flows_batch;
mod flows_left;
mod frames;
mod gateway;
mod gateway_answers;
mod gateway_conf;
mod gateway_files;
mod gateway_informational;
mod gateway_install;
mod gateway_pages;
mod gateway_restart;
mod gateway_routes;
mod gateway_upstreams;
#[path = "../pure/golden_file.rs"]
mod golden_file;
mod guard;
mod guard_errors;
mod guard_flows;
mod guard_flows_host;
mod guard_fragments;
mod guard_kernel;
mod guard_networks;
mod guard_ports;
mod guard_shadow;
mod guard_sources;
mod host_up_down;
mod hosts;
#[cfg(feature = "faults")]
mod interleaved;
mod ip_families;
mod kill_random;
#[cfg(feature = "faults")]
mod kill_steps;
mod log;
mod metrics;
mod names;
mod names_lan;
mod older_state;
mod overlay;
mod owner;
mod package;
mod package_life;
mod pc;
mod podman;
mod podman_failures;
mod podman_life;
mod podman_options;
mod podman_run;
mod powershell;
mod quickstart_host;
mod reliability;
mod repair;
mod routes;
mod routes_static;
mod routes_sync;
mod routes_watch;
mod ruleset_gateway;
mod ruleset_genuine;
mod ruleset_matrix;
mod ruleset_networks;
mod ruleset_published;
mod ruleset_replaced;
mod ruleset_resolvers;
mod ruleset_text;
mod runtimes;
mod sandbox;
mod soak;
mod soak_cycle;
mod soak_disk;
mod soak_dns;
mod soak_exhaustion;
mod soak_fuzz;
mod soak_gateway;
mod soak_hostile;
mod soak_names;
mod soak_overlay;
mod soak_reuse;
mod soak_state;
mod storm;
#[cfg(feature = "faults")]
mod tool_failures;
mod traffic;
mod troubleshooting;
mod units;
mod upgrade;
mod version;
mod windows;
mod windows_install;
mod windows_xml;
mod world;
mod wsl;
