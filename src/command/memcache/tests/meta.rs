//! The meta commands, one client and one shard.

use super::Client;
use crate::shard::{Kind, Meta};
use slabs::{Options, Policy};

#[test]
fn what_is_asked_for_is_told_in_that_order() {
    let mut client = Client::new();
    client.check(&[
        ("ms a 3 F7 T100 Oabc k\r\nabc", "HD Oabc ka"),
        ("mg a", "HD"),
        ("mg a v", "VA 3\r\nabc"),
        ("mg a t f s k v Ox", "VA 3 t100 f7 s3 ka Ox\r\nabc"),
        ("mg a Ox k f s t", "HD Ox ka f7 s3 t100"),
        ("mg b v Ox k", "EN Ox kb"),
        ("mg b v Ox k q", ""),
        ("mg a P/path Lx v", "VA 3\r\nabc"),
        ("mn", "MN"),
        ("mn x", "MN"),
    ]);
    client.pass_ms(1);
    client.check(&[("mg a t", "HD t100")]);
    client.pass_ms(999);
    client.check(&[("mg a t", "HD t99")]);
    client.pass_ms(99_000);
    client.check(&[("mg a t", "EN")]);
}

#[test]
fn values_are_stored_in_five_modes() {
    Client::new().check(&[
        ("ms a 1 MR\r\nx", "NS"),
        ("ms a 1 MA\r\nx", "NS"),
        ("ms a 1 MP s c\r\nx", "NS s1 c0"),
        ("ms a 2 ME\r\nab", "HD"),
        ("ms a 1 ME k\r\nx", "NS ka"),
        ("ms a 2 MA s\r\ncd", "HD s4"),
        ("ms a 3 MP s\r\n000", "HD s7"),
        ("mg a v", "VA 7\r\n000abcd"),
        ("ms a 1 MR F3\r\ny", "HD"),
        ("mg a v f", "VA 1 f3\r\ny"),
        ("ms a 1 MS\r\nz", "HD"),
        ("mg a v f", "VA 1 f0\r\nz"),
        ("ms b 2 MA N100 F5\r\nab", "HD"),
        ("ms b 2 MA N7\r\ncd", "HD"),
        ("mg b v t f", "VA 4 t100 f5\r\nabcd"),
        ("ms c 0 MP N0\r\n", "HD"),
        ("mg c v t", "VA 0 t-1"),
        ("ms a 1 MX\r\nz", "CLIENT_ERROR invalid mode for ms M token"),
        ("ms a 1 T-1\r\nz", "HD"),
        ("mg a v", "EN"),
    ]);
}

#[test]
fn uniques_are_compared_and_given() {
    Client::new().check(&[
        ("ms a 1 C5\r\nx", "NF"),
        ("ms a 1 c E100\r\nx", "HD c100"),
        ("ms a 1 C99\r\ny", "EX"),
        ("ms a 1 C0\r\ny", "EX"),
        ("ms a 1 C100 E200 c\r\ny", "HD c200"),
        ("mg a C200 v c", "HD c200"),
        ("mg a C100 v c", "VA 1 c200\r\ny"),
        ("ms a 1 C100 MA\r\nz", "EX"),
        ("ms a 1 C200 MA E7 c\r\nz", "HD c7"),
        ("ms a 1 MR C7 E8\r\n5", "HD"),
        ("ma a C7", "EX"),
        ("ma a C8 E9 c v", "VA 1 c9\r\n6"),
        ("md a C8", "EX"),
        ("md a C9 I E10", "HD"),
        ("mg a c", "HD c10 X W"),
        ("md a C10", "HD"),
        ("mg a N0 E77 c", "HD c77 W"),
    ]);
}

