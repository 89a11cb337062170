//! The files of `deploy/`: they can be read, have the fields that matter, and fit the program and each other.
//!
//! This is no schema check: `.ci/orders-deploy` asks systemd, kubeconform and docker, if they are there.

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use orders::options::Options;
use serde::Deserialize;
use serde_norway::Value;

const DOCKERFILE: &str = include_str!("../deploy/Dockerfile");
const UNIT: &str = include_str!("../deploy/orders.service");
const KUBERNETES: &str = include_str!("../deploy/kubernetes.yaml");

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
}

fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Options {
    let line = CommandLine::try_parse_from(std::iter::once("orders").chain(arguments));
    line.unwrap_or_else(|error| panic!("{error}")).options
}

/// The manifest of this kind.
fn manifest(kind: &str) -> Value {
    let all = serde_norway::Deserializer::from_str(KUBERNETES).map(|part| Value::deserialize(part).unwrap());
    all.into_iter().find(|manifest| manifest["kind"] == kind).unwrap_or_else(|| panic!("there is no {kind}"))
}

/// The value of a setting of the unit.
fn setting(name: &str) -> &'static str {
    let line = UNIT.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("the unit has no {name}"))
}

/// The program and its options, in the image.
fn entrypoint() -> Vec<String> {
    let line = DOCKERFILE.lines().find_map(|line| line.strip_prefix("ENTRYPOINT ")).expect("there is an entry point");
    serde_json::from_str(line).expect("the form that needs no shell")
}

#[test]
fn the_image_is_made_of_what_is_there_and_starts_with_options_that_are() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for copied in DOCKERFILE.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let from = copied.split(' ').next().unwrap();
        assert!(from.starts_with("--from=") || repository.join(from).exists(), "COPY {copied}");
    }
    let entrypoint = entrypoint();
    assert!(DOCKERFILE.contains(&format!(" {}\n", entrypoint[0])), "{} is copied", entrypoint[0]);
    let options = parse(entrypoint.iter().skip(1).map(String::as_str));
    assert!(options.listen.ip().is_unspecified() && options.probes.ip().is_unspecified());
    let policies = options.policies.unwrap();
    assert!(DOCKERFILE.contains(&format!(" {}\n", policies.display())), "{} is copied", policies.display());
}

#[test]
fn the_unit_gives_the_program_the_time_that_it_needs() {
    let mut words = setting("ExecStart").split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/orders"));
    let options = parse(words);
    assert_eq!(setting("Type"), "notify");
    let seconds = |name| Duration::from_secs(setting(name).parse().unwrap());
    assert!(seconds("TimeoutStopSec") > options.limit);
    assert!(seconds("WatchdogSec") > Duration::from_secs(2) && seconds("TimeoutStartSec") > Duration::ZERO);
}

#[test]
fn the_manifests_fit_the_image_the_probes_and_the_grace() {
    let set = manifest("StatefulSet");
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let extra: Vec<String> = serde_norway::from_value(container["args"].clone()).unwrap();
    let options = parse(entrypoint().iter().skip(1).chain(&extra).map(String::as_str));
    let port = |name: &str| {
        let ports = container["ports"].as_sequence().unwrap();
        ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].as_u64().unwrap()
    };
    let ports = [port("http"), port("probes"), port("metrics")];
    assert_eq!(ports, [options.listen, options.probes, options.metrics].map(|address| u64::from(address.port())));
    for (probe, path) in [("startupProbe", "/startupz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert!(get["path"] == path && get["port"] == "probes", "{probe}: {get:?}");
    }
    let readiness = &container["readinessProbe"];
    let not_ready = readiness["periodSeconds"].as_u64().unwrap() * readiness["failureThreshold"].as_u64().unwrap();
    assert!(options.drain > Duration::from_secs(not_ready) && options.limit > options.drain);
    assert!(Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap()) > options.limit);
    // SQLite: one process, and a volume where the image has its databases.
    assert_eq!(set["spec"]["replicas"], 1);
    let mounts = container["volumeMounts"].as_sequence().unwrap();
    assert!(mounts.iter().any(|mount| mount["mountPath"] == "/data") && DOCKERFILE.contains("\nWORKDIR /data\n"));
    let service = manifest("Service");
    assert_eq!(service["spec"]["selector"], set["spec"]["template"]["metadata"]["labels"]);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(set["spec"]["serviceName"], service["metadata"]["name"]);
}
