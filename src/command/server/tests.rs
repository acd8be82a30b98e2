use crate::command::Effect;
use crate::command::one_core::{Cores, words};
use crate::command::redact::shown;
use crate::command::table::TABLE;
use crate::metrics::Counter;
use crate::parameters::{Host, Parameters};
use crate::protocol::Proto;
use crate::slowlog::Event;
use std::sync::atomic::Ordering::Relaxed;

#[test]
fn config_get_takes_patterns_in_any_spelling() {
    let mut cores = Cores::new(1);
    cores.check(&[
        ("CONFIG GET hz", "*2 $2 hz $2 10"),
        ("CONFIG GET HZ h?", "*2 $2 hz $2 10"),
        ("CONFIG GET save appendonly", "*4 $4 save $0  $10 appendonly $2 no"),
        ("CONFIG GET slowlog_max*", "*2 $15 slowlog-max-len $3 128"),
        ("CONFIG GET dbnum databases", "*4 $5 dbnum $2 16 $9 databases $2 16"),
        ("CONFIG GET foo", "*0"),
        ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"),
        ("CONFIG FOO", "-ERR unknown subcommand 'FOO'. Try CONFIG HELP."),
        ("CONFIG", "-ERR wrong number of arguments for 'config' command"),
    ]);
    cores.session().proto = Proto::Resp3;
    cores.check(&[("CONFIG GET cache-mode", "%1 $10 cache_mode $4 true")]);
    assert!(cores.run("CONFIG GET *").contains("maxmemory-policy"));
}

#[test]
fn config_set_refuses_in_rediss_words() {
    let mut cores = Cores::new(1);
    cores.check(&[
        ("CONFIG SET hz 20 timeout 5", "+OK"),
        ("CONFIG GET timeout", "*2 $7 timeout $1 5"),
        ("CONFIG SET maxmemory", "-ERR wrong number of arguments for 'config|set' command"),
        ("CONFIG SET maxmemory 64mb hz", "-ERR syntax error"),
        ("CONFIG SET foo bar", "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'"),
        ("CONFIG SET hz x foo bar", "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'"),
        (
            "CONFIG SET hz 10 hz 20",
            "-ERR CONFIG SET failed (possibly related to argument 'hz') - duplicate parameter",
        ),
        (
            "CONFIG SET databases 5",
            "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
        ),
        (
            "CONFIG SET timeout -1",
            "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and \
             2147483647 inclusive",
        ),
        (
            "CONFIG SET timeout x",
            "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an \
             integer",
        ),
        ("CONFIG SET save ''", "+OK"),
        ("CONFIG GET timeout", "*2 $7 timeout $1 5"),
    ]);
    let refused = cores.run("CONFIG SET maxmemory-policy foo");
    assert!(refused.ends_with(
        "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, \
                               volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction"
    ));
}

#[test]
fn config_rewrite_needs_a_file_and_replaces_it() {
    Cores::new(1).check(&[("CONFIG REWRITE", "-ERR The server is running without a config file")]);
    let file = std::env::temp_dir().join(format!("larder-rewrite-{}.conf", std::process::id()));
    std::fs::write(&file, "# mine\nhz 10\n").unwrap();
    let mut parameters = Parameters::new(Host { cores: 1, memory_bytes: 1 << 30 });
    parameters.set_file(file.clone());
    let mut cores = Cores::with(1, parameters);
    cores.check(&[("CONFIG SET hz 50", "+OK"), ("CONFIG REWRITE", "+OK")]);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(text, "# mine\nhz 50\n");
}

#[test]
fn config_rewrite_says_why_it_cannot() {
    let mut parameters = Parameters::default();
    parameters.set_file("/no/such/directory/larder.conf".into());
    Cores::with(1, parameters)
        .check(&[("CONFIG REWRITE", "-ERR Rewriting config file: No such file or directory (os error 2)")]);
}

