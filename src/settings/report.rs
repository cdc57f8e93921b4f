//! All problems of a document, drawn for people, for programs, and for a reviewer's page.

use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet};
use serde::Serialize;

use super::document::{Document, File, file_at};
use super::{Problem, Severity};

/// Everything found wrong with a document, in the order of its lines.
#[derive(Clone, Debug)]
pub struct Report {
    files: Vec<File>,
    findings: Vec<Finding>,
}

/// A problem whose places have been looked up.
#[derive(Clone, Debug)]
struct Finding {
    problem: Problem,
    span: Option<Range<usize>>,
    related: Vec<(Range<usize>, String)>,
}

impl Document {
    /// Looks up the place of each problem. The report stands on its own.
    pub fn report(&self, problems: Vec<Problem>) -> Report {
        let find = |problem: Problem| Finding {
            span: self.span(&problem.place),
            related: problem
                .related
                .iter()
                .filter_map(|(place, word)| Some((self.span(place)?, word.clone())))
                .collect(),
            problem,
        };
        let mut findings: Vec<_> = problems.into_iter().map(find).collect();
        findings.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
        Report {
            files: self.files().to_vec(),
            findings,
        }
    }
}

impl Report {
    /// A report of one problem that concerns no line of any file.
    pub fn of(problem: Problem) -> Self {
        Document::default().report(vec![problem])
    }

    /// Whether nothing was found at all.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether the file cannot be used.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// The problems, in the order of the file.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.findings.iter().map(|finding| &finding.problem)
    }

    /// For a terminal without colours, or a log.
    pub fn plain(&self) -> String {
        self.render(&Renderer::plain())
    }

    /// For a terminal with colours.
    pub fn coloured(&self) -> String {
        self.render(&Renderer::styled())
    }

    /// For programs: a list of objects.
    pub fn json(&self) -> serde_json::Value {
        let rows: Vec<_> = self
            .findings
            .iter()
            .map(|finding| self.row(finding))
            .collect();
        serde_json::json!(rows)
    }

    /// For GitHub's workflow commands: one line for each problem.
    pub fn github(&self) -> String {
        let mut lines = String::new();
        for finding in &self.findings {
            let row = self.row(finding);
            let at = row.file.map(|file| {
                format!(
                    " file={},line={},col={},",
                    escaped(file),
                    row.line.unwrap_or(1),
                    row.column.unwrap_or(1)
                )
            });
            let level = match row.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let words = [row.message, row.label]
                .iter()
                .filter(|part| !part.is_empty())
                .copied()
                .collect::<Vec<_>>();
            let at = at.unwrap_or_else(|| " ".to_owned());
            let _ = writeln!(
                lines,
                "::{level}{at}title={}::{}",
                row.code,
                escaped(&words.join("; "))
            );
        }
        lines
    }

    /// The last line: `2 errors, 1 warning in 2 files`. Empty if nothing was found.
    pub fn summary(&self) -> String {
        let counts: Vec<_> = [(Severity::Error, "error"), (Severity::Warning, "warning")]
            .into_iter()
            .filter_map(|(severity, word)| plural(self.count(severity), word))
            .collect();
        let mut files: Vec<_> = self
            .findings
            .iter()
            .filter_map(|finding| self.file(finding.span.as_ref()?))
            .collect();
        files.dedup_by_key(|file| file.start);
        match plural(files.len(), "file") {
            Some(files) if !counts.is_empty() => format!("{} in {files}", counts.join(", ")),
            _ => counts.join(", "),
        }
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            text.push_str(&self.draw(finding, renderer));
            text.push_str("\n\n");
        }
        text.push_str(&self.summary());
        text
    }

    fn draw(&self, finding: &Finding, renderer: &Renderer) -> String {
        let problem = &finding.problem;
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level
            .primary_title(problem.message.as_str())
            .id(problem.code);
        let mut elements: Vec<Element<'_>> = Vec::new();
        if let Some(file) = finding.span.as_ref().and_then(|span| self.file(span)) {
            elements.push(self.snippet(finding, file).into());
        }
        for (span, word) in &finding.related {
            if let Some(file) = self.file(span)
                && !self.in_one_file(finding, span)
            {
                let context = AnnotationKind::Context
                    .span(within(file, span))
                    .label(word.as_str());
                elements.push(snippet_of(file).annotation(context).into());
            }
        }
        // Where nothing is drawn, the remedy has no caret to stand beside.
        if finding.span.is_none() && !problem.label.is_empty() {
            elements.push(Level::NOTE.message(problem.label.as_str()).into());
        }
        elements.extend(
            problem
                .notes
                .iter()
                .map(|note| Level::NOTE.message(note.as_str()).into()),
        );
        renderer.render(&[title.elements(elements)])
    }

    fn snippet<'a>(
        &self,
        finding: &'a Finding,
        file: &'a File,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let span = finding.span.clone().unwrap_or_default();
        let label = Some(finding.problem.label.as_str()).filter(|label| !label.is_empty());
        let mut snippet = snippet_of(file).annotation(
            AnnotationKind::Primary
                .span(within(file, &span))
                .label(label),
        );
        for (span, word) in &finding.related {
            if self.in_one_file(finding, span) {
                snippet = snippet.annotation(
                    AnnotationKind::Context
                        .span(within(file, span))
                        .label(word.as_str()),
                );
            }
        }
        snippet
    }

    fn in_one_file(&self, finding: &Finding, other: &Range<usize>) -> bool {
        let start = |span| self.file(span).map(|file| file.start);
        finding.span.as_ref().and_then(start) == start(other)
    }

    fn row<'a>(&'a self, finding: &'a Finding) -> Row<'a> {
        let problem = &finding.problem;
        let found = finding
            .span
            .as_ref()
            .and_then(|span| Some((self.file(span)?, span)));
        Row {
            code: problem.code,
            severity: problem.severity,
            message: &problem.message,
            label: &problem.label,
            notes: &problem.notes,
            path: problem.place.path().map(ToString::to_string),
            file: found.map(|(file, _)| file.name.as_str()),
            line: found.map(|(file, span)| file.line(span.start)),
            column: found.map(|(file, span)| file.column(span.start)),
            end_line: found.map(|(file, span)| file.line(span.end)),
            end_column: found.map(|(file, span)| file.column(span.end)),
        }
    }

    fn file(&self, span: &Range<usize>) -> Option<&File> {
        file_at(&self.files, span.start)
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.problem.severity == severity)
            .count()
    }
}

/// One problem, as programs read it. Lines and columns count from 1.
#[derive(Serialize)]
struct Row<'a> {
    code: &'static str,
    severity: Severity,
    message: &'a str,
    label: &'a str,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
}

fn snippet_of(file: &File) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    Snippet::source(file.text.as_str())
        .path(file.name.as_str())
        .line_start(1)
}

/// The bytes of the span within its own file. Of a value of many lines only the first is drawn.
fn within(file: &File, span: &Range<usize>) -> Range<usize> {
    let (start, end) = (
        span.start.saturating_sub(file.start),
        span.end.saturating_sub(file.start),
    );
    let end = end.min(file.text.len());
    let line = file.text.get(start..end).and_then(|text| text.find('\n'));
    start.min(end)..line.map_or(end, |line| start + line)
}

fn plural(count: usize, word: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    }
}

/// Text that cannot break out of a workflow command.
fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
        .replace(',', "%2C")
        .replace(':', "%3A")
}
