//! Publishing and subscribing: who listens (`listen`), messages (`publish`), and what there is to listen to (`inquire`).
//!
//! The registry and the argument why nothing is lost or disordered stand in `session::listeners`; the core carries messages
//! and changes to the other cores. Whether a client may use a channel is looked at with its other rights, before it comes here
//! (`command::acl::permit`).

pub mod inquire;
pub mod listen;
pub mod publish;

#[cfg(test)]
mod tests;
