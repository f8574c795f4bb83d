//! Tool managers that live in the person's home, or where their variables say, and which of their folders a sandbox may
//! see.
//!
//! Only the folders that hold programs are shown, each by itself: what lies beside them (`~/.cargo/credentials.toml`,
//! uv's credentials, a manager's configuration) stays out of reach, and so does the configuration that a version keeps
//! among its programs (npm's and pip's tokens). Where a manager chooses a version by a shim, the chosen version's own
//! folder goes on the PATH instead: shims want to write to their manager's home.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use super::Env;

/// What the tool managers of a home give to a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HomeTools {
    /// Folders and files, shown read-only where they are.
    pub(super) shown: Vec<PathBuf>,
    /// Files in them that may hold credentials.
    pub(super) secret: Vec<PathBuf>,
    /// Before the system's folders on the PATH.
    pub(super) path: Vec<PathBuf>,
    pub(super) env: Vec<(&'static str, PathBuf)>,
}

/// Configuration below a version's own folder that may hold credentials.
const SECRETS: &[&str] = &[
    "etc/npmrc",
    "etc/yarnrc",
    "etc/pip.conf",
    "etc/conda/.condarc",
    "lib/node_modules/npm/npmrc",
    "lib/node_modules/npm/.npmrc",
    "pip.conf",
    ".condarc",
    ".netrc",
    ".npmrc",
    ".pypirc",
];

impl HomeTools {
    /// Looks through `home`, and where the managers' variables lead.
    pub(super) fn of(home: &Path, env: &Env) -> Self {
        let at = |variable: &str, usual: &str| {
            let named = env.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            named.unwrap_or_else(|| home.join(usual))
        };
        let mut tools = Self::default();
        tools.nvm(&at("NVM_DIR", ".nvm"));
        for folder in [at("FNM_DIR", ".local/share/fnm"), home.join(".fnm")] {
            tools.versions(&folder.join("node-versions"), &folder.join("aliases/default"), "installation/bin");
        }
        tools.volta(&at("VOLTA_HOME", ".volta"));
        tools.pyenv(&at("PYENV_ROOT", ".pyenv"));
        tools.uv(home);
        tools.mise(home, &at("MISE_DATA_DIR", ".local/share/mise"));
        tools.rust(&at("RUSTUP_HOME", ".rustup"), &at("CARGO_HOME", ".cargo"));
        tools.folder_of_programs(&at("BUN_INSTALL", ".bun").join("bin"));
        tools.folder_of_programs(&at("DENO_INSTALL", ".deno").join("bin"));
        tools.secret = tools.secrets();
        tools
    }

    /// Without what lies below folders that `is_barred`.
    pub(super) fn without(mut self, is_barred: impl Fn(&Path) -> bool) -> Self {
        self.shown.retain(|path| !is_barred(path));
        self.path.retain(|path| !is_barred(path));
        self.secret.retain(|path| !is_barred(path));
        self
    }

    /// A version's folder lies at most three below what is shown.
    fn secrets(&self) -> Vec<PathBuf> {
        let mut level: Vec<PathBuf> = self.shown.iter().filter(|path| path.is_dir()).cloned().collect();
        let mut found = Vec::new();
        for _ in 0..4 {
            let candidates = level.iter().flat_map(|folder| SECRETS.iter().map(|name| folder.join(name)));
            found.extend(candidates.filter(|path| path.is_file()));
            // A link leads to a folder that is looked through itself, or that is not shown.
            let is_link = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
            level = level.iter().flat_map(|folder| entries(folder)).filter(|path| !is_link(path)).collect();
        }
        found.sort();
        found.dedup();
        found
    }

    fn nvm(&mut self, root: &Path) {
        let versions = root.join("versions/node");
        let Some(chosen) = choose(&versions, read_line(&root.join("alias/default")).as_deref()) else { return };
        self.shown.push(versions);
        self.parts(root, &["alias", "nvm.sh", "nvm-exec", "bash_completion"]);
        self.env.push(("NVM_DIR", root.to_owned()));
        self.path.push(chosen.join("bin"));
    }

    /// What a manager needs of its own, where it is there.
    fn parts(&mut self, root: &Path, names: &[&str]) {
        self.shown.extend(names.iter().map(|name| root.join(name)).filter(|path| path.exists()));
    }

