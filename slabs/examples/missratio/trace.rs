//! Traces: read from a file, or made up.

use std::collections::HashMap;

/// Requests in order.
pub struct Trace {
    pub name: String,
    pub keys: Vec<String>,
    /// Number of the key, bytes of the value.
    pub requests: Vec<(u32, u32)>,
}

impl Trace {
    /// Reads `key,size` lines.
    pub fn read(path: &str) -> Trace {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut keys = Vec::new();
        let requests = text.lines().map(|line| {
            let (key, size) = line.split_once(',').expect("key,size");
            let number = *numbers.entry(key).or_insert_with(|| {
                keys.push(key.to_owned());
                keys.len() as u32 - 1
            });
            (number, size.trim().parse().expect("a size"))
        });
        let requests = requests.collect();
        let name = std::path::Path::new(path)
            .file_stem()
            .map_or(String::new(), |stem| stem.to_string_lossy().into());
        Trace { name, keys, requests }
    }

    /// Zipf-like requests for values of one size, and from the middle on for values of another.
    pub fn size_change(keys: usize, requests: usize, before_bytes: u32, after_bytes: u32) -> Trace {
        let mut sums = Vec::with_capacity(keys);
        let mut sum = 0.0;
        for rank in 1..=keys {
            sum += (rank as f64).powf(-0.9);
            sums.push(sum);
        }
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let requests = (0..requests).map(|number| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let point = (state >> 11) as f64 / (1u64 << 53) as f64 * sum;
            let key = sums.partition_point(|&sum| sum < point).min(keys - 1);
            (key as u32, if number < requests / 2 { before_bytes } else { after_bytes })
        });
        let requests = requests.collect();
        Trace { name: "size-change".into(), keys: (0..keys).map(|key| format!("s{key}")).collect(), requests }
    }

    /// The same from the middle on.
    pub fn second_half(&self) -> Trace {
        Trace {
            name: self.name.clone(),
            keys: self.keys.clone(),
            requests: self.requests[self.requests.len() / 2..].to_vec(),
        }
    }

    /// Bytes of keys and values, each object counted once with its last size.
    pub fn unique_bytes(&self) -> u64 {
        let mut sizes = vec![None; self.keys.len()];
        for &(key, size) in &self.requests {
            sizes[key as usize] = Some(size);
        }
        let objects = self.keys.iter().zip(sizes);
        objects.filter_map(|(key, size)| size.map(|size| u64::from(size) + key.len() as u64)).sum()
    }

    pub fn value_bytes_max(&self) -> usize {
        self.requests.iter().map(|request| request.1 as usize).max().unwrap_or(0)
    }
}
