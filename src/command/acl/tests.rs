use super::{WORDS, check, fault};
use crate::acl::{Denied, User, Users};
use crate::command::one_core::{Cores, words};
use crate::command::server::keyflags::specs;
use crate::command::table::{Found, TABLE};
use crate::command::{Handler, flag};

/// A user with these rules.
fn user(rules: &str) -> User {
    let mut users = Users::default();
    users.set(b"u", rules.split_ascii_whitespace().map(str::as_bytes), &WORDS, false).unwrap();
    User::clone(users.get(b"u").unwrap())
}

/// What becomes of a request of a user with these rules.
fn asked(rules: &str, line: &str) -> Result<(), Denied> {
    let line: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    words(&line, |args| {
        let Found::Row(row) = TABLE.find(args) else { panic!("no such command") };
        check(&user(rules), row, args)
    })
}

/// As `Cores::run`, but `~` is what it is in rules.
fn run(cores: &mut Cores, line: &str) -> String {
    let line: Vec<&[u8]> =
        line.split(' ').map(|word| if word == "''" { b"" } else { word.as_bytes() }).collect();
    String::from_utf8_lossy(&cores.call(&line)).replace("\r\n", " ").trim_end().to_string()
}

#[track_caller]
fn check_all(cores: &mut Cores, dialogue: &[(&str, &str)]) {
    for (line, expected) in dialogue {
        assert_eq!(&run(cores, line), expected, "{line}");
    }
}

#[test]
fn keys_are_looked_at_by_what_the_command_does_to_each() {
    for (rules, line, expected) in [
        ("+@all ~a*", "get abc", Ok(())),
        ("+@all ~a*", "get b", Err(Denied::Key(1))),
        ("+@all ~a*", "mget a b c", Err(Denied::Key(2))),
        ("+@all ~a*", "mset a 1 b 2", Err(Denied::Key(3))),
        ("+@all ~a*", "ping b", Ok(())),
        ("+@all %R~a", "get a", Ok(())),
        ("+@all %R~a", "set a 1", Err(Denied::Key(1))),
        ("+@all %W~a", "set a 1", Ok(())),
        ("+@all %W~a", "set a 1 get", Err(Denied::Key(1))),
        ("+@all %W~a", "get a", Err(Denied::Key(1))),
        // What only asks whether there is something needs no more than to know of the key.
        ("+@all %W~a", "exists a", Ok(())),
        ("+@all %R~a", "strlen a", Ok(())),
        ("+@all %R~a %W~b", "copy a b", Ok(())),
        ("+@all %R~a %W~b", "copy b a", Err(Denied::Key(1))),
        ("+@all %R~a %W~b", "rename a b", Err(Denied::Key(1))),
        ("+@all ~a %W~b", "rename a b", Ok(())),
        ("+@all ~d %R~s*", "sunionstore d s1 s2", Ok(())),
        ("+@all ~d %R~s*", "sunionstore s1 d s2", Err(Denied::Key(1))),
        ("+@all %R~a", "sintercard 2 a b limit 1", Err(Denied::Key(3))),
        // Arguments that are wrong are for the command to refuse.
        ("+@all %R~a", "sintercard 9 a b", Ok(())),
        ("+@all ~a", "object encoding b", Err(Denied::Key(2))),
        ("+@all ~a", "memory usage b", Err(Denied::Key(2))),
        ("+@all %R~a", "bitfield a get u8 0 overflow sat", Ok(())),
        ("+@all %R~a", "bitfield a get u8 0 set u8 0 1", Err(Denied::Key(1))),
        ("+@all %R~a", "bitfield a get u8", Err(Denied::Key(1))),
        ("+@all ~a", "lmpop 2 a b left", Err(Denied::Key(3))),
        ("+@all ~a %W~b", "lmove a b left left", Ok(())),
        ("+@all %R~a", "bitfield_ro a get u8 0", Ok(())),
        ("+@all", "get a", Err(Denied::Key(1))),
        ("+@all", "watch a", Err(Denied::Key(1))),
        ("+@all", "dbsize", Ok(())),
    ] {
        assert_eq!(asked(rules, line), expected, "{rules}: {line}");
    }
}

/// A command of which nobody knows where its keys are would be allowed on all of them.
#[test]
fn every_command_on_keys_tells_where_they_are() {
    for (row, command) in TABLE.rows().filter(|(row, _)| !WORDS.word(*row).name.is_empty()) {
        let on_keys =
            matches!(command.handler, Handler::Shard(_) | Handler::Spread { .. } | Handler::Hops(_));
        let tells = !specs(command).is_empty();
        assert!(tells || !on_keys && !command.is(flag::MOVABLEKEYS), "{row}: {}", command.name);
    }
}

