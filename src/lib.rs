//! larder: a cache server that memcached and Redis clients use without knowing it.
//!
//! One process, one keyspace, two front doors. One thread per core; each *core* owns an event loop, the
//! connections that were dealt to it, and one *shard* of the keyspace. Cores share no data and take no
//! locks: they send each other mail.
//!
//! ```text
//!            core 0                                  core 1
//!  sockets ─ reactor ─┐                    sockets ─ reactor ─┐
//!                     │ events                                │ events
//!            core ────┴──── mesh: one ring per ───── core ────┴────
//!             │ connections   ordered pair            │ connections
//!             │ sessions                              │ sessions
//!            shard ─ store (slabs)                   shard ─ store (slabs)
//! ```
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | core | one thread, its reactor, its connections and its shard |
//! | shard | the slice of the keyspace that one core owns |
//! | store | the `slabs` crate's product: arena, size classes, index and eviction of one shard |
//! | item | one key with its value and metadata, in one chunk of a slab page |
//! | mail | a message from one core to another over the mesh |
//! | hop | one round of mail to the shards that a command touches |
//! | turn | one pass of a core's loop: reap, parse, execute, mail, flush, sleep |
//!
//! # Life of a GET
//!
//! 1. The driver reaps a completion and calls [`reactor::Events::received`] with bytes that lie in a provided
//!    buffer (`core::events`).
//! 2. `core::serve` lets [`protocol::resp::Parser`] find as many whole requests as are there, up to a batch, in
//!    one pass. Arguments are [`protocol::Span`]s into that buffer: nothing is copied, nothing allocated. What is
//!    left over is kept.
//! 3. [`command::table::Table::find`] leads from the name to the row. The key is hashed once: the hash names the
//!    shard, the index bucket and the tag. The bucket is prefetched then, items some requests before their turn.
//! 4. `core::dispatch` checks what the client may do, `core::keyed` runs the handler. Own shard: the reply goes
//!    straight into the connection's output. Other shard: the request joins this turn's parcel to that core
//!    ([`mesh::parcel`]), and a place in [`connection::Line`] keeps the order of replies.
//! 5. `core::turn` ends the turn: mail is posted and each sleeping receiver woken once, every output becomes one
//!    send, and the next [`reactor::Driver::turn`] submits all of it with one system call and waits.
//!
//! Values of 32 KiB and more take another way: a request that is known to be long is collected in a block of its final
//! size (`core::incoming`), into which the kernel receives what is missing ([`reactor::Driver::receive_into`]) and which the
//! store adopts with the value in it (`slabs::Store::adopt`); a reply names the
//! value's block as a piece between its bytes ([`pieces`]), which is sent from where it lies. Blocks have holders, so an
//! item may go while its value is sent, and travel between cores as they are.
//!
//! A TLS client's bytes pass [`tls::Stream`] on their way in and out (`core::secure`): records are opened before the first
//! step above and replies are sealed after the last, a step of a send at a time. Handshakes wait in a queue of their own,
//! which gets a bounded share of a busy core. Where the kernel can seal and open records, it is given the keys as soon as the
//! connection rests (`core::offload`), which from there on is like one without TLS.
//!
//! Memory for data is held to `maxmemory`. Buffers are counted beside it (`core::buffers`) and have bounds of
//! their own; beyond those the clients with the most waiting are closed, and nobody's keys are evicted.
//!
//! So a request costs no system call, no lock and no allocation of its own.
//!
//! # Layers
//!
//! A module imports only from rows above its own; `tests/tidy.rs` holds this table.
//!
//! | layer | modules | knows |
//! |---|---|---|
//! | 0 | `slabs` (workspace crate), `atomic` | memory only: no I/O, no clock, no threads |
//! | 1 | [`limits`], [`clock`], [`text`], [`version`], [`metrics`], [`parameters`], [`pieces`], [`secrets`], [`seldom`] | plain values |
//! | 2 | [`protocol`], [`data`] (algorithms on values, structures of collections), [`users`], [`acl`], [`tls`] (certificates, records), [`reactor`] | not each other |
//! | 3 | [`shared`], [`slowlog`], [`session`], [`shard`] | no sockets, no other shard |
//! | 4 | [`command`] (a file per family, one table) | shard, session, protocol's values |
//! | 5 | [`mesh`] (mail), [`transaction`] (several shards) | command, shard |
//! | 6 | [`connection`], [`persist`] (warm restart), [`console`] (HTTP) | the bytes of one client, of one file; what operators look at |
//! | 7 | [`core`] (the state machine and its loop) | the only place where an effect becomes an action |
//! | 8 | [`config`], [`logging`], [`service`] (systemd) | what stands around the process; nothing below imports them |
//! | 9 | [`server`], `main`, `manual` (pages, by tests) | boot, signals, shutdown; what is written from the tables |
//!
//! # Collections
//!
//! A small hash, set, list or sorted set is the value of one item ([`data::entries`], [`data::ints`],
//! [`data::list::run`], [`data::sorted::small`]) and is changed in place; a grown one is a structure of its shard
//! ([`data::table`], [`data::list`], [`data::sorted`]) that the item holds the number of, counted to the byte and evicted
//! as its item is. [`shard::collections`] is where both live.
//!
//! # Access control
//!
//! Redis clients are users of the access control list ([`acl`]); one that says nothing is the default user, whose password
//! is `requirepass`. A user is immutable and shared: each session holds the one whose rights it has, each core the set of
//! all, and one number, looked at before each batch, tells that there is a newer set. So who was told of a change finds it made
//! on all cores, nobody takes a lock, and a client with all rights (the default user at first) pays for none of
//! it: the one branch that tells whether a client needs a closer look was there before. What a request needs
//! comes from its command's row ([`command::acl`]).
//!
//! memcached's clients are no such users: its protocols know users, and no rights. Who may use them at all is said by
//! `memcache_auth_file` ([`users`]) alone, and whoever may, sees every key of their database. Where rights matter, that port is closed
//! (`memcache_port 0`) or has users of its own.
//!
//! Multi-shard commands are atomic and strictly serializable; [`transaction`] states the scheme and the argument. Clients
//! in blocking commands stand in line at the shards of their keys ([`shard::waiters`]); `core::blocking` states how they
//! are served, once each and in order.
//!
//! # Publishing and subscribing
//!
//! Every core knows how many clients of which core listen to which channel, so whoever publishes asks nobody: he counts,
//! and mails the cores that have listeners. Whoever subscribes is told so when all cores know. [`session::listeners`]
//! has the argument why nothing is lost, disordered or counted wrong; `core::listen` carries the messages. What happens to
//! keys is told by the handlers ([`shard::events`]) and becomes messages at the end of the turn.

pub mod acl;
mod atomic;
pub mod clock;
pub mod command;
pub mod config;
pub mod connection;
pub mod console;
pub mod core;
pub mod data;
pub mod limits;
pub mod logging;
#[cfg(test)]
mod manual;
pub mod mesh;
pub mod metrics;
pub mod parameters;
pub mod persist;
pub mod pieces;
pub mod protocol;
pub mod reactor;
pub mod secrets;
pub mod seldom;
pub mod server;
pub mod service;
pub mod session;
pub mod shard;
pub mod shared;
pub mod slowlog;
pub mod text;
pub mod tls;
pub mod transaction;
pub mod users;
pub mod version;