    /// A folder of versions, of which a link says the default.
    fn versions(&mut self, versions: &Path, default: &Path, programs: &str) {
        let named = fs::read_link(default).ok();
        let named = named.iter().flat_map(|link| link.components()).find_map(|part| {
            let name = part.as_os_str().to_str()?;
            versions.join(name).is_dir().then(|| name.to_owned())
        });
        let Some(chosen) = choose(versions, named.as_deref()) else { return };
        self.shown.push(versions.to_owned());
        self.path.push(chosen.join(programs));
    }

    fn volta(&mut self, root: &Path) {
        let platform = fs::read(root.join("tools/user/platform.json")).unwrap_or_default();
        let platform: serde_json::Value = serde_json::from_slice(&platform).unwrap_or_default();
        let named = platform["node"]["runtime"].as_str();
        let images = root.join("tools/image");
        let Some(chosen) = choose(&images.join("node"), named) else { return };
        self.shown.push(images);
        self.path.push(chosen.join("bin"));
    }

    fn pyenv(&mut self, root: &Path) {
        let versions = root.join("versions");
        let named = read_line(&root.join("version"));
        if !versions.is_dir() || named.as_deref() == Some("system") {
            return;
        }
        let Some(chosen) = choose(&versions, named.as_deref()) else { return };
        self.shown.push(versions);
        self.parts(root, &["bin", "libexec", "completions", "plugins", "pyenv.d", "shims", "version"]);
        self.env.push(("PYENV_ROOT", root.to_owned()));
        self.path.extend([chosen.join("bin"), root.join("bin")]);
    }

    fn uv(&mut self, home: &Path) {
        let programs = home.join(".local/bin");
        let before = self.shown.len();
        self.shown.extend(["uv", "uvx"].map(|name| programs.join(name)).into_iter().filter(|path| path.is_file()));
        if self.shown.len() > before {
            self.path.push(programs);
        }
        let pythons = home.join(".local/share/uv/python");
        if let Some(chosen) = choose(&pythons, None) {
            self.shown.push(pythons);
            self.path.push(chosen.join("bin"));
        }
    }

    fn mise(&mut self, home: &Path, data: &Path) {
        let installs = data.join("installs");
        let mut tools: Vec<PathBuf> = entries(&installs).collect();
        tools.sort();
        let programs: Vec<PathBuf> = tools
            .iter()
            .filter_map(|tool| choose(tool, None))
            .map(|tool| tool.join("bin"))
            .filter(|bin| bin.is_dir())
            .collect();
        if !programs.is_empty() {
            self.shown.push(installs);
            self.path.extend(programs);
        }
        let program = home.join(".local/bin/mise");
        if program.is_file() {
            self.shown.push(program);
            self.path.push(home.join(".local/bin"));
        }
    }

    fn rust(&mut self, rustup: &Path, cargo: &Path) {
        if rustup.join("toolchains").is_dir() {
            self.parts(rustup, &["toolchains", "settings.toml", "update-hashes"]);
            self.env.push(("RUSTUP_HOME", rustup.to_owned()));
        }
        self.folder_of_programs(&cargo.join("bin"));
    }

    fn folder_of_programs(&mut self, folder: &Path) {
        if folder.is_dir() {
            self.shown.push(folder.to_owned());
            self.path.push(folder.to_owned());
        }
    }
}

