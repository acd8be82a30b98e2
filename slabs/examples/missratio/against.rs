//! The comparison with simulated policies.

use std::collections::HashMap;

const SEG3: &str = "slab:seg3";
const S3: &str = "round:s3";
/// Budgets below this are not counted.
const BUDGET_BYTES_MIN: u64 = 8 << 20;

type Ratios = (f64, f64);

struct Point {
    label: String,
    budget_bytes: u64,
    ours: Ratios,
    seg3: Option<Ratios>,
    s3: Option<Ratios>,
}

/// What `policysim` found, and what the store did.
pub struct Against {
    simulated: HashMap<(String, String, String), Ratios>,
    points: Vec<Point>,
}

impl Against {
    /// Reads lines of `policysim`.
    pub fn read(path: &str) -> Against {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let field = |line: &str, name: &str| {
            let start = line.find(&format!("\"{name}\":")).expect("a field") + name.len() + 3;
            let end = line[start..].find([',', '}']).expect("an end") + start;
            line[start..end].trim_matches('"').to_owned()
        };
        let number = |line: &str, name: &str| field(line, name).parse::<f64>().expect("a number");
        let simulated = text
            .lines()
            .map(|line| {
                let key = (field(line, "trace"), field(line, "frac"), field(line, "policy"));
                (key, (number(line, "mr"), number(line, "bmr")))
            })
            .collect();
        Against { simulated, points: Vec::new() }
    }

    /// Adds one run of the store.
    pub fn add(&mut self, trace: &str, frac: &str, budget_bytes: u64, miss: f64, byte_miss: f64) {
        let of = |policy: &str| self.simulated.get(&(trace.into(), frac.into(), policy.into())).copied();
        let label = format!("{trace} {frac}");
        let point = Point { label, budget_bytes, ours: (miss, byte_miss), seg3: of(SEG3), s3: of(S3) };
        self.points.push(point);
    }

    /// The table and its averages.
    pub fn print(&self) {
        println!(
            "\n| trace, share | MiB | miss ratio | slab:seg3 | fewer | round:s3 | fewer | byte miss | of slab:seg3's |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for point in &self.points {
            let text =
                |ratios: Option<Ratios>| ratios.map_or("–".into(), |ratios| format!("{:.4}", ratios.0));
            let gain = |ratios: Option<Ratios>| {
                ratios.map_or("–".into(), |r| format!("{:.1} %", gain(point.ours.0, r.0)))
            };
            println!(
                "| {} | {:.1} | {:.4} | {} | {} | {} | {} | {:.4} | {} |",
                point.label,
                point.budget_bytes as f64 / 1048576.0,
                point.ours.0,
                text(point.seg3),
                gain(point.seg3),
                text(point.s3),
                gain(point.s3),
                point.ours.1,
                point.seg3.map_or("–".into(), |seg3| format!("{:.3}", point.ours.1 / seg3.1)),
            );
        }
        for (name, least) in [("8 MiB or more", BUDGET_BYTES_MIN), ("all", 0)] {
            let points = || self.points.iter().filter(|point| point.budget_bytes >= least);
            let seg3: Vec<f64> = points().filter_map(|p| p.seg3.map(|r| gain(p.ours.0, r.0))).collect();
            let s3: Vec<f64> = points().filter_map(|p| p.s3.map(|r| gain(p.ours.0, r.0))).collect();
            let bytes: Vec<f64> = points().filter_map(|p| p.seg3.map(|r| p.ours.1 / r.1)).collect();
            println!(
                "{name}: {:.2} % fewer misses than slab:seg3 (worst {:.1}), {:.2} % fewer than round:s3; byte misses {:.3} of slab:seg3's (worst {:.3})",
                mean(&seg3),
                seg3.iter().copied().fold(f64::INFINITY, f64::min),
                mean(&s3),
                mean(&bytes),
                bytes.iter().copied().fold(0.0, f64::max),
            );
        }
    }
}

fn gain(ours: f64, theirs: f64) -> f64 {
    100.0 * (1.0 - ours / theirs)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