#[test]
fn a_stale_value_is_served_and_one_client_is_to_bring_a_new_one() {
    let mut client = Client::new();
    client.check(&[("ms a 3 T500 E50\r\nold", "HD"), ("md a I T30 E60", "HD")]);
    client.check(&[
        ("mg a v t c", "VA 3 t30 c60 X W\r\nold"),
        ("mg a v t c", "VA 3 t30 c60 Z X\r\nold"),
        ("get a", "VALUE a 0 3\r\nold\r\nEND"),
        ("mg a Oq k", "HD Oq ka Z X"),
        // Whoever had seen the value before it was outdated may bring one that is outdated, too.
        ("ms a 3 C50\r\nnew", "EX"),
        ("ms a 3 C50 I T400\r\nmid", "HD"),
        ("mg a v t", "VA 3 t30 Z X\r\nmid"),
        ("md a I", "HD"),
        ("mg a v t", "VA 3 t30 X W\r\nmid"),
        ("ms a 3 C77777777777 I\r\nnew", "EX"),
        ("ms a 3\r\nnew", "HD"),
        ("mg a v t", "VA 3 t-1\r\nnew"),
    ]);
}

#[test]
fn a_key_that_is_absent_is_made_for_one_client() {
    let mut client = Client::new();
    client.check(&[
        ("mg a v N30 t", "VA 0 t30 W"),
        ("mg a v N30 t", "VA 0 t30 Z"),
        ("ms a 1 T100\r\nx", "HD"),
        ("mg a v N30 t", "VA 1 t100\r\nx"),
        ("mg b t N30", "HD t-1 W"),
        ("mg c N30 t T50", "HD t30 W"),
        ("mg c t", "HD t50 Z"),
        ("mg d T50 N30 t", "HD t30 W"),
        ("mg e N-1 t", "HD t0 W"),
        ("mg e v", "EN"),
    ]);
    client.pass_ms(30_000);
    client.check(&[("mg b v", "EN")]);
}

#[test]
fn a_value_near_its_end_is_renewed_by_one_client() {
    let mut client = Client::new();
    client.check(&[
        ("ms a 1 T100\r\nx", "HD"),
        ("mg a R100", "HD"),
        ("mg a R99 t", "HD t100"),
        ("mg a R101 t", "HD t100 W"),
        ("mg a R101 t", "HD t100 Z"),
        ("ms a 1 T100\r\nx", "HD"),
        ("mg a R0", "HD"),
        ("mg a R-1", "HD"),
        ("mg a T200 R150", "HD"),
        ("mg a R150 T200", "HD"),
        ("ms b 1\r\nx", "HD"),
        ("mg b R1000000", "HD"),
    ]);
    client.pass_ms(190_000);
    client.check(&[("mg a R30 t", "HD t10 W")]);
}

#[test]
fn uses_are_told_as_they_were_before_this_one() {
    let mut client = Client::new();
    client.check(&[("set a 0 0 1\r\n5", "STORED")]);
    client.pass_ms(7000);
    client.check(&[
        ("mg a h l u", "HD h0 l7"),
        ("mg a h l", "HD h0 l7"),
        ("mg a h l u", "HD h1 l0"),
        ("me a", "ME a exp=-1 la=0 cas=1 fetch=yes cls=2 size=20"),
    ]);
    client.pass_ms(3000);
    client.check(&[("mg a l u", "HD l3"), ("get a", "VALUE a 0 1\r\n5\r\nEND"), ("mg a l u", "HD l0")]);
    client.pass_ms(2000);
    client.check(&[
        ("incr a 1", "6"),
        ("mg a h u l", "HD h1 l2"),
        ("append a 0 0 1\r\n0", "STORED"),
        ("mg a h u l", "HD h0 l0"),
        ("touch a 0", "TOUCHED"),
        ("mg a h u", "HD h1"),
        ("set a 0 0 1\r\n5", "STORED"),
        ("add a 0 0 1\r\n5", "NOT_STORED"),
        ("mg a h u", "HD h0"),
        ("mg a u", "HD"),
        ("mg a h u", "HD h0"),
    ]);
    client.pass_ms(5000);
    client.check(&[
        ("md a I", "HD"),
        ("mg a l u", "HD l5 X W"),
        ("mg a l", "HD l5 Z X"),
        ("mg a l", "HD l0 Z X"),
    ]);
}

