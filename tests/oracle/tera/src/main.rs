//! What the Tera crate makes of a template: one JSON question a line in, one JSON answer a line out.
//!
//! In `{"template": text, "context": object}`, out `{"output": text}` or `{"error": text}`.

use std::error::Error;
use std::io::{self, BufRead, Write};

use serde_json::{json, Value};
use tera::{Context, Tera};

fn main() {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match answer(&line.expect("stdin is UTF-8")) {
            Ok(output) => json!({ "output": output }),
            Err(error) => json!({ "error": chain(error.as_ref()) }),
        };
        writeln!(out, "{answer}").expect("stdout is open");
    }
}

fn answer(line: &str) -> Result<String, Box<dyn Error>> {
    let question: Value = serde_json::from_str(line)?;
    let template = question["template"].as_str().ok_or("template is not a text")?;
    let context = Context::from_value(question["context"].clone())?;
    Ok(Tera::one_off(template, &context, false)?)
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
