use super::notation::{Malformed, parse};
use super::{Argument, Kind, LINES, arguments, line, write};
use crate::command::table::TABLE;
use crate::command::{Command, flag};
use crate::protocol::{Proto, Reply};
use std::collections::BTreeSet;

/// Rows whose arity says less than the command itself demands, as Redis's do: anything may follow QUIT, and
/// DEBUG counts its arguments in its own way.
const LOOSE: &[&str] = &["quit", "debug|sleep", "debug|object", "debug|set-active-expire"];

/// Commands that Redis clients may call, and their subcommands.
fn rows() -> impl Iterator<Item = &'static Command> {
    TABLE.rows().map(|(_, command)| command).filter(|command| !command.name.contains(':'))
}

/// The fewest and, where there is a limit, the most words that an argument may be.
fn words(argument: &Argument<'_>) -> (usize, Option<usize>) {
    let parts: Vec<_> = match &argument.kind {
        Kind::OneOf(parts) | Kind::Block(parts) => parts.iter().map(words).collect(),
        Kind::PureToken => vec![(0, Some(0))],
        _ => vec![(1, Some(1))],
    };
    let fewest = parts.iter().map(|(fewest, _)| *fewest);
    let most = parts.iter().map(|(_, most)| *most);
    let (fewest, most) = match argument.kind {
        Kind::OneOf(_) => (
            fewest.min().unwrap_or(0),
            most.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()),
        ),
        _ => (fewest.sum(), most.sum::<Option<usize>>()),
    };
    let token = usize::from(argument.token.is_some());
    let fewest = if argument.optional { 0 } else { fewest + token };
    (fewest, most.map(|most| most + token).filter(|_| !argument.multiple))
}

fn docs(name: &str, key_specs: usize, proto: Proto) -> String {
    let mut out = Vec::new();
    write(&arguments(name), key_specs, &mut Reply::new(&mut out, proto));
    String::from_utf8(out).unwrap().trim_end().replace("\r\n", " ")
}

#[test]
fn every_command_has_one_line_and_every_line_a_command() {
    for row in rows() {
        assert!(line(row.name).is_some(), "{} has no line", row.name);
    }
    let names: BTreeSet<&str> = rows().map(|row| row.name).collect();
    for (name, _) in LINES {
        assert!(names.contains(name), "a line for {name}, which is no command");
    }
    assert_eq!(LINES.len(), names.len(), "a command has two lines");
}

#[test]
fn lines_agree_with_the_arity_of_their_rows() {
    for row in rows().filter(|row| row.subs.is_empty()) {
        let parts = parse(line(row.name).unwrap()).unwrap_or_else(|why| panic!("{}: {why:?}", row.name));
        let own = row.name.split('|').count();
        let fewest = own + parts.iter().map(|part| words(part).0).sum::<usize>();
        let most = parts.iter().map(|part| words(part).1).sum::<Option<usize>>().map(|most| own + most);
        let arity = usize::from(row.arity.unsigned_abs());
        if LOOSE.contains(&row.name) {
            assert!(row.arity < 0 && fewest >= arity, "{}: needs {fewest} words", row.name);
        } else {
            let fixed = most == Some(fewest);
            assert_eq!((fewest, fixed), (arity, row.arity > 0), "{}: fewest words, no more", row.name);
        }
    }
}

#[test]
fn containers_have_no_arguments_of_their_own() {
    for row in rows().filter(|row| !row.subs.is_empty()) {
        assert_eq!(line(row.name), Some(""), "{}", row.name);
    }
}

