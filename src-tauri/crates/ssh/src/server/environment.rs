//! The environment of commands. It never touches this process's own.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::path::Path;

use super::ServerConfig;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables of one session channel: the server's, then those the client asked for.
#[derive(Clone)]
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    pub fn new(config: &ServerConfig) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut variables = BTreeMap::from([
            ("HOME".to_owned(), text(&config.home)),
            ("LOGNAME".to_owned(), config.user.clone()),
            ("PATH".to_owned(), PATH.to_owned()),
            ("SHELL".to_owned(), text(&config.shell)),
            ("USER".to_owned(), config.user.clone()),
        ]);
        variables.extend(config.env.clone());
        Self(variables)
    }

    /// A client may set whatever a shell could export: it may run any command anyhow.
    pub fn accept(&mut self, name: &str, value: &str) -> bool {
        let accepted = is_identifier(name) && !value.contains('\0');
        if accepted {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        accepted
    }

    pub fn to_strings(&self) -> io::Result<Vec<CString>> {
        self.0.iter().map(|(name, value)| Ok(CString::new(format!("{name}={value}"))?)).collect()
    }
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::is_identifier;

    #[test]
    fn only_names_a_shell_can_export() {
        for good in ["A", "_", "LC_ALL", "a1"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "1A", "A=B", "A B", "A-B", "BASH_FUNC_x%%", "É"] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }
}