fn read_line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// The version that is named, exactly or by its beginning ("20" for v20.11.1); else the newest.
fn choose(versions: &Path, named: Option<&str>) -> Option<PathBuf> {
    let mut found: Vec<(String, PathBuf)> = entries(versions)
        .filter_map(|path| Some((path.file_name()?.to_str()?.trim_start_matches('v').to_owned(), path)))
        .filter(|(name, _)| name.contains(|character: char| character.is_ascii_digit()))
        .collect();
    found.sort_by(|a, b| by_version(&a.0, &b.0));
    let named = named.map(|name| name.trim_start_matches('v'));
    let matches = |name: &str| {
        named.is_some_and(|named| name.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    let chosen = found.iter().rposition(|(name, _)| matches(name)).or(found.len().checked_sub(1))?;
    Some(found.swap_remove(chosen).1)
}

/// Runs of digits compare as numbers, the rest as text.
fn by_version(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(u64, String)> {
        text.split(['.', '-', '+']).map(|part| (part.parse().unwrap_or(0), part.to_owned())).collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(files: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for file in files {
            let (path, text) = file.split_once('=').unwrap_or((file, ""));
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        home
    }

    #[test]
    fn an_empty_home_gives_nothing() {
        assert_eq!(HomeTools::of(home(&[]).path(), &Env::new()), HomeTools::default());
    }

    #[test]
    fn the_default_version_comes_first_else_the_newest() {
        let files = [".nvm/versions/node/v9.1.0/bin/node", ".nvm/versions/node/v20.2.0/bin/node"];
        let newest = home(&files);
        assert!(HomeTools::of(newest.path(), &Env::new()).path[0].ends_with("v20.2.0/bin"));
        let chosen = home(&[files[0], files[1], ".nvm/alias/default=9\n"]);
        assert!(HomeTools::of(chosen.path(), &Env::new()).path[0].ends_with("v9.1.0/bin"));
        let indirect = home(&[files[0], files[1], ".nvm/alias/default=lts/*"]);
        assert!(HomeTools::of(indirect.path(), &Env::new()).path[0].ends_with("v20.2.0/bin"));
    }

    #[test]
    fn credentials_lie_in_no_folder_that_is_shown() {
        let secrets = [
            ".cargo/credentials.toml",
            ".cargo/config.toml",
            ".local/share/uv/credentials/x",
            ".config/mise/config.toml",
            ".local/bin/mine",
            ".npmrc",
            ".ssh/id",
            ".nvm/.git/config",
            ".pyenv/.git/config",
            ".rustup/other",
        ];
        let programs = [
            ".cargo/bin/cargo",
            ".nvm/versions/node/v20.0.0/bin/node",
            ".rustup/toolchains/stable/bin/rustc",
            ".local/share/uv/python/cpython-3.12.1/bin/python3",
            ".local/bin/uv",
            ".local/bin/mise",
            ".local/share/mise/installs/go/1.22/bin/go",
            ".bun/bin/bun",
            ".deno/bin/deno",
            ".volta/tools/image/node/20.1.0/bin/node",
            ".volta/tools/user/platform.json={\"node\":{\"runtime\":\"20.1.0\"}}",
            ".pyenv/versions/3.11.7/bin/python",
            ".local/share/fnm/node-versions/v18.0.0/installation/bin/node",
        ];
        let home = home(&[&secrets[..], &programs[..]].concat());
        let tools = HomeTools::of(home.path(), &Env::new());
        let shown = |file: &str| tools.shown.iter().any(|shown| home.path().join(file).starts_with(shown));
        for secret in secrets {
            assert!(!shown(secret), "{secret} would be seen");
        }
        for program in programs.iter().filter(|path| path.contains("/bin/")) {
            assert!(shown(program), "{program} would not be seen");
            let folder = home.path().join(program);
            assert!(
                tools.path.iter().any(|path| path == folder.parent().unwrap()) || program.contains(".rustup"),
                "{program} would not be found"
            );
        }
    }

    #[test]
    fn configuration_among_the_programs_is_found() {
        let secrets = [
            ".nvm/versions/node/v20.0.0/etc/npmrc",
            ".pyenv/versions/3.11.7/pip.conf",
            ".local/share/fnm/node-versions/v18.0.0/installation/etc/npmrc",
            ".volta/tools/image/node/20.1.0/etc/npmrc",
            ".local/share/uv/python/cpython-3.12.1/etc/pip.conf",
            ".local/share/mise/installs/node/22.0.0/lib/node_modules/npm/npmrc",
        ];
        let programs = [".local/share/mise/installs/node/22.0.0/bin/node", ".volta/tools/user/platform.json={}"];
        let home = home(&[&secrets[..], &programs[..]].concat());
        let tools = HomeTools::of(home.path(), &Env::new());
        for secret in secrets {
            assert!(tools.secret.contains(&home.path().join(secret)), "{secret} would be seen");
        }
    }

    #[test]
    fn a_managers_variable_says_where_it_lives() {
        let elsewhere = home(&["nvm/versions/node/v20.0.0/bin/node", "cargo/bin/cargo", "cargo/credentials.toml"]);
        let at = |name: &str| elsewhere.path().join(name).display().to_string();
        let env = Env::from([("NVM_DIR".to_owned(), at("nvm")), ("CARGO_HOME".to_owned(), at("cargo"))]);
        let tools = HomeTools::of(home(&[]).path(), &env);
        let path: Vec<_> = tools.path.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(path, [at("nvm/versions/node/v20.0.0/bin"), at("cargo/bin")]);
        assert!(!tools.shown.contains(&elsewhere.path().join("cargo")));
    }
}
