//! What a run has shown: histories that have an order, and messages that came as they were sent.

use super::model::{self, Asked, Keys, State, Wall, name};
use super::op::{Key, Op, Reply};
use super::talker::Role;
use super::{Case, Lie, Memory, STATES_MAX};
use crate::checker::{self, Entry, Verdict};
use crate::faults::Fault;
use std::collections::{BTreeMap, BTreeSet};

/// An operation that its client has asked before: its place in the history, and its keys.
type Earlier = (usize, Vec<Key>);

impl Case {
    fn wall(&self, begin: u64, end: u64) -> Wall {
        let from = self.walls.partition_point(|wall| wall.0 < begin);
        let to = self.walls.partition_point(|wall| wall.0 < end).max(from + 1).min(self.walls.len());
        let within = &self.walls[from.min(to - 1)..to];
        Wall {
            least: within.iter().map(|wall| wall.1).min().unwrap_or_default(),
            most: within.iter().map(|wall| wall.1).max().unwrap_or_default(),
            seen: within.iter().map(|wall| wall.2).max().unwrap_or_default(),
        }
    }

    /// Two reads of one key have exchanged their answers.
    fn exchange_reads(&mut self) {
        for later in 0..self.records.len() {
            for earlier in 0..later {
                let (one, other) = (&self.records[earlier], &self.records[later]);
                let same = matches!((&one.op, &other.op), (Op::Get(a), Op::Get(b)) if a == b)
                    && one.group == other.group
                    && one.end < other.begin;
                let bulk = |reply: &Option<Reply>| matches!(reply, Some(Reply::Bulk(_)));
                if same && bulk(&one.reply) && bulk(&other.reply) && one.reply != other.reply {
                    let reply = one.reply.clone();
                    self.records[later].reply = reply;
                    return;
                }
            }
        }
    }

    pub(super) fn check_histories(&mut self) {
        if self.options.lie == Some(Lie::OldRead) {
            self.exchange_reads();
        }
        let over = self.moment + 1;
        let mut histories: BTreeMap<usize, Vec<Entry<Asked>>> = BTreeMap::new();
        // By client and group: who asked what before.
        let mut before: BTreeMap<(u32, usize), Vec<Earlier>> = BTreeMap::new();
        let mut lines: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for record in self.records.iter().filter(|record| !record.void) {
            let Some(begin) = record.begin else { continue };
            if record.reply.is_none() && model::is_read(&record.op) {
                // Nobody knows what it saw, and it left nothing.
                continue;
            }
            let keys = self.maker.plan.groups[record.group].1 as Key;
            let touched = record.op.keys().unwrap_or_else(|| (0..keys).collect());
            let history = histories.entry(record.group).or_default();
            let place = history.len();
            let asked = before.entry((record.client, record.group)).or_default();
            let shares = |other: &[Key]| other.iter().any(|key| touched.contains(key));
            let behind = asked.iter().filter(|(_, keys)| shares(keys)).map(|(place, _)| *place).collect();
            asked.push((place, touched.clone()));
            history.push(Entry {
                op: Asked {
                    op: record.op.clone(),
                    reply: record.reply.clone(),
                    wall: self.wall(begin, record.end.unwrap_or(over)),
                    evicting: if record.end.is_some() { record.evicting } else { self.world.evicted() > 0 },
                },
                begin,
                end: record.end,
                behind,
            });
            lines.entry(record.group).or_default().push(format!(
                "{begin:>6}..{:<6} client {:<3} {:?} -> {:?}",
                record.end.map_or("?".to_string(), |end| end.to_string()),
                record.client,
                record.op,
                record.reply
            ));
        }
        for (group, history) in histories {
            let (_, keys) = self.maker.plan.groups[group];
            let model = Keys {
                group,
                tight: self.maker.plan.memory != Memory::Plenty,
                dying: self.maker.plan.dying,
                back: self.world.tally().of(Fault::ClockBack) > 0,
            };
            self.report.ordered += history.len() as u64;
            self.report.histories += 1;
            match checker::check(&model, State::empty(keys), &history, STATES_MAX) {
                Verdict::Linearizable => {}
                Verdict::Unknown => self.report.undecided += 1,
                Verdict::Wrong(furthest) => {
                    let done: BTreeSet<usize> = furthest.iter().copied().collect();
                    eprintln!("an order that goes furthest, of keys like {}:", name(group, 0));
                    furthest.iter().for_each(|&at| eprintln!("  {}", lines[&group][at]));
                    eprintln!("and then none of:");
                    (0..history.len())
                        .filter(|at| !done.contains(at))
                        .for_each(|at| eprintln!("  {}", lines[&group][at]));
                    panic!("seed {}: group {group} has no order", self.seed());
                }
            }
        }
    }

    /// Who listened heard everything that was acknowledged, once and in its publisher's order.
    pub(super) fn check_messages(&self) {
        let seed = self.seed();
        let mut receivers: BTreeMap<&str, i64> = BTreeMap::new();
        for talker in &self.talkers {
            let Role::Listener { channels, messages } = &talker.role else { continue };
            channels.iter().for_each(|channel| *receivers.entry(channel).or_default() += 1);
            let mut last: BTreeMap<&str, usize> = BTreeMap::new();
            for (channel, text) in messages {
                assert!(channels.contains(channel), "seed {seed}: {text} came on {channel}");
                let (client, number) = text.split_once('.').expect("all messages have one");
                let number: usize = number.parse().expect("a number");
                let before = last.insert(client, number).unwrap_or_default();
                assert!(before < number, "seed {seed}: {text} comes behind {before}");
            }
            for publication in
                self.publications.iter().filter(|publication| channels.contains(&publication.channel))
            {
                let text = format!("{}.{}", publication.client, publication.number);
                let heard = messages.iter().filter(|message| message.1 == text).count();
                let owed = publication.receivers.is_some();
                let right = if owed { heard == 1 } else { heard <= usize::from(!publication.void) };
                assert!(right, "seed {seed}: client {} has heard {text} {heard} times", talker.number);
            }
        }
        for publication in &self.publications {
            let Some(answered) = publication.receivers else { continue };
            let there = receivers.get(publication.channel.as_str()).copied().unwrap_or_default();
            assert_eq!(answered, there, "seed {seed}: receivers of {}", publication.channel);
        }
    }
}
