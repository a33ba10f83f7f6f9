//! Plots as SVG.

use crate::measure::Values;
use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// A figure that grows with the work.
pub struct Plot {
    /// What grows, in one word.
    pub name: &'static str,
    pub title: &'static str,
    pub x: &'static str,
    /// For each amount of work, the milliseconds of each contender.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    /// A line of medians: the values' names are the amounts of work.
    pub fn line(values: &[Values]) -> Vec<(f64, f64)> {
        values.iter().map(|values| (values.name.parse().unwrap_or(0.0), values.quantile(0.5) / 1e3)).collect()
    }

    /// Its file in the folder of the page, one for each maker of CPUs.
    pub fn file(&self, maker: &str) -> String {
        format!("benchmark-{}-{}.svg", maker.to_lowercase(), self.name)
    }

    pub fn svg(&self) -> Result<String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|error| anyhow!("the plot of {}: {error}", self.name))?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error + '_>> {
        let most = |of: fn(&(f64, f64)) -> f64| {
            self.lines.iter().flat_map(|(_, points)| points).map(of).fold(0.0, f64::max) * 1.05
        };
        let area = SVGBackend::with_string(svg, (640, 360)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..most(|point| point.0), 0.0..most(|point| point.1))?;
        chart.configure_mesh().x_desc(self.x).y_desc("ms").draw()?;
        for (index, (name, points)) in self.lines.iter().enumerate() {
            let colour = Palette99::pick(index).to_rgba();
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
            chart
                .draw_series(line)?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
        area.present()?;
        Ok(())
    }
}
