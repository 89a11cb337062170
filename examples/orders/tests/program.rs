//! Tests of the promises of the program, with the real process.

mod common;

use std::collections::HashSet;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use common::{Program, Server};

fn id(body: &str) -> i64 {
    let order: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no order: {body}"));
    order["id"].as_i64().unwrap()
}

/// Lets customers order side by side until `until` holds. Returns all answers, and the longest time of one.
fn load(server: Server, customers: usize, until: impl Fn() -> bool + Send + Sync) -> (Vec<(u16, String)>, Duration) {
    let order = |customer: usize| {
        let mut answers = Vec::new();
        let mut slowest = Duration::ZERO;
        while answers.is_empty() || !until() {
            let begun = Instant::now();
            answers.push(server.order(&format!("customer-{customer}"), 100));
            slowest = slowest.max(begun.elapsed());
        }
        (answers, slowest)
    };
    let customers: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..customers).map(|customer| scope.spawn(move || order(customer))).collect();
        all.into_iter().map(|customer| customer.join().unwrap()).collect()
    });
    let slowest = customers.iter().map(|(_, slowest)| *slowest).max().unwrap();
    (customers.into_iter().flat_map(|(answers, _)| answers).collect(), slowest)
}

#[test]
fn an_order_is_placed_paid_and_found() {
    let program = Program::start(&["--gateway-failures", "0"]);
    let server = program.server();
    let (status, placed) = server.order("ada", 1200);
    assert_eq!(status, 201, "{placed}");
    assert!(placed.contains("\"status\":\"paid\""), "{placed}");
    assert_eq!(server.get(&format!("/orders/{}", id(&placed))), (200, placed));
    assert_eq!(server.get("/orders/77").0, 404);
    assert!(server.order("bob", 2_000_000).1.contains("\"status\":\"declined\""));
    let (probes, metrics) = (program.probes(), program.metrics());
    for probe in ["/livez", "/readyz", "/startupz"] {
        assert_eq!(probes.get(probe), (200, "ok".into()), "{probe}");
        assert_eq!(server.get(probe).0, 404, "customers reach {probe}");
    }
    let (_, figures) = metrics.get("/metrics");
    let inserted = "regrow_messages_handled_total{tree=\"orders\",service=\"orders/database\"}";
    assert!(figures.lines().any(|line| line.starts_with(inserted) && !line.ends_with(" 0")), "{figures}");
    program.terminate();
    let end = program.end();
    assert!(end.status.success(), "{end:#?}");
}

#[test]
fn after_sigterm_it_is_not_ready_first_and_takes_orders_while_it_drains() {
    let program = Program::start(&["--drain", "3", "--limit", "20", "--gateway-failures", "0"]);
    let (server, probes) = (program.server(), program.probes());
    probes.until("/readyz", (200, "ok"));
    program.terminate();
    probes.until("/readyz", (503, "not ready"));
    assert_eq!((server.order("ada", 1200).0, probes.get("/livez")), (201, (200, "ok".into())));
    let end = program.end();
    assert!(end.status.success(), "{end:#?}");
}

#[test]
fn a_database_without_room_for_a_second_ends_no_service_and_loses_no_request() {
    let program = Program::start(&["--chaos", "mailbox-full", "--gateway-failures", "0", "--gateway-latency", "5"]);
    let server = program.server();
    // The load goes on past the second without room, which begins one second after the start.
    let over = Instant::now() + Duration::from_millis(3500);
    let (answers, slowest) = load(server, 16, || Instant::now() > over);
    let lost: Vec<_> = answers.iter().filter(|(status, _)| *status != 201).collect();
    assert!(lost.is_empty(), "{} of {} requests: {lost:#?}", lost.len(), answers.len());
    assert!(slowest > Duration::from_millis(500), "no request has met the fault: the slowest took {slowest:?}");
    let ids: HashSet<_> = answers.iter().map(|(_, body)| id(body)).collect();
    assert_eq!(ids.len(), answers.len(), "each is an order of its own");
    for id in ids.iter().take(100) {
        assert!(server.get(&format!("/orders/{id}")).1.contains("\"status\":\"paid\""), "order {id}");
    }
    let (_, tree) = server.get("/tree");
    let lives: Vec<_> = tree.lines().filter(|line| !line.contains("(generation 1)")).collect();
    assert!(lives.is_empty() && tree.lines().count() > 10, "restarted: {lives:#?} of\n{tree}");
    // The experiment claims the same: no restart, and the books of every mailbox balance.
    assert_eq!(program.line("chaos: "), "passed");
    program.terminate();
    let end = program.end();
    assert!(end.status.success(), "{end:#?}");
    eprintln!("{} requests, the slowest took {slowest:?}", answers.len());
}

