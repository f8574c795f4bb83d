//! The TypeScript twin of this crate, as text.

use std::collections::BTreeMap;

use ts_rs::{Config, TS, TypeVisitor};

use crate::{Event, RpcError, commands};

/// The whole of `ui/src/lib/api/generated.ts`.
///
/// The types are found by walking from the command table and from [`Event`], so none can be forgotten.
pub fn generate() -> String {
    // Every number here fits the 53 bits that JSON numbers keep in JavaScript.
    let mut types = Declarations { config: Config::new().with_large_int("number"), found: BTreeMap::new() };
    types.visit::<Event>();
    types.visit::<RpcError>();
    commands::visit_types(&mut types);
    let mut text = String::from("// Generated from the crate `berth-model` by `make types`. Do not edit.\n\n");
    for declaration in types.found.values() {
        text.push_str(&format!("export {declaration}\n\n"));
    }
    text.push_str("/** Every command with its request and its response. */\nexport interface Commands {\n");
    for (name, request, response) in commands::typescript_table(&types.config) {
        text.push_str(&format!("  \"{name}\": {{ request: {request}; response: {response} }};\n"));
    }
    text.push_str("}\n");
    text
}

/// Declarations by name, so that the file's order does not depend on the walk.
struct Declarations {
    config: Config,
    found: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if T::output_path().is_none() {
            T::visit_dependencies(self);
            T::visit_generics(self);
            return;
        }
        let name = T::name(&self.config);
        if self.found.contains_key(&name) {
            return;
        }
        self.found.insert(name.clone(), T::decl(&self.config));
        T::visit_dependencies(self);
    }
}
