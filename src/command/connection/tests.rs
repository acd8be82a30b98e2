use crate::clock::Now;
use crate::command::Effect;
use crate::command::one_core::Cores;
use crate::protocol::Proto;
use crate::session::{Multi, ReplyMode};
use std::sync::atomic::Ordering::Relaxed;

fn with_password() -> Cores {
    let cores = Cores::new(1);
    cores.shared.acl.set_default_password(b"secret");
    let mut cores = cores;
    cores.session().authenticated = false;
    cores
}

#[test]
fn ping_and_echo_answer() {
    Cores::new(1).check(&[
        ("PING", "+PONG"),
        ("PING a", "$1 a"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
        ("ECHO", "-ERR wrong number of arguments for 'echo' command"),
        ("ECHO ''", "$0"),
    ]);
}

#[test]
fn select_takes_the_databases_there_are() {
    let mut cores = Cores::new(1);
    cores.check(&[
        ("SELECT x", "-ERR value is not an integer or out of range"),
        ("SELECT 16", "-ERR DB index is out of range"),
        ("SELECT -1", "-ERR DB index is out of range"),
        ("SELECT 4294967296", "-ERR value is out of range, value must between -2147483648 and 2147483647"),
        ("SELECT 15", "+OK"),
    ]);
    assert_eq!(cores.session().db, 15);
}

#[test]
fn hello_describes_the_server_and_switches_protocols() {
    let mut cores = Cores::new(1);
    cores.check(&[
        (
            "HELLO",
            "*14 $6 server $5 redis $7 version $5 7.2.4 $5 proto :2 $2 id :1 $4 mode $10 standalone $4 role $6 master \
             $7 modules *0",
        ),
        (
            "HELLO 3 SETNAME me AUTH default any",
            "%7 $6 server $5 redis $7 version $5 7.2.4 $5 proto :3 $2 id :1 $4 mode $10 standalone $4 role $6 master \
             $7 modules *0",
        ),
        ("CLIENT GETNAME", "$2 me"),
    ]);
    assert_eq!(cores.session().proto, Proto::Resp3);
}

#[test]
fn hello_refuses_what_it_does_not_know() {
    Cores::new(1).check(&[
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO 1", "-NOPROTO unsupported protocol version"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 2 FOO", "-ERR Syntax error in HELLO option 'FOO'"),
        ("HELLO 2 AUTH a", "-ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 2 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'"),
        ("HELLO 2 SETNAME a~b", "-ERR Client names cannot contain spaces, newlines or special characters."),
        ("HELLO 2 SETNAME ok AUTH x y", "-WRONGPASS invalid username-password pair or user is disabled."),
        // As in Redis, what stood before the mistake was done.
        ("CLIENT GETNAME", "$2 ok"),
    ]);
}

#[test]
fn a_password_is_asked_where_one_is_set() {
    let mut cores = with_password();
    let hello = cores.run("HELLO 3");
    assert!(
        hello.starts_with("-NOAUTH HELLO must be called with the client already authenticated"),
        "{hello}"
    );
    assert_eq!(cores.session().proto, Proto::Resp2);
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    cores.check(&[("AUTH Secret", wrong), ("AUTH default wrong", wrong), ("AUTH other secret", wrong)]);
    cores.check(&[("HELLO 3 AUTH default wrong", wrong), ("AUTH a b c", "-ERR syntax error")]);
    assert!(!cores.session().authenticated);
    cores.check(&[("AUTH secret", "+OK")]);
    assert!(cores.session().authenticated);
    cores.session().authenticated = false;
    assert!(cores.run("HELLO 3 AUTH default secret").starts_with("%7"));
    assert!(cores.session().authenticated);
}

