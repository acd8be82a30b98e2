//! What concerns the connection and the server, not a key.

use super::Client;
use crate::command::Effect;

#[test]
fn the_connection_is_told_to_close() {
    let mut client = Client::new();
    client.check(&[
        ("verbosity 1", "OK"),
        ("verbosity", "CLIENT_ERROR bad command line format"),
        ("quit", ""),
    ]);
    assert_eq!(client.effects, [Effect::CloseAfterReply]);
}

#[test]
fn clients_can_read_the_version() {
    let reply = Client::new().talk(b"version\r\n");
    let version = reply.strip_prefix("VERSION ").expect("the word before").trim_end();
    let numbers: Vec<&str> = version.splitn(3, '.').collect();
    // libmemcached reads each with strtol and wants it under 256.
    for number in &numbers {
        let digits = number.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        assert!(digits.parse::<u8>().is_ok(), "{version}");
    }
    assert_eq!(numbers.len(), 3);
}

#[test]
fn statistics_count_what_happened() {
    let mut client = Client::new();
    for request in [
        "set a 0 0 1\r\n1",
        "gat 0 a b",
        "get a b",
        "gets a",
        "touch a 0",
        "touch b 0",
        "incr a 1",
        "incr b 1",
        "decr b 1",
        "add a 0 0 1\r\n1",
        "append a 0 0 1\r\nx",
        "incr a 1",
        "cas b 0 0 1 1\r\n1",
        "cas a 0 0 1 1\r\n1",
        "delete a",
        "delete a",
        "flush_all",
        "flush_all noreply",
        "set z 0 0 3\r\nxyz",
    ] {
        client.talk(format!("{request}\r\n").as_bytes());
    }
    let stats = client.talk(b"stats\r\n");
    for (name, value) in [
        ("cmd_get", "3"),
        ("cmd_set", "6"),
        ("cmd_flush", "2"),
        ("cmd_touch", "4"),
        ("get_hits", "2"),
        ("get_misses", "1"),
        ("delete_hits", "1"),
        ("delete_misses", "1"),
        ("incr_hits", "1"),
        ("incr_misses", "1"),
        ("decr_hits", "0"),
        ("decr_misses", "1"),
        ("cas_hits", "0"),
        ("cas_misses", "1"),
        ("cas_badval", "1"),
        ("touch_hits", "2"),
        ("touch_misses", "2"),
        ("curr_items", "1"),
        ("curr_connections", "1"),
        ("limit_maxbytes", "858993459"),
        ("threads", "1"),
        ("pointer_size", "64"),
        ("time", "1577836800"),
        ("uptime", "0"),
    ] {
        assert!(stats.contains(&format!("STAT {name} {value}\r\n")), "{name} {value} in {stats}");
    }
    assert!(stats.ends_with("END\r\n"));
    client.check(&[("stats reset", "RESET"), ("stats reset x", "RESET")]);
    assert!(client.talk(b"stats\r\n").contains("STAT cmd_set 0\r\n"));
}

#[test]
fn statistics_have_kinds() {
    let mut client = Client::new();
    client.check(&[
        ("set a 0 0 1\r\nx", "STORED"),
        ("stats sizes", "STAT sizes_status disabled\r\nEND"),
        ("stats nosuch", "ERROR"),
        ("stats noreply", "ERROR"),
    ]);
    for (kind, line) in [
        ("settings", "STAT maxbytes 858993459\r\n"),
        ("settings", "STAT cas_enabled yes\r\n"),
        ("items", ":number 1\r\n"),
        ("slabs", ":used_chunks 1\r\n"),
        ("slabs", "STAT active_slabs 1\r\n"),
        ("conns", "STAT -1:state conn_parse_cmd\r\n"),
    ] {
        let stats = client.talk(format!("stats {kind}\r\n").as_bytes());
        assert!(stats.contains(line), "{line} in {stats}");
        assert!(stats.ends_with("END\r\n"), "{stats}");
    }
}
