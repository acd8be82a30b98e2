use super::slabs;
use crate::command::one_core::Cores;
use crate::command::table::{Found, TABLE};
use crate::protocol::{Args, Span};

#[test]
fn hot_keys_are_summed_over_the_cores_and_doubt_is_left_out() {
    let mut cores = Cores::new(2);
    cores.check(&[("LARDER HOTKEYS", "*0")]);
    for core in 0..2 {
        for _ in 0..3 {
            cores.shard_mut(core).hot.sample(0, b"a", 1, 1);
        }
        cores.shard_mut(core).hot.sample(2, b"b", 2, 1);
    }
    cores.check(&[
        (
            "LARDER HOTKEYS",
            "*2 *8 $3 key $1 a $2 db :0 $7 samples :6 $5 share $4 0.75 \
             *8 $3 key $1 b $2 db :2 $7 samples :2 $5 share $4 0.25",
        ),
        ("LARDER HOTKEYS COUNT 1", "*1 *8 $3 key $1 a $2 db :0 $7 samples :6 $5 share $4 0.75"),
        ("LARDER HOTKEYS COUNT 0", "-ERR COUNT must be a positive integer"),
        ("LARDER HOTKEYS COUNT x", "-ERR COUNT must be a positive integer"),
        ("LARDER HOTKEYS COUNT", "-ERR syntax error"),
        ("LARDER HOTKEYS 5", "-ERR syntax error"),
        ("LARDER NOPE", "-ERR unknown subcommand 'NOPE'. Try LARDER HELP."),
        ("LARDER", "-ERR wrong number of arguments for 'larder' command"),
    ]);
}

#[test]
fn big_keys_come_biggest_first() {
    let mut cores = Cores::new(1);
    cores.check(&[("LARDER BIGKEYS", "*0"), ("SET small x", "+OK"), ("SETRANGE big 9999 x", ":10000")]);
    let reply = cores.run("LARDER BIGKEYS COUNT 1");
    assert!(reply.starts_with("*1 *8 $3 key $3 big $2 db :0 $4 type $6 string $5 bytes :10"), "{reply}");
    assert!(cores.run("LARDER BIGKEYS").starts_with("*2 "));
}

#[test]
fn the_size_classes_of_each_core_are_read_as_they_were_packed() {
    let mut cores = Cores::new(2);
    cores.check(&[("SET k v", "+OK")]);
    let row = TABLE.by_name(slabs::ROW.as_bytes()).unwrap();
    let crate::command::Handler::Every(every) = TABLE.row(row).handler else { panic!("it asks every core") };
    let name = Args::new(b"x", &[Span { start: 0, len: 1 }]);
    let answer = cores.ask_every(every, name);
    let read = slabs::read(&answer);
    assert_eq!(read.len(), 2);
    let expected = cores.shard(0).store.classes();
    assert_eq!(read[0].classes.len(), expected.len());
    for (ours, theirs) in read[0].classes.iter().zip(&expected) {
        assert_eq!(
            (ours.pages, ours.used, ours.free),
            (theirs.pages, theirs.chunks_used, theirs.chunks_free)
        );
        assert_eq!(ours.item_bytes_max, theirs.item_bytes_max);
    }
    assert_eq!(read[0].change, u64::from(cores.shard(0).store.last_change()));
    assert_eq!(read[0].classes.iter().map(|class| class.used).sum::<u64>(), 1);
}

#[test]
fn rows_of_the_console_cannot_be_called() {
    let name = slabs::ROW.as_bytes();
    let found = TABLE.find(Args::new(name, &[Span { start: 0, len: name.len() as u32 }]));
    assert!(matches!(found, Found::UnknownCommand));
}
