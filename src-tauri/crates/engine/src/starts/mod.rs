//! What a channel can start with: files that are really in the sandbox, and a server that really runs.

/// A starting point that comes with Berth.
#[derive(Debug)]
pub struct StartingPoint {
    /// Names below the working folder, and what is in them.
    pub files: &'static [(&'static str, &'static str)],
    /// The command that serves it.
    pub serve: &'static str,
    /// What is done, in words: "Copying the website's files".
    pub copying: &'static str,
    /// And when it is done.
    pub copied: &'static str,
}

/// A page, served at once on port 3000 by whatever of Node, Python or BusyBox is there.
pub const WEBSITE: StartingPoint = StartingPoint {
    files: &[
        ("index.html", include_str!("website/index.html")),
        ("style.css", include_str!("website/style.css")),
        ("server.mjs", include_str!("website/server.mjs")),
        ("serve.sh", include_str!("website/serve.sh")),
        ("README.md", include_str!("website/README.md")),
    ],
    serve: "sh serve.sh",
    copying: "Copying the website’s files",
    copied: "Copied the website’s files",
};

/// An HTTP service with a test, on port 8000, with nothing but Python's own library.
pub const PYTHON: StartingPoint = StartingPoint {
    files: &[
        ("app.py", include_str!("python/app.py")),
        ("test_app.py", include_str!("python/test_app.py")),
        ("README.md", include_str!("python/README.md")),
    ],
    serve: "python3 app.py",
    copying: "Copying the service’s files",
    copied: "Copied the service’s files",
};