#[test]
fn resetstat_begins_counters_anew() {
    let mut cores = Cores::new(2);
    cores.shared.metrics[1].add(Counter::Commands, 5);
    cores.check(&[("CONFIG RESETSTAT", "+OK")]);
    assert!(cores.run("INFO stats").contains("total_commands_processed:0 "));
}

#[test]
fn info_has_the_sections_that_are_asked_for() {
    let mut cores = Cores::new(2);
    let headings = |text: &str| -> Vec<String> {
        text.split("# ").skip(1).map(|section| section.split(' ').next().unwrap().to_string()).collect()
    };
    let default = headings(&cores.run("INFO"));
    assert_eq!(
        default,
        [
            "Server",
            "Clients",
            "Memory",
            "Persistence",
            "Stats",
            "Replication",
            "CPU",
            "Modules",
            "Errorstats",
            "Cluster",
            "Keyspace"
        ]
    );
    assert_eq!(headings(&cores.run("INFO default")), default);
    assert_eq!(headings(&cores.run("INFO everything")).len(), 13);
    assert_eq!(headings(&cores.run("INFO ALL")).len(), 13);
    assert_eq!(headings(&cores.run("INFO keyspace foo SERVER server")), ["Server", "Keyspace"]);
    cores.check(&[("INFO foo", "$0")]);
}

#[test]
fn info_tells_what_was_counted() {
    let mut cores = Cores::new(2);
    for core in 0..2 {
        let metrics = &cores.shared.metrics[core];
        metrics.add(Counter::Hits, 3);
        metrics.set_db(0, 5, 1);
        metrics.set(Counter::UsedBytes, 512 << 10);
        metrics.command(TABLE.by_name(b"get").unwrap());
        metrics.error("WRONGTYPE x");
    }
    for (section, field) in [
        ("stats", "keyspace_hits:6 "),
        ("keyspace", "db0:keys=10,expires=2,avg_ttl=0"),
        ("memory", "used_memory:1048576 used_memory_human:1.00M "),
        ("commandstats", "cmdstat_get:calls=2,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0"),
        ("errorstats", "errorstat_WRONGTYPE:count=2"),
        ("clients", "maxclients:64000 "),
        ("server", "redis_mode:standalone "),
        ("replication", "role:master connected_slaves:0 "),
    ] {
        let text = cores.run(&format!("INFO {section}"));
        assert!(text.contains(field), "{text}");
    }
}

