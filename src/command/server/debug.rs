//! `DEBUG`, as far as tests of clients need it. What would crash the server, or shows the inside of another
//! one, does not exist.

use super::{Done, help, misused, row};
use crate::command::answer::Pack;
use crate::command::keys::object::encoding_name;
use crate::command::{Call, Command, Context, Effect, Every, Fault, Handler, Keys, Outcome};
use crate::protocol::{Args, Reply};
use crate::shard::Shard;

const FLAGS: u32 = super::ADMIN;

pub(super) static SUBS: &[Command] = &[
    row("debug|sleep", -2, FLAGS, "1.0.0", "Holds this client's next command.", Handler::Session(sleep)),
    Command {
        keys: Keys::SECOND,
        ..row("debug|object", -3, FLAGS, "1.0.0", "Shows how a value is kept.", Handler::Shard(object))
    },
    row(
        "debug|set-active-expire",
        -3,
        FLAGS,
        "1.0.0",
        "Switches the search for expired keys.",
        Handler::Every(SET_ACTIVE_EXPIRE),
    ),
    row("debug|help", 2, FLAGS, "1.0.0", "Lists the subcommands.", Handler::Session(list)),
];

/// A year: nobody waits longer, and sums of times stay in range.
const SLEEP_SECS_MAX: f64 = 31_536_000.0;

/// What does not start with a number counts as 0, as in Redis.
fn sleep(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    if args.len() != 3 {
        return Err(misused(args));
    }
    let secs = std::str::from_utf8(&args[2]).ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let secs = if secs.is_nan() { 0.0 } else { secs.clamp(0.0, SLEEP_SECS_MAX) };
    context.effects.push(Effect::Sleep((secs * 1e6) as u64));
    reply.ok();
    Ok(Outcome::READ)
}

fn object(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Done {
    let item = shard.store.peek(&call.key, shard.now.unix_ms).ok_or(Fault::NoSuchKey)?;
    // Clients take this apart at blanks and colons; there is no address to show.
    reply.simple(&format!(
        "Value at:0x0 refcount:1 encoding:{} serializedlength:{} lru:0 lru_seconds_idle:0",
        encoding_name(&item),
        item.value().len(),
    ));
    Ok(Outcome::READ)
}

/// What is not 0 switches it on; what is no number is 0, as in Redis.
const SET_ACTIVE_EXPIRE: Every = Every {
    check: |args, _| if args.len() == 3 { Ok(()) } else { Err(misused(args)) },
    ask: |local, args, _| {
        let digits = args[2].strip_prefix(b"-").unwrap_or(&args[2]);
        let number = digits.iter().take_while(|byte| byte.is_ascii_digit());
        local.shard.active_expire = number.into_iter().any(|digit| *digit != b'0');
        Pack::default().finish()
    },
    merge: |_, _, _, reply| {
        reply.ok();
        Ok(Outcome::READ)
    },
    atomic: false,
};

fn list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let subcommands = &[
        ("OBJECT <key>", "How the value of a key is kept."),
        ("SET-ACTIVE-EXPIRE <0|1>", "Whether expired keys are looked for before somebody asks for them."),
        ("SLEEP <seconds>", "Holds this client's next command for so long; nobody else waits."),
    ];
    help::write("DEBUG", subcommands, reply);
    Ok(Outcome::READ)
}
