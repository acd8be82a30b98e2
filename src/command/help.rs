//! `HELP` of containers, and the first lines of a family's own help.

use crate::protocol::Reply;

/// Replies with the subcommands of `name` and what each does, as `(form, meaning)`.
pub fn write(name: &str, subcommands: &[(&str, &str)], reply: &mut Reply<'_>) {
    reply.array(2 * subcommands.len() + 3);
    reply.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for (form, meaning) in subcommands.iter().chain([&("HELP", "Prints this.")]) {
        reply.simple(form);
        reply.simple(&format!("    {meaning}"));
    }
}
