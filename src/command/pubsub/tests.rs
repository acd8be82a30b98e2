use super::listen::{ROWS, Verb};
use crate::command::Handler;
use crate::command::one_core::{Cores, words};
use crate::protocol::{Proto, Reply};
use crate::session::listeners::{Change, Kind, Name};
use crate::session::{Door, Session};

fn verb(name: &str) -> Verb {
    let row = ROWS.iter().find(|row| row.name == name).expect("a command of this family");
    let Handler::Listen(verb) = row.handler else { panic!("{name} changes what a client listens to") };
    verb
}

/// Runs a command line; the reply with blanks for line ends, and what is news.
fn say(session: &mut Session, line: &str) -> (String, Option<Change>) {
    let line: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut out = Vec::new();
    let name = std::str::from_utf8(line[0]).unwrap();
    let proto = session.proto;
    let done = words(&line, |args| verb(name).run(session, args, &mut Reply::new(&mut out, proto)));
    (String::from_utf8(out).unwrap().replace("\r\n", " "), done)
}

fn names(change: Option<Change>) -> Vec<Name> {
    change.map_or_else(Vec::new, |change| change.names)
}

#[test]
fn only_what_is_news_goes_to_the_cores() {
    let mut session = Session::new(1, Door::Resp, true, 0);
    let (reply, change) = say(&mut session, "subscribe a b a");
    assert_eq!(reply, "*3 $9 subscribe $1 a :1 *3 $9 subscribe $1 b :2 *3 $9 subscribe $1 a :2 ");
    assert_eq!(names(change), [Name::from(&b"a"[..]), Name::from(&b"b"[..])]);
    let (reply, change) = say(&mut session, "subscribe b");
    assert_eq!((reply.as_str(), names(change).len()), ("*3 $9 subscribe $1 b :2 ", 0));
    let (reply, change) = say(&mut session, "unsubscribe c b b");
    assert_eq!(reply, "*3 $11 unsubscribe $1 c :2 *3 $11 unsubscribe $1 b :1 *3 $11 unsubscribe $1 b :1 ");
    assert_eq!(names(change), [Name::from(&b"b"[..])]);
}

#[test]
fn channels_of_the_shard_are_counted_apart() {
    let mut session = Session::new(1, Door::Resp, true, 0);
    session.proto = Proto::Resp3;
    assert_eq!(say(&mut session, "psubscribe x*").0, ">3 $10 psubscribe $2 x* :1 ");
    assert_eq!(say(&mut session, "ssubscribe x").0, ">3 $10 ssubscribe $1 x :1 ");
    assert_eq!(say(&mut session, "subscribe x").0, ">3 $9 subscribe $1 x :2 ");
    assert_eq!(session.subscriptions(), [1, 1, 1]);
    assert!(session.is_listening() && !session.only_listens());
    assert_eq!(say(&mut session, "sunsubscribe").0, ">3 $12 sunsubscribe $1 x :0 ");
    assert_eq!(say(&mut session, "sunsubscribe").0, ">3 $12 sunsubscribe _ :0 ");
    assert_eq!(session.subscriptions(), [1, 1, 0]);
}

#[test]
fn who_has_nothing_to_give_up_keeps_no_state() {
    let mut session = Session::new(1, Door::Resp, true, 0);
    assert_eq!(say(&mut session, "unsubscribe").0, "*3 $11 unsubscribe $-1 :0 ");
    assert_eq!(say(&mut session, "punsubscribe x").0, "*3 $12 punsubscribe $1 x :0 ");
    assert!(session.listens.is_none());
}

#[test]
fn every_core_answers_what_there_is_to_listen_to() {
    let mut cores = Cores::new(1);
    cores.check(&[
        ("PUBSUB CHANNELS", "*0"),
        ("PUBSUB NUMSUB", "*0"),
        ("PUBSUB NUMSUB a", "*2 $1 a :0"),
        ("PUBSUB NUMPAT", ":0"),
        ("PUBSUB NUMPAT x", "-ERR wrong number of arguments for 'pubsub|numpat' command"),
        ("PUBSUB SHARDNUMSUB a", "*2 $1 a :0"),
        (
            "PUBSUB SHARDCHANNELS a b",
            "-ERR unknown subcommand or wrong number of arguments for 'SHARDCHANNELS'. Try PUBSUB HELP.",
        ),
        ("PUBSUB FOO", "-ERR unknown subcommand 'FOO'. Try PUBSUB HELP."),
        ("PUBLISH a b", ":0"),
        ("SPUBLISH a b", ":0"),
        ("PUBLISH a", "-ERR wrong number of arguments for 'publish' command"),
    ]);
    assert!(verb("ssubscribe").waits_alone() && !verb("subscribe").waits_alone());
    assert_eq!(verb("punsubscribe").kind, Kind::Pattern);
}
