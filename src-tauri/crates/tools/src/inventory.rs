//! What programs a sandbox offers.

use std::collections::HashMap;

use crate::{Reply, Script, ShellScript, Tool, ToolError};

/// Looks for the programs that people expect, with their versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inventory;

/// What programs a sandbox offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installs {
    /// In the order shown: Node, npm, Python, pip, Git, build tools, and what else was looked for. Of the rest (Rust,
    /// Go, uv, pnpm, Bun, Deno), what is there.
    pub tools: Vec<Installed>,
    /// The system's name, such as "Debian GNU/Linux 12 (bookworm)".
    pub system: Option<String>,
}

/// One program that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// As people name it: "Node", "Python", "Git", "C compiler".
    pub name: &'static str,
    /// Its version, or nothing where it is missing.
    pub version: Option<String>,
    /// The command that installs it where it is missing, such as `sudo apt install git`.
    pub hint: Option<String>,
}

/// A program to look for.
struct Wanted {
    name: &'static str,
    /// Commands that print its version; the first that succeeds counts.
    probes: &'static [&'static str],
    /// Its packages, in the order of [`MANAGERS`]; none where its absence is not worth a word.
    packages: Option<[&'static str; MANAGERS.len()]>,
}

/// Package managers and how each installs.
const MANAGERS: [(&str, &str); 6] = [
    ("apt-get", "sudo apt install"),
    ("apk", "sudo apk add"),
    ("dnf", "sudo dnf install"),
    ("pacman", "sudo pacman -S"),
    ("zypper", "sudo zypper install"),
    ("brew", "brew install"),
];

const fn wanted(
    name: &'static str,
    probes: &'static [&'static str],
    packages: [&'static str; MANAGERS.len()],
) -> Wanted {
    Wanted { name, probes, packages: Some(packages) }
}

const fn extra(name: &'static str, probes: &'static [&'static str]) -> Wanted {
    Wanted { name, probes, packages: None }
}

const WANTED: &[Wanted] = &[
    wanted("Node", &["node --version", "nodejs --version"], ["nodejs", "nodejs", "nodejs", "nodejs", "nodejs", "node"]),
    wanted("npm", &["npm --version"], ["npm", "npm", "nodejs-npm", "npm", "npm", "node"]),
    wanted(
        "Python",
        &["python3 --version", "python --version"],
        ["python3", "python3", "python3", "python", "python3", "python"],
    ),
    wanted(
        "pip",
        &["python3 -m pip --version", "pip3 --version", "pip --version"],
        ["python3-pip", "py3-pip", "python3-pip", "python-pip", "python3-pip", "python"],
    ),
    wanted("Git", &["git --version"], ["git"; 6]),
    wanted(
        "C compiler",
        &["cc --version", "gcc --version", "clang --version"],
        ["build-essential", "build-base", "gcc", "base-devel", "gcc", "gcc"],
    ),
    wanted("make", &["make --version"], ["make"; 6]),
    wanted("ripgrep", &["rg --version"], ["ripgrep"; 6]),
    wanted("curl", &["curl --version"], ["curl"; 6]),
    extra("Rust", &["rustc --version"]),
    extra("Go", &["go version"]),
    extra("uv", &["uv --version"]),
    extra("pnpm", &["pnpm --version"]),
    extra("Bun", &["bun --version"]),
    extra("Deno", &["deno --version"]),
];

/// All are asked at once: some take half a second to say a number. A record is one write, so they do not mix.
const PROBE: &str = r#"probe() {
x=$1
shift
for y do
command -v "${y%% *}" >/dev/null 2>&1 || continue
if z=$($y 2>&1 </dev/null); then
printf '%s:%.200s\0' "$x" "$z"
return
fi
done
}
"#;

impl Tool for Inventory {
    type Output = Installs;

