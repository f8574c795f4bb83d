//! Values that must not be seen.

use std::fmt;

use zeroize::Zeroize;

/// A value that is never printed, never serialised, and wiped from memory when dropped.
///
/// It implements neither `Serialize` nor `Deref`: whoever wants the value says so by [`expose`](Self::expose), which is
/// what a reader of the code searches for.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that uses it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn never_prints() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "read by Debug only")]
        struct Login {
            user: &'static str,
            key: Secret<String>,
        }
        let key = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{key} {key:?} {key:#?} {key:>20}"), "<redacted> <redacted> <redacted> <redacted>");
        let login = Login { user: "ada", key: key.clone() };
        assert!(!format!("{login:?}{login:#?}").contains("hunter2"));
        assert_eq!(key.expose(), "hunter2");
    }

    #[test]
    fn is_wiped_when_dropped() {
        struct Witness(Rc<Cell<bool>>);
        impl Zeroize for Witness {
            fn zeroize(&mut self) {
                self.0.set(true);
            }
        }
        let wiped = Rc::new(Cell::new(false));
        drop(Secret::new(Witness(Rc::clone(&wiped))));
        assert!(wiped.get());
    }

    /// Stops compiling when `Secret` becomes serialisable: `_` below would then be ambiguous.
    #[test]
    fn does_not_serialise() {
        trait UnlessSerialize<Marker> {
            fn holds() {}
        }
        impl<T: ?Sized> UnlessSerialize<()> for T {}
        impl<T: ?Sized + serde::Serialize> UnlessSerialize<u8> for T {}
        <Secret<String> as UnlessSerialize<_>>::holds();
    }
}
