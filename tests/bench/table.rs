//! What was measured.

use std::path::Path;

use serde::Serialize;

/// One thing measured.
#[derive(Debug, Serialize)]
pub struct Row {
    name: String,
    berth: f64,
    peer: Option<String>,
    peer_value: Option<f64>,
    unit: &'static str,
    ratio: Option<f64>,
    target: Option<String>,
    met: Option<bool>,
}

/// Everything measured.
#[derive(Debug, Default)]
pub struct Table(Vec<Row>);

/// What a figure should be.
pub enum Target {
    /// At most so many times the peer's.
    RatioAtMost(f64),
    /// At least so many times the peer's.
    RatioAtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// No promise was made.
    None,
}

impl Table {
    /// Adds a figure beside a peer's.
    pub fn beside(&mut self, name: &str, berth: f64, peer: &str, peer_value: f64, unit: &'static str, target: Target) {
        let ratio = berth / peer_value;
        self.add(name, berth, Some((peer, peer_value)), unit, Some(ratio), target);
    }

    /// Adds a figure of Berth's alone.
    pub fn alone(&mut self, name: &str, berth: f64, unit: &'static str, target: Target) {
        self.add(name, berth, None, unit, None, target);
    }

    fn add(
        &mut self,
        name: &str,
        berth: f64,
        peer: Option<(&str, f64)>,
        unit: &'static str,
        ratio: Option<f64>,
        target: Target,
    ) {
        let (target, met) = match target {
            Target::RatioAtMost(most) => (Some(format!("≤ {most} ×")), ratio.map(|ratio| ratio <= most)),
            Target::RatioAtLeast(least) => (Some(format!("≥ {least} ×")), ratio.map(|ratio| ratio >= least)),
            Target::AtMost(most) => (Some(format!("≤ {most} {unit}")), Some(berth <= most)),
            Target::None => (None, None),
        };
        let row = Row {
            name: name.to_owned(),
            berth: round(berth),
            peer: peer.map(|(peer, _)| peer.to_owned()),
            peer_value: peer.map(|(_, value)| round(value)),
            unit,
            ratio: ratio.map(round),
            target,
            met,
        };
        println!("{}", line(&row));
        self.0.push(row);
    }

    /// Prints it.
    pub fn print(&self) {
        println!("\n{:<52} {:>10} {:>10} {:<8} {:>7}  target", "", "berth", "peer", "", "ratio");
        for row in &self.0 {
            println!("{}", line(row));
        }
    }

    /// Writes it as JSON.
    pub fn write(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().expect("has a folder")).expect("make the folder");
        std::fs::write(path, serde_json::to_string_pretty(&self.0).expect("JSON")).expect("write the table");
        println!("\nWritten to {}", path.display());
    }
}

fn line(row: &Row) -> String {
    let number = |value: Option<f64>| value.map(|value| format!("{value}")).unwrap_or_default();
    let mark = match row.met {
        Some(true) => "met",
        Some(false) => "NOT met",
        None => "",
    };
    format!(
        "{:<52} {:>10} {:>10} {:<8} {:>7}  {} {}",
        row.name,
        row.berth,
        number(row.peer_value),
        row.unit,
        number(row.ratio),
        row.target.as_deref().unwrap_or(""),
        mark
    )
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// The middle of several.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