#[test]
fn removing_has_forms() {
    Client::new().check(&[
        ("md a k Ox", "NF ka Ox"),
        ("md a q", "NF"),
        ("ms a 1 F5 E9\r\nx", "HD"),
        ("md a x", "HD"),
        ("mg a v f c s t", "VA 0 f0 c9 s0 t-1"),
        ("ms a 1 F5\r\nx", "HD"),
        ("md a x I T30 k", "HD ka"),
        ("mg a v f t", "VA 0 f0 t30 X W"),
        ("md a T10", "HD"),
        ("mg a", "EN"),
        ("ms a 1\r\nx", "HD"),
        ("md a q", ""),
        ("ms a 1\r\nx", "HD"),
        ("md a I T-1", "HD"),
        ("mg a", "EN"),
    ]);
}

#[test]
fn counting_has_forms() {
    let mut client = Client::new();
    client.check(&[
        ("ma n k Ox v", "NF kn Ox"),
        ("ma n q", "NF"),
        ("ma n N0 J13 v", "VA 2\r\n13"),
        ("ma n v", "VA 2\r\n14"),
        ("ma n MD D5 v t", "VA 1 t-1\r\n9"),
        ("get n", "VALUE n 0 2\r\n9 \r\nEND"),
        ("ma n M- D500 v", "VA 1\r\n0"),
        ("ma n M+ v k Oz", "VA 1 kn Oz\r\n1"),
        ("ma n D18446744073709551615 v", "VA 1\r\n0"),
        ("ma n q", ""),
        ("ma n q v", ""),
        ("ma n T30 t", "HD t30"),
        ("ma n t T60", "HD t30"),
        ("ma m N90 t q", ""),
        ("ma m t v", "VA 1 t90\r\n1"),
        ("ms s 1\r\nx", "HD"),
        ("ma s q", "CLIENT_ERROR cannot increment or decrement non-numeric value"),
        ("ma n MZ", "CLIENT_ERROR invalid mode for ma M token"),
        ("ma n v v", "CLIENT_ERROR invalid or duplicate flag"),
    ]);
    assert_eq!(client.shard.memcache.incr_hits, 8);
    assert_eq!((client.shard.memcache.incr_misses, client.shard.memcache.decr_hits), (2, 2));
}

#[test]
fn keys_may_be_written_in_base64() {
    Client::new().check(&[
        ("ms Zm9v 2 b k\r\nhi", "HD kZm9v b"),
        ("mg Zm9v b k v", "VA 2 kZm9v b\r\nhi"),
        ("mg foo v k", "VA 2 kfoo\r\nhi"),
        ("get foo", "VALUE foo 0 2\r\nhi\r\nEND"),
        ("mg !! b v", "CLIENT_ERROR error decoding key"),
        ("md YQ== b k", "NF kYQ== b"),
        ("ma bg== b N0 J5 k v", "VA 1 kbg== b\r\n5"),
        ("incr n 1", "6"),
        ("me bg== b x", "ME bg== exp=-1 la=0 cas=3 fetch=no cls=1 size=16"),
        ("md Zm9v b", "HD"),
        ("mg foo", "EN"),
    ]);
}

#[test]
fn a_request_with_a_mistake_changes_nothing() {
    let opaque = "O".repeat(33);
    Client::new().check(&[
        (&format!("mg a N0 {opaque}"), "CLIENT_ERROR opaque token too long"),
        (&format!("ms a 1 {opaque}\r\nx"), "CLIENT_ERROR opaque token too long"),
        ("ms a 1 S3\r\nx", "CLIENT_ERROR invalid flag"),
        ("ms a 1 q q\r\nx", "CLIENT_ERROR duplicate flag"),
        ("ms a 1 q T\r\nx", "CLIENT_ERROR bad token in command line format"),
        ("ms a 1 b\r\nx", "CLIENT_ERROR error decoding key"),
        ("ms a x", "CLIENT_ERROR bad command line format"),
        ("mg a", "EN"),
        (&format!("mg {} v", "k".repeat(251)), "CLIENT_ERROR bad command line format"),
        (&format!("ms {} 1\r\nx", "k".repeat(251)), "CLIENT_ERROR bad command line format"),
    ]);
}