#[test]
fn info_is_lines_of_names_and_values() {
    let text = Cores::new(1).run("INFO everything").replace("$", "");
    for word in
        ["redis_version:", "larder_version:", "run_id:", "tcp_port:6379", "thread_count:1", "used_cpu_sys:"]
    {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn commands_are_described_to_clients() {
    let mut cores = Cores::new(1);
    cores.check(&[
        (
            "COMMAND INFO get foo",
            "*2 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 *1 *6 $5 flags *2 +RO +access \
             $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 $9 find_keys *4 $4 type $5 range $4 spec *6 \
             $7 lastkey :0 $7 keystep :1 $5 limit :0 *0 $-1",
        ),
        (
            "COMMAND INFO Client|ID",
            "*1 *10 $9 client|id :2 *3 +noscript +loading +stale :0 :0 :0 *2 +@slow +@connection *0 *0 *0",
        ),
        ("COMMAND LIST FILTERBY ACLCAT transaction", "*5 $5 multi $4 exec $7 discard $5 watch $7 unwatch"),
        ("COMMAND LIST FILTERBY PATTERN client|i*", "*2 $9 client|id $11 client|info"),
        ("COMMAND LIST FILTERBY MODULE foo", "*0"),
        ("COMMAND LIST FILTERBY", "-ERR syntax error"),
        ("COMMAND LIST FILTERBY FOO a", "-ERR syntax error"),
        ("COMMAND LIST FOO", "-ERR syntax error"),
        ("COMMAND FOO", "-ERR unknown subcommand 'FOO'. Try COMMAND HELP."),
        ("COMMAND DOCS foo", "*0"),
        ("COMMAND INFO mc:get", "*1 $-1"),
    ]);
    let all = cores.run("COMMAND");
    let count: usize = cores.run("COMMAND COUNT")[1..].parse().unwrap();
    assert!(all.starts_with(&format!("*{count} *10 ")), "{count}");
    assert!(!all.contains("mc:"));
    assert_eq!(cores.run("COMMAND INFO"), all);
}

#[test]
fn commands_are_described_to_people() {
    let mut cores = Cores::new(1);
    cores.session().proto = Proto::Resp3;
    let docs = cores.run("COMMAND DOCS config");
    assert!(docs.starts_with("%1 $6 config %5 $7 summary $"), "{docs}");
    assert!(docs.contains("$11 subcommands %5 $10 config|get %5 $7 summary $"), "{docs}");
    let get = "$9 arguments *1 %3 $4 name $3 key $4 type $3 key $14 key_spec_index :0";
    assert!(cores.run("COMMAND DOCS get").ends_with(get));
    assert!(!cores.run("COMMAND DOCS dbsize").contains("arguments"));
    let count: usize = cores.run("COMMAND COUNT")[1..].parse().unwrap();
    assert!(cores.run("COMMAND DOCS").starts_with(&format!("%{count} ")));
}

#[test]
fn keys_are_found_in_commands() {
    Cores::new(1).check(&[
        ("COMMAND GETKEYS get a", "*1 $1 a"),
        ("COMMAND GETKEYS mset a b c d", "*2 $1 a $1 c"),
        ("COMMAND GETKEYS get a b", "-ERR Invalid number of arguments specified for command"),
        ("COMMAND GETKEYS get", "-ERR wrong number of arguments for 'command|getkeys' command"),
        ("COMMAND GETKEYS ping a", "-ERR The command has no key arguments"),
        ("COMMAND GETKEYS object foo a", "-ERR Invalid command specified"),
        ("COMMAND GETKEYS object encoding a", "*1 $1 a"),
        ("COMMAND GETKEYSANDFLAGS set a b", "*1 *2 $1 a *2 +OW +update"),
        ("COMMAND GETKEYSANDFLAGS set a b get", "*1 *2 $1 a *3 +RW +access +update"),
        ("COMMAND GETKEYSANDFLAGS mset a b c d", "*2 *2 $1 a *2 +OW +update *2 $1 c *2 +OW +update"),
        ("COMMAND GETKEYSANDFLAGS rename a b", "*2 *2 $1 a *3 +RW +access +delete *2 $1 b *2 +OW +update"),
    ]);
}

#[test]
fn a_lone_server_says_so() {
    Cores::new(1).check(&[
        ("ROLE", "*3 $6 master :0 *0"),
        ("TIME", "*2 $10 1577836800 $1 0"),
        ("LASTSAVE", ":1577836800"),
        ("WAIT 0 0", ":0"),
        ("WAIT x 0", "-ERR value is not an integer or out of range"),
        ("WAIT 0 x", "-ERR timeout is not an integer or out of range"),
        ("WAIT 0 -1", "-ERR timeout is negative"),
    ]);
}

#[test]
fn shutdown_ends_the_server_and_says_nothing() {
    let mut cores = Cores::new(1);
    cores.check(&[
        ("SHUTDOWN FOO", "-ERR syntax error"),
        ("SHUTDOWN SAVE NOSAVE", "-ERR syntax error"),
        ("SHUTDOWN ABORT", "-ERR No shutdown in progress."),
        ("SHUTDOWN ABORT NOW", "-ERR syntax error"),
        ("SHUTDOWN NOW x", "-ERR syntax error"),
    ]);
    assert!(cores.run("SHUTDOWN SAVE").starts_with("-ERR SHUTDOWN SAVE is not possible"));
    assert!(cores.effects.is_empty());
    cores.check(&[("shutdown nosave now force", "")]);
    assert_eq!(cores.effects, [Effect::CloseNow, Effect::Shutdown]);
}

/// Lets a command of a core's client take so long.
fn slow(cores: &mut Cores, core: usize, line: &[&[u8]], fast: bool, duration_us: u64) {
    let now = cores.now;
    let peer = cores.session().peer.clone();
    let slowlog = cores.slowlog(core);
    let event = if fast { Event::FastCommand } else { Event::Command };
    slowlog.latency.record(event, now, duration_us);
    if slowlog.logs(duration_us) {
        words(line, |args| slowlog.record(now, duration_us, shown(args), args.len(), &peer, b""));
    }
}

#[test]
fn slow_commands_of_all_cores_are_one_log() {
    let mut cores = Cores::new(2);
    cores.check(&[("SLOWLOG GET", "*0"), ("SLOWLOG LEN", ":0")]);
    slow(&mut cores, 0, &[b"GET", b"a"], true, 20_000);
    slow(&mut cores, 0, &[b"GET", b"a"], true, 9_999);
    cores.now.unix_ms += 1000;
    cores.speak(1, 0);
    slow(&mut cores, 1, &[b"AUTH", b"secret"], true, 30_000);
    cores.check(&[
        ("SLOWLOG LEN", ":2"),
        (
            "SLOWLOG GET",
            "*2 *6 :1 :1577836801 :30000 *2 $4 AUTH $10 (redacted) $15 127.0.0.1:40002 $0  *6 :0 :1577836800 :20000 \
             *2 $3 GET $1 a $15 127.0.0.1:40001 $0",
        ),
        ("SLOWLOG GET 1", "*1 *6 :1 :1577836801 :30000 *2 $4 AUTH $10 (redacted) $15 127.0.0.1:40002 $0"),
        ("SLOWLOG GET 0", "*0"),
        ("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1"),
        ("SLOWLOG GET x", "-ERR count should be greater than or equal to -1"),
        (
            "SLOWLOG GET 1 2",
            "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
        ),
        ("CONFIG SET slowlog-max-len 1", "+OK"),
        ("SLOWLOG LEN", ":1"),
    ]);
    assert!(cores.run("SLOWLOG GET -1").starts_with("*1 *6 :1 "));
    cores.check(&[("SLOWLOG RESET", "+OK"), ("SLOWLOG LEN", ":0")]);
}

#[test]
fn what_took_long_is_sampled() {
    let mut cores = Cores::new(2);
    cores.check(&[
        ("LATENCY LATEST", "*0"),
        ("LATENCY HISTORY command", "*0"),
        ("LATENCY GRAPH foo", "-ERR No samples available for event 'foo'"),
        ("LATENCY HISTOGRAM get", "*0"),
        ("CONFIG SET latency-monitor-threshold 5", "+OK"),
    ]);
    for core in 0..2 {
        let shared = cores.shared.clone();
        cores.slowlog(core).follow(&shared.parameters);
    }
    slow(&mut cores, 0, &[b"GET", b"a"], true, 6_000);
    slow(&mut cores, 1, &[b"GET", b"a"], true, 9_000);
    cores.now.unix_ms += 2000;
    slow(&mut cores, 1, &[b"KEYS", b"*"], false, 4_000);
    slow(&mut cores, 1, &[b"KEYS", b"*"], false, 50_000);
    cores.check(&[
        ("LATENCY LATEST", "*2 *4 $7 command :1577836802 :50 :50 *4 $12 fast-command :1577836800 :9 :9"),
        ("LATENCY HISTORY fast-command", "*1 *2 :1577836800 :9"),
        ("LATENCY HISTORY foo", "*0"),
    ]);
    assert!(
        cores.run("LATENCY GRAPH command").contains("command - high 50 ms, low 50 ms (all time high 50 ms)")
    );
    assert!(
        cores.run("LATENCY DOCTOR").contains("fast-command: 1 bad seconds, 9 ms in the mean, 9 ms at worst.")
    );
    cores.check(&[
        ("LATENCY RESET foo", ":0"),
        ("LATENCY RESET fast-command", ":1"),
        ("LATENCY RESET", ":1"),
    ]);
    assert!(cores.run("LATENCY DOCTOR").contains("Nothing took too long."));
}

#[test]
fn monitors_are_counted_once() {
    let mut cores = Cores::new(1);
    cores.check(&[("MONITOR", "+OK"), ("MONITOR", "+OK")]);
    assert_eq!(cores.shared.monitors.load(Relaxed), 1);
    assert!(cores.session().monitor);
}

#[test]
fn memory_is_told_in_rediss_names() {
    let mut cores = Cores::new(1);
    cores.shared.metrics[0].set(Counter::UsedBytes, 100 << 20);
    cores.shared.metrics[0].set(Counter::DatasetBytes, 75 << 20);
    let stats = cores.run("MEMORY STATS");
    assert!(
        stats.starts_with("*40 $14 peak.allocated :104857600 $15 total.allocated :104857600 "),
        "{stats}"
    );
    assert!(stats.contains("$18 dataset.percentage $2 75 "), "{stats}");
    cores
        .check(&[("MEMORY PURGE", "+OK"), ("MEMORY FOO", "-ERR unknown subcommand 'FOO'. Try MEMORY HELP.")]);
    assert!(cores.run("MEMORY MALLOC-STATS").contains("core 0: 104857600 78643200 0 0; 0"));
    cores.check(&[("MEMORY USAGE nokey", "$-1")]);
    cores.shared.parameters.set(b"maxmemory", b"101mb").unwrap();
    assert!(cores.run("MEMORY DOCTOR").contains("100.00M of 101.00M are in use: keys are evicted"));
    cores.shared.parameters.set(b"cache_mode", b"no").unwrap();
    assert!(cores.run("MEMORY DOCTOR").contains("writes will be refused"));
}

#[test]
fn debug_does_what_tests_need_and_no_more() {
    let mut cores = Cores::new(2);
    cores.check(&[
        ("DEBUG", "-ERR wrong number of arguments for 'debug' command"),
        ("DEBUG JMAP", "-ERR unknown subcommand or wrong number of arguments for 'JMAP'. Try DEBUG HELP."),
        ("DEBUG SLEEP", "-ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP."),
        ("DEBUG SLEEP 0.5", "+OK"),
        ("DEBUG SLEEP x", "+OK"),
        ("DEBUG SLEEP -1", "+OK"),
        ("DEBUG SLEEP nan", "+OK"),
        ("DEBUG OBJECT nokey", "-ERR no such key"),
        ("SET a 1", "+OK"),
        (
            "DEBUG OBJECT a",
            "+Value at:0x0 refcount:1 encoding:int serializedlength:1 lru:0 lru_seconds_idle:0",
        ),
        ("DEBUG SET-ACTIVE-EXPIRE 0", "+OK"),
    ]);
    let slept: Vec<&Effect> = cores.effects.iter().collect();
    assert_eq!(slept, [&Effect::Sleep(500_000), &Effect::Sleep(0), &Effect::Sleep(0), &Effect::Sleep(0)]);
    assert!(!cores.shard(0).active_expire && !cores.shard(1).active_expire);
    cores.check(&[("DEBUG SET-ACTIVE-EXPIRE 1", "+OK")]);
    assert!(cores.shard(0).active_expire && cores.shard(1).active_expire);
}

#[test]
fn lolwut_draws() {
    let mut cores = Cores::new(1);
    assert!(cores.run("LOLWUT").contains("speaks as Redis ver. "));
    assert!(cores.run("LOLWUT VERSION 5 1 2").contains("larder"));
    cores.check(&[("LOLWUT VERSION x", "-ERR value is not an integer or out of range")]);
}

#[test]
fn every_container_has_help() {
    let mut cores = Cores::new(1);
    for container in ["client", "config", "command", "memory", "slowlog", "latency", "debug", "object"] {
        let help = cores.run(&format!("{container} HELP"));
        assert!(help.contains(&format!("+{} <subcommand>", container.to_uppercase())), "{help}");
    }
}