#[test]
fn keys_in_a_line_are_those_of_the_row() {
    fn has_key(arguments: &[Argument<'_>]) -> bool {
        arguments.iter().any(|argument| match &argument.kind {
            Kind::Key => true,
            Kind::OneOf(parts) | Kind::Block(parts) => has_key(parts),
            _ => false,
        })
    }
    for row in rows() {
        // A shard's channels stand where keys would, and are none.
        let keys = row.keys.first > 0 && !row.is(flag::PUBSUB) || row.is(flag::MOVABLEKEYS);
        assert_eq!(has_key(&arguments(row.name)), keys, "{}", row.name);
    }
}

#[test]
fn trees_are_written_in_rediss_form() {
    assert_eq!(docs("get", 1, Proto::Resp3), "*1 %3 $4 name $3 key $4 type $3 key $14 key_spec_index :0");
    assert_eq!(docs("get", 1, Proto::Resp2), "*1 *6 $4 name $3 key $4 type $3 key $14 key_spec_index :0");
    assert_eq!(
        docs("flushall", 0, Proto::Resp3),
        "*1 %4 $4 name $10 async_sync $4 type $5 oneof $5 flags ~1 +optional $9 arguments *2 \
         %3 $4 name $5 async $4 type $10 pure-token $5 token $5 ASYNC \
         %3 $4 name $4 sync $4 type $10 pure-token $5 token $4 SYNC"
    );
    assert!(docs("bitfield_ro", 1, Proto::Resp3).contains(
        "%5 $4 name $15 encoding_offset $4 type $5 block $5 token $3 GET \
         $5 flags ~3 +optional +multiple +multiple_token $9 arguments *2 "
    ));
    assert_eq!(docs("dbsize", 0, Proto::Resp3), "*0");
}

#[test]
fn keys_belong_to_their_specification() {
    let indexes = |name, key_specs| -> Vec<String> {
        let text = docs(name, key_specs, Proto::Resp2);
        text.split("key_spec_index ").skip(1).map(|behind| behind[..2].to_owned()).collect()
    };
    assert_eq!(indexes("rename", 2), [":0", ":1"]);
    assert_eq!(indexes("bitop", 2), [":0", ":1"]);
    assert_eq!(indexes("lcs", 1), [":0", ":0"]);
    assert_eq!(indexes("mset", 1), [":0"]);
}

#[test]
fn names_tell_types_and_a_type_behind_a_colon_overrides() {
    let kinds = |line| parse(line).unwrap().into_iter().map(|a| (a.name, a.kind.name())).collect::<Vec<_>>();
    let of = |pairs: &[(&str, &'static str)]| {
        pairs.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect::<Vec<_>>()
    };
    assert_eq!(kinds("key value"), of(&[("key", "key"), ("value", "string")]));
    assert_eq!(
        kinds("value:integer increment increment:double"),
        of(&[("value", "integer"), ("increment", "integer"), ("increment", "double")])
    );
    assert_eq!(kinds("ip:port NX"), of(&[("ip:port", "string"), ("nx", "pure-token")]));
}

#[test]
fn brackets_and_dots_are_told_apart() {
    let one = |line| parse(line).unwrap().remove(0);
    let flags = |line| one(line).flags().join(" ");
    assert_eq!(flags("key..."), "multiple");
    assert_eq!(flags("[key]..."), "optional multiple");
    assert_eq!(flags("[ID key...]"), "optional multiple");
    assert_eq!(flags("[ID key]..."), "optional multiple multiple_token");
    assert_eq!(flags("(key value)..."), "multiple");
    assert_eq!(one("(key)").kind.name(), "block");
    assert_eq!(one("[key]").kind.name(), "key");
    assert_eq!(one("[a b|c]").name, "a_b_c");
    assert_eq!(one("some:[a b|c]").name, "some");
    assert_eq!(one("EX (a|b)").token, Some("EX"));
    assert_eq!(parse("EX [a]").unwrap().len(), 2);
}

#[test]
fn malformed_lines_are_refused() {
    for (line, why) in [
        ("(key", Malformed::Unbalanced),
        ("key)", Malformed::Unbalanced),
        ("[key)", Malformed::Unbalanced),
        ("]", Malformed::Unbalanced),
        ("[]", Malformed::Empty),
        ("[a|]", Malformed::Empty),
        ("...", Malformed::Empty),
        ("a|b", Malformed::Empty),
        ("name:[key]", Malformed::NeedlessName),
        ("key:number", Malformed::UnknownType),
    ] {
        assert_eq!(parse(line), Err(why), "{line}");
    }
}
