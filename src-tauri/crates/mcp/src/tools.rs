//! The tools as a model sees them: names, descriptions, arguments. The doc comments of the arguments are what it reads.
//!
//! Other names by which models know an argument are understood, but not told.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The file: absolute, or relative to the working folder.
    #[serde(alias = "file_path")]
    pub path: String,
    /// The first line to read, from 1.
    pub offset: Option<u64>,
    /// How many lines to read; up to 2,000 without it.
    pub limit: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The file: absolute, or relative to the working folder. Missing folders are made.
    #[serde(alias = "file_path")]
    pub path: String,
    /// The whole new content.
    pub content: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file: absolute, or relative to the working folder.
    #[serde(alias = "file_path")]
    pub path: String,
    /// The text to replace, exactly as in the file: with its indentation, without the line numbers that `read` shows.
    /// It must occur exactly once, unless `all` is set.
    #[serde(alias = "old_string", alias = "old_text")]
    pub old: String,
    /// The text that stands there afterwards.
    #[serde(alias = "new_string", alias = "new_text")]
    pub new: String,
    /// Replace every occurrence.
    #[serde(default, alias = "replace_all")]
    pub all: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Glob {
    /// Such as `**/*.ts` or `src/{a,b}/*.rs`.
    pub pattern: String,
    /// The folder to look in; the working folder without it.
    pub path: Option<String>,
    /// At most so many paths; 200 without it, 1,000 at most.
    pub limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grep {
    /// An extended regular expression, matched line by line.
    pub pattern: String,
    /// The file or folder to look in; the working folder without it.
    pub path: Option<String>,
    /// Only files whose name matches, such as `*.py`.
    #[serde(alias = "include")]
    pub glob: Option<String>,
    /// Upper and lower case are the same.
    #[serde(default)]
    pub ignore_case: bool,
    /// The pattern is plain text, no expression.
    #[serde(default)]
    pub literal: bool,
    /// At most so many matches; 200 without it, 500 at most.
    pub limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The folder; the working folder without it.
    pub path: Option<String>,
    /// How many entries to pass over.
    pub offset: Option<u32>,
    /// At most so many entries; 200 without it, 1,000 at most.
    pub limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The command, as one would type it into `sh`. Nothing can be typed into it while it runs.
    pub command: String,
    /// The folder to run it in; the working folder without it. A `cd` lasts for one command only.
    pub cwd: Option<String>,
    /// After so many seconds it is stopped; 120 without it, 3,600 at most. Not for background jobs.
    #[serde(alias = "timeout_s")]
    pub timeout: Option<u32>,
    /// Start it as a job and return at once with the job's id. For servers, watchers and long builds.
    #[serde(default, alias = "run_in_background")]
    pub background: bool,
    /// With `background`: start it again whenever the sandbox wakes from sleep. For servers that should stay up.
    #[serde(default)]
    pub service: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobOutput {
    /// The job's id, from `run` with `background`. Without it the jobs are listed.
    #[serde(alias = "job_id", alias = "id")]
    pub job: Option<String>,
    /// Read from this byte on: give the `next offset` of the call before to see only what is new. A negative number
    /// counts from the end. Without it, from the start.
    pub offset: Option<i64>,
    /// Wait up to so many seconds for new output when there is none past `offset`; 30 at most.
    pub wait: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobStop {
    /// The job's id.
    #[serde(alias = "job_id", alias = "id")]
    pub job: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewOpen {
    /// The port in the sandbox that an HTTP server listens on.
    pub port: u16,
}

/// All tools, in the order in which they are listed.
pub fn all() -> Vec<Tool> {
    vec![
        tool::<Read>(
            "read",
            "Read a file",
            "Reads a text file; each line comes with its number and a tab before it. Up to 2,000 lines or 30,000 \
             characters at once: what does not fit is announced with the offset to read on from. An image is shown; \
             another binary file is only named. Read a file before you edit or overwrite it.",
            looks(),
        ),
        tool::<Write>(
            "write",
            "Write a file",
            "Writes a whole file, at once or not at all, and makes missing folders. To overwrite a file that exists, \
             read it first; to change a part of it, use `edit`.",
            changes().destructive(true).idempotent(true),
        ),
        tool::<Edit>(
            "edit",
            "Edit a file",
            "Replaces exact text in a file that you have read, and shows what changed. It fails, changing nothing, \
             when the text is not found, is found more than once (give more of its surroundings, or set `all`), or \
             when the file changed since you read it (read it again).",
            changes().destructive(true).idempotent(false),
        ),
        tool::<Glob>("glob", "Find files", "Finds files by name, newest first. What Git ignores is left out.", looks()),
        tool::<Grep>(
            "grep",
            "Search in files",
            "Finds lines that match in files: `path:line: text`, by file. What Git ignores and binary files are left \
             out. Use it rather than `run` with grep or rg.",
            looks(),
        ),
        tool::<List>(
            "list",
            "List a folder",
            "Lists a folder with sizes, folders first. Only this folder: for files below it use `glob`.",
            looks(),
        ),
        tool::<Run>(
            "run",
            "Run a command",
            "Runs a command and returns what it printed and its exit code. Of long output the start and the end are \
             shown, and a file is named that holds all of it. What does not end by itself (a server, a watcher) must \
             run with `background`; look at it with `job_output` and show a server with `preview_open`. The sandbox \
             is a real machine of its own, with a network.",
            ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true),
        ),
        tool::<JobOutput>(
            "job_output",
            "Look at a job",
            "Shows what a background job printed, whether it still runs, and the offset to read on from. Without a \
             job, lists the jobs.",
            looks(),
        ),
        tool::<JobStop>(
            "job_stop",
            "Stop a job",
            "Stops a background job with everything it started: first kindly, then by force.",
            changes().destructive(true).idempotent(true),
        ),
        tool::<PreviewOpen>(
            "preview_open",
            "Show a preview",
            "Returns the address at which the person sees what listens on a port of the sandbox, and whether \
             something answers there now. Start the server first, with `run` and `background`. Inside the sandbox \
             the server is at http://localhost:PORT as ever.",
            changes().destructive(false).idempotent(true),
        ),
    ]
}

/// A tool's arguments, or what is wrong with them, for the model to mend.
pub fn arguments<T: DeserializeOwned>(tool: &str, arguments: Option<JsonObject>) -> Result<T, String> {
    // Some clients send null for what was left out.
    let given = arguments.unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null()).collect();
    serde_json::from_value(Value::Object(given))
        .map_err(|error| format!("The arguments of `{tool}` are wrong: {error}."))
}

fn looks() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).open_world(false)
}

