//! Which files a search looks at, said once, so that every way of searching finds the same.
//!
//! Regular files only, dotfiles included; links are not followed, and `.git` is left out. In a Git work tree Git itself
//! says which files there are: what it ignores is left out, unless what is searched is itself ignored (who names
//! `node_modules` means it). A repository inside another is asked for its own files. Without Git, or outside of a work
//! tree, nothing counts as ignored.

use crate::{
    ShellScript,
    pattern::{Pattern, Piece, Sieve},
};

/// A sieve longer than this is not sent: an environment variable has its limits.
const SIEVE: usize = 48 << 10;

/// Defines `files`, which prints the files under the current folder (entered by `cd -P`), each as `./path` and NUL, in
/// no order. Returns whether it prints only what the pattern matches.
pub(crate) fn define(script: &mut ShellScript, pattern: Option<&Pattern>) -> bool {
    let sieves = pattern.map(Pattern::sieve).filter(|sieves| sieves.iter().map(Sieve::len).sum::<usize>() < SIEVE);
    let exact = pattern.is_none_or(|pattern| sieves.is_some() && pattern.is_exact());
    let base = [b"./".to_vec(), pattern.map(Pattern::base).unwrap_or_default()].concat();
    let mut case = ShellScript::bare();
    let mut path = ShellScript::bare();
    match &sieves {
        None => {
            case.raw("y=1\n");
        }
        Some(sieves) => {
            case.raw("y=\n");
            path.raw(" \\(");
            for (i, (slashes, group)) in groups(sieves).into_iter().enumerate() {
                emit_case(&mut case, slashes, &group);
                path.raw(if i > 0 { " -o" } else { "" });
                emit_path(&mut path, slashes, &group);
            }
            path.raw(" \\)");
        }
    }
    let mut each = ShellScript::bare();
    each.raw("u=$1\nshift\nfor f do\nf=${f#./}\nx=$u$f\n").join(case).raw(
        r#"if [ -n "$y" ] && [ -f "$f" ]; then
[ -L "$f" ] || printf './%s\0' "$x"
elif [ -d "$f" ] && [ -e "$f/.git" ] && [ ! -L "${f%/}" ]; then
(cd "./$f" && { git ls-files -z -co --exclude-standard || find . -name .git -prune -o -type f -print0; } | xargs -0 -r sh -c "$each" sh "${x%/}/")
fi
done
"#,
    );
    script.set_script("each", each).set("base", &base).raw(
        // A `.git` that Git cannot read, as of another user or of a broken copy, is as good as none.
        r#"export each
usable() {
git check-ignore -q -- "$base" 2>/dev/null
[ $? -eq 1 ]
}
files() {
if repo && usable; then
GIT_LITERAL_PATHSPECS=1 git ls-files -z -co --exclude-standard -- "$base" 2>/dev/null | xargs -0 -r sh -c "$each" sh '' 2>/dev/null
else
find "$base" -name .git -prune -o -type f"#,
    );
    script.join(path).raw(" -print0 2>/dev/null\nfi\n}\n");
    exact
}

/// Sieves by how many `/` they ask for.
fn groups(sieves: &[Sieve]) -> Vec<(Option<usize>, Vec<&Sieve>)> {
    let mut groups: Vec<(Option<usize>, Vec<&Sieve>)> = Vec::new();
    for sieve in sieves {
        match groups.iter_mut().find(|(slashes, _)| *slashes == sieve.slashes) {
            Some((_, group)) => group.push(sieve),
            None => groups.push((sieve.slashes, vec![sieve])),
        }
    }
    groups
}

/// A pattern that more than so many `/` match.
fn deeper(slashes: usize) -> String {
    format!("*{}", "/*".repeat(slashes + 1))
}

fn emit_case(script: &mut ShellScript, slashes: Option<usize>, group: &[&Sieve]) {
    script.raw("case $x in\n");
    if let Some(slashes) = slashes {
        script.raw(&deeper(slashes)).raw(") ;;\n");
    }
    for (i, sieve) in group.iter().enumerate() {
        script.raw(if i > 0 { "|" } else { "" });
        for piece in &sieve.pieces {
            match piece {
                Piece::Text(text) => script.quoted(text),
                Piece::Star => script.raw("*"),
            };
        }
    }
    script.raw(") y=1;;\nesac\n");
}

fn emit_path(script: &mut ShellScript, slashes: Option<usize>, group: &[&Sieve]) {
    script.raw(" \\(");
    if let Some(slashes) = slashes {
        script.raw(" ! -path ").quoted(format!("./{}", deeper(slashes)).as_bytes());
    }
    script.raw(" \\(");
    for (i, sieve) in group.iter().enumerate() {
        let mut glob = b"./".to_vec();
        for piece in &sieve.pieces {
            match piece {
                Piece::Star => glob.push(b'*'),
                Piece::Text(text) => {
                    for byte in text {
                        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
                            glob.push(b'\\');
                        }
                        glob.push(*byte);
                    }
                }
            }
        }
        script.raw(if i > 0 { " -o -path " } else { " -path " }).quoted(&glob);
    }
    script.raw(" \\) \\)");
}
