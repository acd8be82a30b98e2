//! Commands' replies as documents.

use super::JSON;
use super::json::Json;
use super::reply::{Value, read};
use crate::command::observe::slabs;
use crate::protocol::http::{Answer, Status};

/// A reply as it is.
pub(super) fn any(reply: &[u8]) -> Answer {
    let mut json = Json::default();
    read(reply).write(&mut json);
    Answer::document(JSON, json.finish())
}

/// `INFO`: an object of its sections, each an object of its fields. A field of the form `a=1,b=2` is one too.
pub(super) fn info(reply: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(read(reply).bytes()).into_owned();
    let mut json = Json::default();
    json.object(|json| {
        for section in text.split("# ").skip(1) {
            let mut lines = section.lines();
            let heading = lines.next().unwrap_or_default();
            json.key(&heading.to_ascii_lowercase()).object(|json| {
                for (name, value) in lines.filter_map(|line| line.split_once(':')) {
                    json.key(name);
                    field(json, value);
                }
            });
        }
    });
    Answer::document(JSON, json.finish())
}

fn field(json: &mut Json, value: &str) {
    let pairs: Option<Vec<(&str, &str)>> = value.split(',').map(|pair| pair.split_once('=')).collect();
    match pairs {
        Some(pairs) => json.object(|json| {
            for (name, value) in pairs {
                json.key(name);
                scalar(json, value);
            }
        }),
        None => scalar(json, value),
    }
}

/// A number where it is written as one and nothing of it would be lost, else a string.
fn scalar(json: &mut Json, value: &str) {
    match (value.parse::<i64>(), value.parse::<f64>()) {
        (Ok(number), _) if number.to_string() == value => json.number(number),
        (Err(_), Ok(number))
            if value.contains('.') && value.bytes().all(|b| b.is_ascii_digit() || b == b'.') =>
        {
            json.float(number)
        }
        _ => json.string(value),
    }
}

/// `CLIENT LIST`: an object per client. The name of a client may hold anything but blanks.
pub(super) fn clients(reply: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(read(reply).bytes()).into_owned();
    let mut json = Json::default();
    json.array(|json| {
        for line in text.lines() {
            json.object(|json| {
                for (name, value) in line.split(' ').filter_map(|field| field.split_once('=')) {
                    json.key(name);
                    if matches!(name, "name" | "lib-name" | "lib-ver" | "cmd" | "user") {
                        json.string(value);
                    } else {
                        scalar(json, value);
                    }
                }
            });
        }
    });
    Answer::document(JSON, json.finish())
}

/// The slabs: per core its classes that hold pages or items.
pub(super) fn slabs(reply: &[u8]) -> Answer {
    let mut json = Json::default();
    json.array(|json| {
        for core in slabs::read(reply) {
            json.object(|json| {
                json.key("change").number(core.change);
                json.key("classes").array(|json| {
                    let held =
                        core.classes.iter().filter(|class| class.pages + class.used + class.evicted > 0);
                    for class in held {
                        json.object(|json| {
                            json.key("chunk").number(class.chunk_bytes);
                            json.key("item_max").number(class.item_bytes_max);
                            json.key("pages").number(class.pages);
                            json.key("used").number(class.used);
                            json.key("free").number(class.free);
                            json.key("requested").number(class.requested_bytes);
                            json.key("waste").number(class.waste_bytes);
                            json.key("evicted").number(class.evicted);
                            json.key("frontier").number(class.frontier_age);
                        });
                    }
                });
            });
        }
    });
    Answer::document(JSON, json.finish())
}

/// `CONFIG SET`: done, or the reason why not.
pub(super) fn change(reply: &[u8]) -> Answer {
    match read(reply) {
        Value::Error(line) => {
            let line = String::from_utf8_lossy(line).into_owned();
            // The reason is behind the parameter's name, which whoever asks knows.
            let reason = line.split_once(" - ").map_or(line.as_str(), |(_, reason)| reason).to_string();
            Answer::text(Status::Unprocessable, reason)
        }
        _ => Answer::text(Status::Ok, "ok"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: Answer) -> String {
        String::from_utf8(answer.body.into_owned()).unwrap()
    }

    #[test]
    fn info_becomes_an_object_of_sections() {
        let info_text = "# Server\r\nredis_version:7.2.0\r\nport:6379\r\nid:00012\r\n\r\n# Keyspace\r\n\
                         db0:keys=1,expires=0\r\nratio:0.50\r\n\r\n# Modules\r\n";
        let reply = format!("={}\r\ntxt:{info_text}\r\n", info_text.len() + 4);
        assert_eq!(
            text(info(reply.as_bytes())),
            r#"{"server":{"redis_version":"7.2.0","port":6379,"id":"00012"},"keyspace":{"db0":{"keys":1,"expires":0},"ratio":0.5},"modules":{}}"#
        );
    }

    #[test]
    fn clients_become_objects() {
        let list = "id=3 addr=127.0.0.1:1 name=12 age=5 cmd=get\nid=4 name=\n";
        let reply = format!("={}\r\ntxt:{list}\r\n", list.len() + 4);
        assert_eq!(
            text(clients(reply.as_bytes())),
            r#"[{"id":3,"addr":"127.0.0.1:1","name":"12","age":5,"cmd":"get"},{"id":4,"name":""}]"#
        );
    }

    #[test]
    fn a_refused_change_says_why() {
        let refused =
            change(b"-ERR CONFIG SET failed (possibly related to argument 'hz') - argument must be 1\r\n");
        assert_eq!((refused.status, text(refused)), (Status::Unprocessable, "argument must be 1\n".into()));
        assert_eq!(change(b"+OK\r\n").status, Status::Ok);
    }
}