#[test]
fn values_over_the_limit_are_refused_and_the_old_one_goes() {
    let mut client = Client::new();
    client.limits.value_bytes_max = 10;
    client.shard.memcache_value_bytes_max = 10;
    for mode in ["", " ME", " MA", " MR C5", " q"] {
        client.check(&[
            ("ms a 1\r\nx", "HD"),
            (&format!("ms a 11{mode}\r\n12345678901"), "SERVER_ERROR object too large for cache"),
            ("mg a", "EN"),
        ]);
    }
    client.check(&[
        ("ms a 11 v v\r\n12345678901", "CLIENT_ERROR duplicate flag"),
        ("ms YQ== 1 b\r\nx", "HD"),
        ("ms YQ== 11 b\r\n12345678901", "SERVER_ERROR object too large for cache"),
        ("mg a", "EN"),
        ("ms a 6\r\n123456", "HD"),
        ("ms a 6 MA\r\n123456", "NS"),
        ("append a 0 0 6\r\n123456", "NOT_STORED"),
        ("mg a v", "VA 6\r\n123456"),
    ]);
}

#[test]
fn other_kinds_are_misses_and_are_replaced_as_a_whole() {
    let mut client = Client::new();
    let list = Meta { kind: Kind::List, ..Meta::default() };
    client.put("l", list);
    client.check(&[
        ("mg l v", "EN"),
        ("mg l v N30", "EN"),
        ("mg l t", "EN"),
        ("ms l 1 ME\r\nx", "NS"),
        ("ms l 1 MA\r\nx", "NS"),
        ("ms l 1 C5\r\nx", "NF"),
        ("ma l", "CLIENT_ERROR cannot increment or decrement non-numeric value"),
        ("ms l 1\r\nx", "HD"),
        ("mg l v", "VA 1\r\nx"),
    ]);
    client.put("l", list);
    client.check(&[("md l I", "HD"), ("md l", "NF")]);
}

#[test]
fn what_does_not_fit_is_said() {
    let mut client =
        Client::with(Options { budget_bytes: 4 << 20, policy: Policy::NoEviction, ..Options::default() });
    let value = "x".repeat(100_000);
    let replies: Vec<String> =
        (0..60).map(|i| client.talk(format!("ms k{i} 100000 q\r\n{value}\r\n").as_bytes())).collect();
    assert_eq!(replies[0], "");
    assert_eq!(replies[59], "SERVER_ERROR out of memory storing object\r\n");
}

#[test]
fn meta_commands_count_as_what_they_do() {
    let mut client = Client::new();
    for request in [
        "mg a",
        "mg a T30",
        "ms a 1\r\n1",
        "mg a",
        "mg a v q",
        "mg a T30",
        "mg b N30",
        "ma a",
        "ma c",
        "ma c MD",
        "ma d N0",
        "ms a 1 C1\r\nx",
        "ms x 1 C1\r\nx",
        "md a C9",
        "md a I",
        "md a",
        "md a",
        "me b",
        "me a",
        "mn",
    ] {
        client.talk(format!("{request}\r\n").as_bytes());
    }
    let counters = client.shard.memcache;
    assert_eq!((counters.get_commands, counters.get_hits, counters.get_misses), (5, 3, 2));
    assert_eq!((counters.touch_commands, counters.touch_hits, counters.touch_misses), (1, 1, 0));
    assert_eq!((counters.set_commands, counters.meta_commands, counters.total_items), (3, 2, 3));
    assert_eq!((counters.incr_hits, counters.incr_misses, counters.decr_misses), (1, 1, 1));
    assert_eq!((counters.cas_badval, counters.cas_misses), (1, 1));
    assert_eq!((counters.delete_hits, counters.delete_misses), (1, 2));
}
