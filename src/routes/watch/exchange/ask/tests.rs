use super::*;
use crate::model::config::parse;

fn config() -> Arc<Config> {
    let yaml = "subnet: 10.87.2.0/24\noverlay: {kind: nebula, number: 2}\n";
    Arc::new(parse(yaml, std::path::Path::new("f.yaml")).unwrap())
}

fn asker(now: Instant) -> Asker {
    Asker::new(config(), 2, Others::new(), Wake::new().unwrap(), now)
}

/// The table of host `number`, sent by host 3.
fn table(number: u16, etag: &str) -> News {
    let body = format!(
        r#"{{"version":1,"generation":0,"written":"","host":{{"name":"pc","network":"flatnet","subnet":"10.87.{number}.0/24",
        "number":{number}}},"routes":[],"unrouted":[],"end":0}}"#
    );
    News::of(Reply::Table { etag: etag.to_owned(), body: body.into_bytes() }, 3, &config())
}

#[test]
fn every_number_has_its_turn_and_few_at_once() {
    let now = Instant::now();
    let mut asker = asker(now);
    asker.meet([7], now);
    let mut numbers = Vec::new();
    while asker.laps == 0 {
        let some = asker.take_unknown(32);
        assert_eq!(some.len(), 32);
        numbers.extend(some);
    }
    numbers.truncate(252);
    let wanted: Vec<u16> = (1..=254).filter(|number| ![2, 7].contains(number)).collect();
    assert_eq!(numbers, wanted);
    // Nobody is there to be asked.
    asker.meet(1..=254, now);
    assert!(asker.take_unknown(32).is_empty());
}

#[test]
fn host_is_away_after_some_unanswered_questions_and_keeps_its_routes() {
    let now = Instant::now();
    let mut asker = asker(now);
    assert!(!asker.unanswered(3, "0") && asker.known.is_empty(), "nobody is there");
    assert!(asker.answered(3, table(3, "a"), now, "1"));
    assert!(!asker.answered(3, News::Same, now, "2") && !asker.answered(3, table(3, "b"), now, "3"));
    assert_eq!(asker.known[&3].etag.as_deref(), Some("b"));
    let state = |asker: &Asker| (asker.others[&3].answers, asker.others[&3].since.clone());
    assert!(!asker.unanswered(3, "4") && !asker.unanswered(3, "5"));
    assert_eq!(state(&asker), (true, "1".to_owned()));
    assert!(asker.unanswered(3, "6") && !asker.unanswered(3, "7"));
    assert_eq!(state(&asker), (false, "3".to_owned()), "since its last answer");
    assert!(asker.answered(3, News::Same, now, "8"));
    assert_eq!(state(&asker), (true, "8".to_owned()));
}

#[test]
fn bad_table_is_a_warning_and_the_last_good_one_stays() {
    let now = Instant::now();
    let mut asker = asker(now);
    assert!(asker.answered(3, table(3, "a"), now, "1"));
    let before = asker.others.clone();
    assert!(asker.answered(3, table(4, "b"), now, "2"), "the warning is new");
    assert!(!asker.answered(3, News::Same, now, "3") && !asker.answered(3, table(4, "b"), now, "4"));
    assert_eq!(asker.others, before);
    let problem = "the routes that host 3 sends are not used: it is the table of a host with number 4 and subnet 10.87.4.0/24";
    assert_eq!(asker.problems(), [problem]);
    let huge = |news| match news {
        News::Table { etag, table, .. } => News::Table { etag, size: LARGEST + 1, table },
        News::Same => News::Same,
    };
    assert!(asker.answered(3, huge(table(3, "c")), now, "5"));
    assert!(asker.problems()[0].contains("together exceed"));
    assert!(asker.answered(3, table(3, "d"), now, "6"), "the warning ends");
    assert!(asker.problems().is_empty());
}

#[test]
fn whoever_has_asked_is_asked_at_once() {
    let now = Instant::now();
    let mut asker = asker(now);
    asker.next_unknown = now + INTERVAL.1 * 60;
    assert_eq!(asker.next(), asker.next_unknown);
    asker.meet([9], now);
    assert_eq!(asker.next(), now);
    // It is away, and back.
    asker.known.get_mut(&9).unwrap().next = asker.next_unknown;
    for _ in 0..UNANSWERED {
        asker.unanswered(9, "1");
    }
    assert_eq!(asker.next(), asker.next_unknown);
    asker.meet([9], now);
    assert_eq!(asker.next(), now);
}

#[test]
fn all_are_asked_anew_when_the_overlay_was_missing() {
    let now = Instant::now();
    let mut asker = asker(now);
    (asker.laps, asker.last_unknown) = (2, 100);
    let send = asker.results.0.clone();
    send.send((9, Err(ErrorKind::TimedOut.into()))).unwrap();
    assert!(!asker.take(now) && (asker.laps, asker.last_unknown) == (2, 100));
    send.send((9, Err(ErrorKind::HostUnreachable.into()))).unwrap();
    assert!(!asker.take(now) && (asker.laps, asker.last_unknown) == (0, 0));
}
