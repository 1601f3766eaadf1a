//! Throughput against cards stored, drawn as SVG.

use crate::bench::grow::{Growth, Stage};
use crate::bench::size;
use crate::bench::table::thousands;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;
const GRID_LINES: u32 = 4;

/// What is drawn, and how.
struct Line {
    name: &'static str,
    colour: &'static str,
    dots: bool,
    points: Vec<(f64, f64)>,
}

/// Where figures come to be on the paper.
struct Scale {
    cards: f64,
    rate: f64,
}

/// Draws it.
pub(super) fn plot(growth: &Growth) -> String {
    let of_stages = |rate: fn(&Stage) -> f64| -> Vec<(f64, f64)> {
        growth.stages.iter().map(|stage| (stage.cards as f64, rate(stage))).collect()
    };
    let loaded = growth.loaded.iter().map(|loaded| (loaded.cards as f64, loaded.rate)).collect();
    let lines = [
        Line { name: "operations, without HTTP", colour: "#b8b8b8", dots: false, points: loaded },
        Line { name: "floor", colour: "#d08020", dots: true, points: of_stages(|stage| stage.floor.rps) },
        Line {
            name: "tokenise, 64 connections",
            colour: "#2060c0",
            dots: true,
            points: of_stages(|stage| stage.tokenise.rps),
        },
    ];
    let largest = |figure: fn(&(f64, f64)) -> f64| {
        lines.iter().flat_map(|line| line.points.iter().map(figure)).fold(1.0, f64::max)
    };
    let scale = Scale { cards: largest(|point| point.0), rate: rounded_up(largest(|point| point.1)) };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>Requests a second against cards stored</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    svg.push_str(&scale.grid());
    svg.push_str(&scale.stages(&growth.stages));
    for (at, line) in (0_u32..).zip(&lines) {
        svg.push_str(&scale.line(line));
        let (x, y) = (LEFT + f64::from(at) * 220.0, TOP - 24.0);
        svg.push_str(&format!(
            "<rect x=\"{x:.0}\" y=\"{:.0}\" width=\"14\" height=\"4\" fill=\"{}\"/><text x=\"{:.0}\" y=\"{y:.0}\">{}</text>\n",
            y - 6.0,
            line.colour,
            x + 20.0,
            line.name
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

impl Scale {
    fn x(&self, cards: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * cards / self.cards
    }

    fn y(&self, rate: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rate / self.rate
    }

    /// Lines of equal rate.
    fn grid(&self) -> String {
        (0..=GRID_LINES)
            .map(|step| {
                let rate = self.rate * f64::from(step) / f64::from(GRID_LINES);
                let y = self.y(rate);
                format!(
                    "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#e0e0e0\"/><text x=\"{:.0}\" y=\"{:.1}\" \
                     text-anchor=\"end\">{}</text>\n",
                    WIDTH - RIGHT,
                    LEFT - 8.0,
                    y + 4.0,
                    thousands(rate)
                )
            })
            .collect()
    }

    /// What is below the line of no rate.
    fn stages(&self, stages: &[Stage]) -> String {
        let mut out = String::new();
        let mut last = f64::MIN;
        for stage in stages {
            let x = self.x(stage.cards as f64);
            if x < last + 36.0 {
                continue;
            }
            last = x;
            let (y, cards) = (HEIGHT - BOTTOM + 18.0, size::shown(stage.cards));
            out.push_str(&format!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{cards}</text>\n"));
        }
        let (x, y) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0);
        out + &format!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">cards stored; requests a second</text>\n"
        )
    }

    fn line(&self, line: &Line) -> String {
        let points: Vec<String> = line
            .points
            .iter()
            .map(|(cards, rate)| format!("{:.1},{:.1}", self.x(*cards), self.y(*rate)))
            .collect();
        let mut out = format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n",
            points.join(" "),
            line.colour
        );
        for (cards, rate) in line.points.iter().filter(|_| line.dots) {
            let (x, y) = (self.x(*cards), self.y(*rate));
            out.push_str(&format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{}\"/>\n",
                line.colour
            ));
        }
        out
    }
}

/// The next number of one digit and zeroes that the grid divides well.
fn rounded_up(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0]
        .map(|times| times * unit)
        .into_iter()
        .find(|round| *round >= rate)
        .unwrap_or(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Figures;
    use crate::bench::grow::Loaded;

    #[test]
    fn draws_every_figure_within_the_paper() {
        let stage = |cards, rps| Stage {
            cards,
            tokenise: Figures { rps, ..Figures::default() },
            floor: Figures { rps: 2.0 * rps, ..Figures::default() },
            ..Stage::default()
        };
        let growth = Growth {
            stages: vec![stage(0, 60_000.0), stage(1_000_000, 59_000.0)],
            loaded: vec![Loaded { cards: 500_000, rate: 90_000.0 }],
        };
        let svg = plot(&growth);
        assert_eq!(svg.matches("<circle").count(), 4);
        assert_eq!(svg.matches("<polyline").count(), 3);
        assert!(svg.contains(">200,000<") && svg.contains(">1 M<"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("-inf"));
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (rate, end) in [(1.0, 1.0), (61_000.0, 80_000.0), (120_000.0, 200_000.0), (99.0, 100.0)] {
            assert_eq!(rounded_up(rate), end);
        }
    }
}
