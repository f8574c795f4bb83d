//! What a person sees when the app cannot start: a window that says why and what to do, and nothing else.

use std::error::Error;

use berth_model::{ErrorCode, RpcError};
use tauri::{Url, WebviewUrl, WebviewWindowBuilder};

/// Shows why the app cannot start, and returns when the person has closed it. Does nothing where there is no display.
pub fn show(context: tauri::Context, error: &(dyn Error + 'static)) -> tauri::Result<()> {
    if !has_display() {
        return Ok(());
    }
    let page = page(&explained(error));
    let app = tauri::Builder::default()
        .register_uri_scheme_protocol("failure", move |_, _| {
            tauri::http::Response::builder()
                .header("Content-Type", "text/html; charset=utf-8")
                .header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
                .body(page.clone().into_bytes())
                .unwrap_or_default()
        })
        .setup(|app| {
            let url = WebviewUrl::CustomProtocol(Url::parse("failure://localhost/")?);
            WebviewWindowBuilder::new(app, "failure", url)
                .title("Berth cannot start")
                .inner_size(620.0, 380.0)
                .build()?;
            Ok(())
        })
        .build(context)?;
    app.run_return(|_, _| {});
    Ok(())
}

fn has_display() -> bool {
    cfg!(not(target_os = "linux"))
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The error with its causes; the hint of a cause that has one.
fn explained(error: &(dyn Error + 'static)) -> RpcError {
    let mut told = RpcError::from_error(ErrorCode::Failed, error);
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<berth_engine::EngineError>() {
            told.hint = error.hint().map(str::to_owned);
        }
        cause = error.source();
    }
    told
}

fn page(error: &RpcError) -> String {
    let mut text = format!("<h1>Berth cannot start</h1><p>{}</p>", escaped(&error.message));
    for cause in &error.causes {
        text.push_str(&format!("<p>{}</p>", escaped(cause)));
    }
    if let Some(hint) = &error.hint {
        text.push_str(&format!("<p><b>{}</b></p>", escaped(hint)));
    }
    format!(
        "<!doctype html><meta charset=utf-8><meta name=color-scheme content=\"light dark\">\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem}}h1{{font-size:1.3rem}}</style>{text}"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_why_and_what_to_do_and_nothing_else() {
        let mut error = RpcError::new(ErrorCode::Failed, "No <database>.").hint("Look & see.");
        error.causes.push("A cause.".to_owned());
        let page = page(&error);
        for part in ["No &lt;database&gt;.", "A cause.", "Look &amp; see."] {
            assert!(page.contains(part), "{page}");
        }
        assert!(!page.contains("<database>") && !page.contains("<script"));
    }
}