#[test]
fn commands_before_authentication_are_everybodys() {
    for line in ["auth x", "hello 3", "reset", "quit"] {
        assert_eq!(asked("", line), Ok(()));
    }
    assert_eq!(asked("", "ping"), Err(Denied::Command));
    assert_eq!(asked("+select|1", "select 1"), Ok(()));
    assert_eq!(asked("+select|1", "select 2"), Err(Denied::Command));
    assert_eq!(asked("+config -config|set", "config set a b"), Err(Denied::Command));
}

#[test]
fn a_selector_is_of_one_piece() {
    assert_eq!(asked("+get ~a (+set ~b)", "set a 1"), Err(Denied::Key(1)));
    assert_eq!(asked("+get ~a (+set ~b)", "del a"), Err(Denied::Command));
    assert_eq!(asked("+get ~a (+set ~b)", "get b"), Err(Denied::Key(1)));
    assert_eq!(asked("+get ~a (+set ~b)", "set b 1"), Ok(()));
}

#[test]
fn refusals_have_redis_texts() {
    let row = TABLE.by_name(b"config|set").unwrap();
    let line = |denied| fault(denied, row).line().into_owned();
    assert_eq!(line(Denied::Command), "NOPERM this user has no permissions to run the 'config|set' command");
    assert_eq!(
        line(Denied::Key(1)),
        "NOPERM this user has no permissions to access one of the keys used as arguments"
    );
    assert_eq!(
        line(Denied::Channel(1)),
        "NOPERM this user has no permissions to access one of the channels used as arguments"
    );
}

#[test]
fn users_are_made_shown_and_deleted() {
    let mut cores = Cores::new(2);
    check_all(
        &mut cores,
        &[
            ("ACL WHOAMI", "$7 default"),
            ("ACL SETUSER bob on nopass +get ~k &c (+set ~w)", "+OK"),
            (
                "ACL GETUSER bob",
                "*12 $5 flags *2 $2 on $6 nopass $9 passwords *0 $8 commands $10 -@all +get $4 keys $2 ~k $8 channels \
             $2 &c $9 selectors *1 *6 $8 commands $10 -@all +set $4 keys $2 ~w $8 channels $0",
            ),
            ("ACL GETUSER nobody", "$-1"),
            ("ACL USERS", "*2 $3 bob $7 default"),
            (
                "ACL LIST",
                "*2 $79 user bob on nopass ~k resetchannels &c -@all +get (~w resetchannels -@all +set) $34 user default on \
             nopass ~* &* +@all",
            ),
            ("ACL DRYRUN bob GET k", "+OK"),
            ("ACL DRYRUN bob GET w", "$50 This user has no permissions to access the 'w' key"),
            ("ACL DRYRUN bob DEL k", "$53 This user has no permissions to run the 'del' command"),
            ("ACL DRYRUN bob GET", "-ERR wrong number of arguments for 'get' command"),
            ("ACL DRYRUN bob NIX", "-ERR Command 'NIX' not found"),
            ("ACL DRYRUN nobody GET k", "-ERR User 'nobody' not found"),
            ("ACL SETUSER a\tb", "-ERR Usernames can't contain spaces or null characters"),
            ("ACL DELUSER nobody bob", ":1"),
            ("ACL DELUSER default", "-ERR The 'default' user cannot be removed"),
            ("ACL USERS", "*1 $7 default"),
        ],
    );
}