fn changes() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).open_world(false)
}

fn tool<T: JsonSchema>(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    annotations: ToolAnnotations,
) -> Tool {
    let mut annotations = annotations;
    annotations.title = Some(title.to_owned());
    Tool::new(Cow::Borrowed(name), Cow::Borrowed(description), Arc::new(schema::<T>()))
        .with_title(title)
        .with_annotations(annotations)
}

/// The arguments' schema, as plain as the models' makers want it: an argument that may be left out has one type and
/// no default of null.
fn schema<T: JsonSchema>() -> JsonObject {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let Value::Object(mut schema) = schema.to_value() else { return JsonObject::new() };
    schema.remove("title");
    schema.remove("description");
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flatten().filter_map(|(_, property)| property.as_object_mut()) {
        if let Some(Value::Array(types)) = property.get("type")
            && let Some(only) = types.iter().find(|kind| *kind != "null").cloned()
        {
            property.insert("type".to_owned(), only);
        }
        property.remove("format");
        if let Some(Value::String(description)) = property.get_mut("description") {
            *description = description.replace('\n', " ");
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_argument_has_one_type_and_a_description() {
        for tool in all() {
            let properties = tool.input_schema.get("properties").and_then(Value::as_object).expect("has properties");
            assert_eq!(tool.input_schema.get("additionalProperties"), Some(&json!(false)), "{}", tool.name);
            for (name, property) in properties {
                assert!(property["type"].is_string(), "{}.{name}: {property}", tool.name);
                assert!(property["description"].is_string(), "{}.{name}: {property}", tool.name);
            }
        }
    }

    #[test]
    fn only_what_is_needed_is_required() {
        let required = |name: &str| {
            let tool = all().into_iter().find(|tool| tool.name == name).expect("there is such a tool");
            tool.input_schema.get("required").cloned().unwrap_or_else(|| json!([]))
        };
        assert_eq!(required("read"), json!(["path"]));
        assert_eq!(required("edit"), json!(["path", "old", "new"]));
        assert_eq!(required("run"), json!(["command"]));
        assert_eq!(required("list"), json!([]));
        assert_eq!(required("job_output"), json!([]));
    }

    #[test]
    fn other_names_and_nulls_are_understood_and_typing_errors_are_told() {
        let given = json!({"file_path": "a", "old_string": "b", "new_string": "c", "replace_all": null});
        let edit: Edit = arguments("edit", given.as_object().cloned()).expect("is understood");
        assert_eq!((edit.path.as_str(), edit.old.as_str(), edit.new.as_str(), edit.all), ("a", "b", "c", false));
        let wrong = arguments::<Read>("read", json!({"pth": "a"}).as_object().cloned()).expect_err("is wrong");
        assert!(wrong.contains("`read`") && wrong.contains("pth"), "{wrong}");
    }
}
