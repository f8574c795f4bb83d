//! The app's one window: it shows the app's own page and nothing else.

use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::{AppHandle, Runtime, Url, WebviewWindowBuilder};
use tauri_plugin_opener::OpenerExt;

/// Opens the window as `tauri.conf.json` describes it.
///
/// What a preview opens in a new window goes to the system's browser, where a person sees whose page it is. A page that
/// took the place of the app's own would look like the app, so the app's is put back. Navigations are not refused before
/// they begin: WebKit asks about those of frames too, without saying so, and a preview may go where it likes.
pub fn open<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<()> {
    let Some(config) = app.config().app.windows.first() else { return Err(tauri::Error::WindowNotFound) };
    let opener = app.clone();
    let dev = app.config().build.dev_url.clone();
    WebviewWindowBuilder::from_config(app, config)?
        .on_new_window(move |url, _| {
            if is_web(&url)
                && let Err(error) = opener.opener().open_url(url.as_str(), None::<&str>)
            {
                tracing::warn!(%error, "the browser could not be opened");
            }
            NewWindowResponse::Deny
        })
        .on_page_load(move |window, load| {
            if load.event() == PageLoadEvent::Started && !is_ours(load.url()) {
                tracing::warn!("a page that is not the app's own was shown in its window, and is put away");
                let back = home(dev.as_ref());
                if let Err(error) = back.and_then(|home| window.navigate(home).map_err(|error| error.to_string())) {
                    tracing::error!(error, "the app's page could not be shown again");
                }
            }
        })
        .build()?;
    Ok(())
}

/// Whether the system's browser may be given this address.
pub fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Whether this is the app's own page: the one built in, or the development server's where that is shown.
fn is_ours(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => true,
        "about" => url.as_str() == "about:blank",
        "http" | "https" if url.host_str() == Some("tauri.localhost") => url.port().is_none(),
        "http" => cfg!(dev) && url.host_str() == Some("localhost") && url.port() == Some(5173),
        _ => false,
    }
}

fn home(dev: Option<&Url>) -> Result<Url, String> {
    let built_in = if cfg!(windows) { "http://tauri.localhost" } else { "tauri://localhost" };
    match dev {
        Some(url) if cfg!(dev) => Ok(url.clone()),
        _ => Url::parse(built_in).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    #[test]
    fn only_the_apps_own_page_may_fill_the_window() {
        for ours in ["tauri://localhost/", "http://tauri.localhost/", "about:blank"] {
            assert!(is_ours(&url(ours)), "{ours}");
        }
        for other in [
            "https://example.org/",
            "http://demo-3000.localhost:20001/",
            "http://tauri.localhost:3000/",
            "http://tauri.localhost.example.org/",
            "file:///etc/passwd",
            "data:text/html,x",
        ] {
            assert!(!is_ours(&url(other)), "{other}");
        }
        assert!(is_ours(&home(None).expect("an address")));
    }

    #[test]
    fn the_browser_is_given_web_addresses_only() {
        assert!(is_web(&url("https://example.org")) && is_web(&url("http://x.localhost:1/")));
        for other in ["file:///etc/passwd", "javascript:alert(1)", "tauri://localhost", "mailto:a@b"] {
            assert!(!is_web(&url(other)), "{other}");
        }
    }
}
