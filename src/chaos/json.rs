//! A report as JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::report::ExperimentReport;

/// The report after its verdict, so that a reader finds that first.
#[derive(Serialize)]
struct Document<'a> {
    passed: bool,
    #[serde(flatten)]
    report: &'a ExperimentReport,
}

impl ExperimentReport {
    /// Returns the report as JSON: every field by its name and in the order of [`ExperimentReport`], after a field
    /// `passed`.
    ///
    /// Numbers that are not whole are rounded to six digits after the point, so times are in microseconds, and two
    /// equal runs give equal bytes. NaN and infinite numbers are `null`. `serde_json` reads the text back as an
    /// [`ExperimentReport`].
    ///
    /// # Panics
    ///
    /// Never, because JSON can hold everything in a report.
    pub fn to_json(&self) -> String {
        let mut bytes = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut bytes, Rounded(PrettyFormatter::new()));
        Document { passed: self.passed(), report: self }
            .serialize(&mut serializer)
            .expect("a report has only text keys, and a vector takes every byte");
        bytes.push(b'\n');
        String::from_utf8(bytes).expect("serde_json writes UTF-8")
    }
}

/// Pretty, with numbers rounded to microseconds.
struct Rounded<'a>(PrettyFormatter<'a>);

impl Formatter for Rounded<'_> {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // A number that has no room for microseconds stays as it is: rounding would change it, or make it infinite. Adding
        // zero turns a negative zero into a plain one.
        let rounded = if value.abs() < 9e9 { (value * 1e6).round() / 1e6 } else { value };
        self.0.write_f64(writer, rounded + 0.0)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}
