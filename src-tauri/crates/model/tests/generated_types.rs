//! Fails when `generated.ts` is not what this crate says; `make types` writes it anew.

use std::path::Path;

#[test]
fn generated_types_are_current() {
    // From the crate's folder, where tests are run: one that was built elsewhere is read here all the same.
    let file = Path::new("../../../ui/src/lib/api/generated.ts");
    let wanted = berth_model::typescript::generate();
    if std::env::var_os("BERTH_WRITE_TYPES").is_some() {
        std::fs::create_dir_all(file.parent().expect("has a folder")).expect("make the folder");
        std::fs::write(file, &wanted).expect("write the types");
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(found == wanted, "{} has drifted from berth-model: run `make types`", file.display());
}