#[test]
fn a_user_is_logged_in_by_its_password_and_out_by_reset() {
    let mut cores = Cores::new(1);
    check_all(
        &mut cores,
        &[
            ("ACL SETUSER bob on >one >two", "+OK"),
            ("AUTH bob one", "+OK"),
            ("ACL WHOAMI", "$3 bob"),
            ("AUTH bob three", "-WRONGPASS invalid username-password pair or user is disabled."),
            ("ACL WHOAMI", "$3 bob"),
            ("RESET", "+RESET"),
            ("ACL WHOAMI", "$7 default"),
            ("ACL SETUSER bob off", "+OK"),
            ("AUTH bob one", "-WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH nobody one", "-WRONGPASS invalid username-password pair or user is disabled."),
            ("ACL SETUSER bob on", "+OK"),
            (
                "HELLO 2 AUTH bob nix SETNAME x",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            ("CLIENT GETNAME", "$-1"),
        ],
    );
    let log = run(&mut cores, "ACL LOG");
    assert!(log.starts_with("*3 *14 $5 count :1 $6 reason $4 auth $7 context $8 toplevel $6 object $5 HELLO $8 username $3 bob"), "{log}");
    assert_eq!(log.matches("$5 count :1 ").count(), 2, "{log}");
    check_all(
        &mut cores,
        &[
            ("ACL LOG RESET", "+OK"),
            ("ACL LOG", "*0"),
            ("ACL LOG x", "-ERR value is not an integer or out of range"),
        ],
    );
}

#[test]
fn passwords_of_the_parameter_are_the_default_users() {
    let mut cores = Cores::new(1);
    check_all(
        &mut cores,
        &[
            (
                "AUTH x",
                "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
            ),
            ("CONFIG SET requirepass foo", "+OK"),
            ("AUTH x", "-WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH foo", "+OK"),
            ("ACL SETUSER default resetpass >bar", "+OK"),
            ("AUTH foo", "-WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH default bar", "+OK"),
            ("CONFIG SET requirepass ''", "+OK"),
            ("ACL LIST", "*1 $34 user default on nopass ~* &* +@all"),
        ],
    );
}

#[test]
fn generated_passwords_differ() {
    let mut cores = Cores::new(1);
    let (one, other) = (run(&mut cores, "ACL GENPASS"), run(&mut cores, "ACL GENPASS"));
    assert!(one.len() == 68 && one.starts_with("$64 ") && one != other, "{one} {other}");
    assert!(run(&mut cores, "ACL GENPASS 5").starts_with("$2 "));
    let range = "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096";
    check_all(&mut cores, &[("ACL GENPASS 0", range), ("ACL GENPASS 4097", range)]);
}

#[test]
fn clients_are_killed_by_their_user() {
    let mut cores = Cores::new(2);
    run(&mut cores, "ACL SETUSER bob on nopass +@all ~*");
    let bob = cores.connect(1);
    run(&mut cores, "AUTH bob x");
    cores.speak(0, 0);
    check_all(
        &mut cores,
        &[("CLIENT KILL USER nobody", "-ERR No such user 'nobody'"), ("CLIENT KILL USER bob", ":1")],
    );
    assert_eq!(cores.doomed(), [bob]);
    assert!(run(&mut cores, "CLIENT LIST").contains(" user=bob "));
}

/// Every pattern of rules that `ACL LIST` shows makes the same user again.
#[test]
fn what_is_listed_makes_the_same_user() {
    use proptest::prelude::*;
    let rules = prop::collection::vec(
        prop::sample::select(vec![
            "+get",
            "-get",
            "+@read",
            "-@read",
            "+@all",
            "-@all",
            "+config",
            "-config|set",
            "+config|get",
            "+select|1",
            "-select",
            "+@dangerous",
            "-@admin",
            "~a",
            "%R~b",
            "%RW~*",
            "%W~b",
            "allkeys",
            "resetkeys",
            "&c",
            "allchannels",
            "resetchannels",
            "on",
            "off",
            "nopass",
            "resetpass",
            ">p",
            ">q",
            "(+get ~a)",
            "(+@all -@write allkeys &d)",
            "clearselectors",
            "reset",
            "sanitize-payload",
        ]),
        0..12,
    );
    proptest!(|(rules in rules)| {
        let mut users = Users::default();
        for rule in rules {
            // Some do not fit behind others; they are refused and change nothing.
            let _ = users.set(b"u", [rule.as_bytes()].into_iter(), &WORDS, false);
        }
        let Some(user) = users.get(b"u").cloned() else { return Ok(()) };
        let listed = user.describe();
        let mut again = Users::default();
        again.set(b"u", listed.split(|byte| *byte == b' '), &WORDS, false).unwrap();
        let again = again.get(b"u").unwrap();
        prop_assert_eq!(again.describe(), listed);
        prop_assert_eq!(again.is_unrestricted(), user.is_unrestricted());
        for (row, command) in TABLE.rows() {
            for first in [None, Some(&b"1"[..])] {
                for (one, other) in user.selectors().iter().zip(again.selectors()) {
                    prop_assert_eq!(
                        one.allows_command(row, first),
                        other.allows_command(row, first),
                        "{}",
                        command.name
                    );
                }
            }
        }
    });
}