    fn script(&self) -> Result<Script, ToolError> {
        // The person's own locale might translate what a program says of itself.
        let mut script = ShellScript::new();
        script.raw(PROBE).raw("{\n");
        for (i, wanted) in WANTED.iter().enumerate() {
            script.raw(&format!("probe {i}"));
            for probe in wanted.probes {
                script.raw(" ").word(probe.as_bytes());
            }
            script.raw(" &\n");
        }
        script.raw("wait\n} 2>/dev/null\nfor x in");
        for (manager, _) in MANAGERS {
            script.raw(" ").raw(manager);
        }
        script.raw("; do\nif command -v \"$x\" >/dev/null 2>&1; then printf 'with:%s\\0' \"$x\"; break; fi\ndone\n");
        script.raw(
            "printf 'system:'\ncat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null || uname -sr\n",
        );
        script.raw("printf '\\0'\nexit 0\n");
        script.finish(64 << 10, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Installs, ToolError> {
        let mut fields = reply.fields("the list of programs")?;
        let mut said = HashMap::new();
        while !fields.is_empty() {
            let field = String::from_utf8_lossy(fields.next()?);
            if let Some((key, value)) = field.split_once(':') {
                said.insert(key.to_owned(), value.to_owned());
            }
        }
        let manager = said.get("with").and_then(|with| MANAGERS.iter().position(|(name, _)| name == with));
        let tools = WANTED.iter().enumerate().filter_map(|(i, wanted)| {
            let version = said.get(&i.to_string()).and_then(|text| version(text));
            if version.is_none() && wanted.packages.is_none() {
                return None;
            }
            let packages = wanted.packages.filter(|_| version.is_none());
            let hint = packages.zip(manager).map(|(packages, at)| format!("{} {}", MANAGERS[at].1, packages[at]));
            Some(Installed { name: wanted.name, version, hint })
        });
        Ok(Installs { tools: tools.collect(), system: said.get("system").and_then(|text| system(text)) })
    }
}

/// The first word that looks like a version: digits with dots between, and what clings to them.
fn version(text: &str) -> Option<String> {
    let words = text.lines().take(3).flat_map(str::split_whitespace);
    let plain = |word: &str| {
        let word = word.trim_start_matches(['v', 'V', '(']).trim_start_matches("go");
        let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || "._+-".contains(c))).unwrap_or(word.len());
        let word = &word[..end];
        let numbers = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') && word.len() <= 40;
        numbers.then(|| word.to_owned())
    };
    let mut aside = false;
    // What stands in parentheses tells of something else.
    let mut words = words.filter(|word| {
        let skipped = aside || word.starts_with('(');
        aside = skipped && !word.ends_with(')');
        !skipped
    });
    words.find_map(plain)
}

/// The system's name as it wants to be shown.
fn system(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    // Without an os-release there is what `uname` said: one line, and no assignment.
    let value = value.or_else(|| text.lines().next().filter(|line| !line.contains('=')))?;
    let value: String = value.trim().trim_matches(['"', '\'']).chars().filter(|c| !c.is_control()).take(100).collect();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_programs_tell_them() {
        for (said, is) in [
            ("v20.11.1", "20.11.1"),
            ("Python 3.11.2", "3.11.2"),
            ("pip 23.0.1 from /usr/lib/python3 (python 3.11)", "23.0.1"),
            ("git version 2.39.5", "2.39.5"),
            ("cc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright", "12.2.0"),
            ("Debian clang version 14.0.6", "14.0.6"),
            ("GNU Make 4.3\nBuilt for", "4.3"),
            ("go version go1.22.1 linux/amd64", "1.22.1"),
            ("rustc 1.95.0 (abc 2026-01-01)", "1.95.0"),
        ] {
            assert_eq!(version(said).as_deref(), Some(is), "{said}");
        }
        assert_eq!(version("no such thing"), None);
    }

    #[test]
    fn systems_as_they_name_themselves() {
        let text = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(system(text).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(system("Linux 6.1.0\n").as_deref(), Some("Linux 6.1.0"));
        assert_eq!(system("ID=x\n"), None);
    }
}