#[test]
fn a_password_that_nobody_asks_for_is_an_error() {
    Cores::new(1).check(&[
        (
            "AUTH a",
            "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        ),
        ("AUTH default anything", "+OK"),
        ("AUTH someone anything", "-WRONGPASS invalid username-password pair or user is disabled."),
    ]);
}

#[test]
fn quit_closes_after_its_reply() {
    let mut cores = Cores::new(1);
    cores.check(&[("QUIT", "+OK")]);
    assert_eq!(cores.effects, [Effect::CloseAfterReply]);
}

#[test]
fn reset_makes_a_client_new() {
    let mut cores = with_password();
    cores.check(&[("MONITOR", "+OK")]);
    let session = cores.session();
    session.authenticated = true;
    session.proto = Proto::Resp3;
    session.db = 3;
    session.name = b"n".to_vec();
    session.multi = Some(Multi::default());
    session.reply = ReplyMode::Off;
    cores.check(&[("RESET", "+RESET")]);
    let session = cores.session();
    assert!(!session.authenticated && !session.monitor && session.multi.is_none());
    assert_eq!((session.proto, session.db, session.name.len()), (Proto::Resp2, 0, 0));
    assert_eq!(session.reply, ReplyMode::On);
    assert_eq!(cores.shared.monitors.load(Relaxed), 0);
}

#[test]
fn names_and_libraries_are_kept() {
    let mut cores = Cores::new(1);
    cores.check(&[
        ("CLIENT GETNAME", "$-1"),
        ("CLIENT SETNAME a~b", "-ERR Client names cannot contain spaces, newlines or special characters."),
        ("CLIENT SETNAME ab", "+OK"),
        ("CLIENT GETNAME", "$2 ab"),
        ("CLIENT SETNAME ''", "+OK"),
        ("CLIENT GETNAME", "$-1"),
        ("CLIENT SETINFO lib-name redis-py", "+OK"),
        ("CLIENT SETINFO LIB-VER 5.1", "+OK"),
        ("CLIENT SETINFO LIB-VER a~b", "-ERR LIB-VER cannot contain spaces, newlines or special characters."),
        ("CLIENT SETINFO foo bar", "-ERR Unrecognized option 'foo'"),
        ("CLIENT MAINT_NOTIFICATIONS ON", "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP."),
        ("CLIENT", "-ERR wrong number of arguments for 'client' command"),
        ("CLIENT ID", ":1"),
    ]);
    assert!(cores.run("CLIENT INFO").contains(" lib-name=redis-py lib-ver=5.1 core=0"));
}

#[test]
fn a_client_is_one_line() {
    let mut cores = Cores::new(2);
    cores.speak(1, 0);
    cores.session().name = b"me".to_vec();
    cores.session().db = 2;
    cores.now = Now { mono_us: cores.now.mono_us + 3_500_000, ..cores.now };
    let line = cores.run("CLIENT INFO");
    let fields = "id=2 addr=127.0.0.1:40002 laddr=127.0.0.1:6379 fd=9 name=me age=3 idle=3 flags=N db=2 sub=0 psub=0 ssub=0 \
                  multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=";
    assert!(line.contains(fields), "{line}");
    assert!(
        line.contains(" events=r cmd=client|info user=default redir=-1 resp=2 lib-name= lib-ver= core=1"),
        "{line}"
    );
}

#[test]
fn clients_of_all_cores_are_listed_in_the_order_they_came_or_were_asked_for() {
    let mut cores = Cores::new(3);
    cores.connect(0);
    let ids = |cores: &mut Cores, line: &str| -> Vec<String> {
        let text = cores.run(line);
        text.split_whitespace().filter_map(|word| word.strip_prefix("id=").map(String::from)).collect()
    };
    assert_eq!(ids(&mut cores, "CLIENT LIST"), ["1", "2", "3", "4"]);
    assert_eq!(ids(&mut cores, "CLIENT LIST TYPE normal"), ["1", "2", "3", "4"]);
    assert_eq!(ids(&mut cores, "CLIENT LIST ID 3 99 1 3"), ["3", "1", "3"]);
    cores.check(&[
        ("CLIENT LIST TYPE replica", "$0"),
        ("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'"),
        ("CLIENT LIST TYPE", "-ERR syntax error"),
        ("CLIENT LIST TYPE normal x", "-ERR syntax error"),
        ("CLIENT LIST ID", "-ERR syntax error"),
        ("CLIENT LIST ID x", "-ERR Invalid client ID"),
        ("CLIENT LIST ID -1", "$0"),
        ("CLIENT LIST FOO", "-ERR syntax error"),
    ]);
    cores.session().proto = Proto::Resp3;
    assert!(cores.run("CLIENT LIST ID 1").starts_with('='));
}

#[test]
fn kill_closes_those_that_fit_on_every_core() {
    let mut cores = Cores::new(3);
    cores.connect(1);
    cores.speak(0, 0);
    cores.check(&[
        ("CLIENT KILL 1.2.3.4:5", "-ERR No such client"),
        ("CLIENT KILL ID 99", ":0"),
        ("CLIENT KILL ID 1", ":0"),
        ("CLIENT KILL 127.0.0.1:40002", "+OK"),
        ("CLIENT KILL ID 3 LADDR 127.0.0.1:1", ":0"),
        ("CLIENT KILL TYPE replica", ":0"),
    ]);
    assert_eq!(cores.doomed(), [2]);
    cores.check(&[("CLIENT KILL TYPE normal USER default", ":2")]);
    assert_eq!(cores.doomed(), [2, 4, 3]);
    cores.check(&[("CLIENT KILL SKIPME no ID 1", ":1")]);
    assert!(cores.session().doomed);
}

#[test]
fn kill_refuses_what_it_does_not_know() {
    Cores::new(2).check(&[
        ("CLIENT KILL", "-ERR wrong number of arguments for 'client|kill' command"),
        ("CLIENT KILL ID x", "-ERR client-id should be greater than 0"),
        ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0"),
        ("CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'"),
        ("CLIENT KILL USER foo", "-ERR No such user 'foo'"),
        ("CLIENT KILL SKIPME maybe", "-ERR syntax error"),
        ("CLIENT KILL ID 4 ADDR", "-ERR syntax error"),
        ("CLIENT KILL FOO bar", "-ERR syntax error"),
    ]);
}

#[test]
fn a_pause_is_a_time_until_which_commands_wait() {
    let mut cores = Cores::new(2);
    cores.check(&[
        ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range"),
        ("CLIENT PAUSE -1", "-ERR timeout is negative"),
        ("CLIENT PAUSE 10 FOO", "-ERR CLIENT PAUSE mode must be WRITE or ALL"),
        (
            "CLIENT PAUSE 1 ALL FOO",
            "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
        ),
        ("CLIENT PAUSE 9223372036854775807", "-ERR timeout is out of range"),
    ]);
    assert_eq!(cores.shared.pause_until_ms.load(Relaxed), 0);
    cores.check(&[("CLIENT PAUSE 50", "+OK")]);
    assert!(cores.shared.pause_all.load(Relaxed));
    assert_eq!(cores.shared.pause_until_ms.load(Relaxed), cores.now.mono_ms() + 50);
    cores.check(&[("CLIENT PAUSE 70 write", "+OK")]);
    assert!(!cores.shared.pause_all.load(Relaxed));
    assert_eq!(cores.shared.pause_until_ms.load(Relaxed), cores.now.mono_ms() + 70);
    cores.check(&[("CLIENT UNPAUSE", "+OK")]);
    assert_eq!(cores.shared.pause_until_ms.load(Relaxed), 0);
}

#[test]
fn replies_may_be_switched_off() {
    let mut cores = Cores::new(1);
    for (line, reply, mode) in [
        ("CLIENT REPLY SKIP", "", ReplyMode::SkipNext),
        ("CLIENT REPLY OFF", "", ReplyMode::Off),
        ("CLIENT REPLY SKIP", "", ReplyMode::Off),
        ("CLIENT REPLY on", "+OK", ReplyMode::On),
        ("CLIENT REPLY foo", "-ERR syntax error", ReplyMode::On),
    ] {
        assert_eq!(cores.run(line), reply);
        assert_eq!(cores.session().reply, mode);
    }
}

#[test]
fn switches_are_on_or_off() {
    let mut cores = Cores::new(1);
    cores.check(&[
        ("CLIENT NO-EVICT maybe", "-ERR syntax error"),
        ("CLIENT NO-EVICT ON", "+OK"),
        ("CLIENT NO-TOUCH on", "+OK"),
        ("READONLY", "+OK"),
    ]);
    assert!(cores.run("CLIENT INFO").contains(" flags=reT "));
    cores.check(&[("CLIENT NO-EVICT off", "+OK"), ("CLIENT NO-TOUCH off", "+OK"), ("READWRITE", "+OK")]);
    assert!(cores.run("CLIENT INFO").contains(" flags=N "));
}

#[test]
fn what_a_lone_server_has_nothing_of_is_answered() {
    let mut cores = Cores::new(1);
    cores.check(&[
        ("CLIENT TRACKINGINFO", "*6 $5 flags *1 $3 off $8 redirect :-1 $8 prefixes *0"),
        ("CLIENT GETREDIR", ":-1"),
        ("CLIENT UNBLOCK x", "-ERR value is not an integer or out of range"),
        ("CLIENT UNBLOCK 5", ":0"),
        ("CLIENT UNBLOCK 5 ERROR", ":0"),
        ("CLIENT UNBLOCK 5 FOO", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    ]);
    let help = cores.run("CLIENT HELP");
    assert!(
        help.starts_with("*35 +CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are: +ID"),
        "{help}"
    );
    assert!(help.ends_with("+HELP +    Prints this."));
}