#[test]
fn a_port_that_is_taken_ends_it_with_status_1_and_the_reason_on_the_last_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let end = Program::start(&["--listen", &taken.local_addr().unwrap().to_string()]).end();
    let last = end.stderr.last().unwrap();
    assert_eq!(end.status.code(), Some(1), "{end:#?}");
    assert!(last.contains("orders/http") && last.contains("Address already in use"), "{end:#?}");
}

#[test]
fn sigterm_with_eight_busy_workers_answers_what_was_taken_and_ends_within_the_limit() {
    let program = Program::start(&["--gateway-latency", "300", "--gateway-failures", "0", "--limit", "10"]);
    let server = program.server();
    let customers = thread::spawn(move || load(server, 32, || true));
    server.until_busy(8);
    program.terminate();
    let begun = Instant::now();
    let end = program.end();
    let took = begun.elapsed();
    assert!(end.status.success() && took < Duration::from_secs(10), "{took:?}, {end:#?}");
    let (answers, _) = customers.join().unwrap();
    // A request that came too late was not taken, and a load balancer tries it elsewhere. None was taken and dropped.
    let answered = answers.iter().filter(|(status, _)| *status == 201).count();
    assert!(answered >= 8 && answers.iter().all(|(status, _)| [0, 201].contains(status)), "{answers:#?}");
    eprintln!("ended {took:?} after SIGTERM, {answered} of {} answered", answers.len());
}

#[test]
fn sigterm_with_eight_workers_that_hang_ends_at_the_limit_and_says_what_was_killed() {
    let hour = "3600000";
    let program = Program::start(&["--gateway-latency", hour, "--gateway-failures", "0", "--limit", "4"]);
    let server = program.server();
    let customers = thread::spawn(move || load(server, 32, || true));
    server.until_busy(8);
    program.terminate();
    let begun = Instant::now();
    let end = program.end();
    let took = begun.elapsed();
    // A second more is for a busy machine: the program itself keeps the limit to the millisecond.
    assert!(took < Duration::from_secs(4) + Duration::from_secs(1), "{took:?}, {end:#?}");
    assert!(end.status.code() == Some(1) && end.stderr.last().unwrap().contains("killed"), "{end:#?}");
    customers.join().unwrap();
    eprintln!("ended {took:?} after SIGTERM");
}

#[test]
fn a_gateway_that_fails_half_of_the_time_costs_time_and_no_order() {
    let program = Program::start(&["--gateway-failures", "0.5", "--gateway-latency", "5", "--seed", "7"]);
    let server = program.server();
    let over = Instant::now() + Duration::from_secs(1);
    let (answers, _) = load(server, 8, || Instant::now() > over);
    assert!(answers.iter().all(|(status, _)| *status == 201), "{answers:#?}");
    let (_, tree) = server.get("/tree");
    for path in ["orders/database", "orders/workers/0", "orders/workers/7"] {
        let line = tree.lines().find(|line| line.starts_with(&format!("{path}: "))).unwrap();
        assert!(line.contains("(generation 1)"), "{line}");
    }
    program.terminate();
    assert!(program.end().status.success());
}
