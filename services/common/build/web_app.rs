//! Build script of the crates that serve a web app: embeds the files under `web/apps/{app}/dist` as a table of
//! `common::web_app::File`.
//!
//! Never needs Node: without built files it embeds one page that says how to build them.

#![expect(clippy::print_stdout, reason = "a build script speaks to cargo on standard output")]

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Served in place of an app that was not built.
const PLACEHOLDER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tollgate</title>\
<style>body{font:16px/1.6 system-ui;max-width:40rem;margin:20vh auto;padding:0 1rem}</style>\
<main><h1>The web app is not built</h1><p>This executable was made without it. Run <code>make web</code>, which needs \
Node, then <code>cargo build</code> again; <code>make up</code> does both.</p></main></html>";

fn main() -> Result<(), Box<dyn Error>> {
    let app = match env::var("CARGO_PKG_NAME")?.as_str() {
        "admin" => "dashboard",
        "portal" => "portal",
        other => return Err(format!("{other} serves no web app").into()),
    };
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let source = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../web/apps").join(app);
    let dist = source.join("dist");

    println!("cargo::rerun-if-changed=../common/build/web_app.rs");
    let mut table = String::from("&[\n");
    if dist.join("index.html").is_file() {
        println!("cargo::rerun-if-changed={}", dist.display());
        for file in files_below(&dist)? {
            entry(&mut table, &dist, &file)?;
        }
    } else {
        // A directory counts as changed when something appears in it, so that the first build of the app is noticed.
        if source.is_dir() {
            println!("cargo::rerun-if-changed={}", source.display());
        }
        let page = out.join("placeholder");
        fs::create_dir_all(&page)?;
        fs::write(page.join("index.html"), PLACEHOLDER)?;
        entry(&mut table, &page, &page.join("index.html"))?;
    }
    table.push_str("]\n");
    fs::write(out.join("web_app.rs"), table)?;
    Ok(())
}

/// All files in a stable order, without hidden ones (the bundler's manifest) and compressed copies.
fn files_below(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else if !matches!(extension(&path), "br" | "gz") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Writes one file of the table.
fn entry(table: &mut String, root: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let path = file.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
    writeln!(
        table,
        "::common::web_app::File {{ path: {:?}, content_type: {:?}, etag: {:?}, content: {}, brotli: {}, gzip: {} }},",
        format!("/{path}"),
        content_type(file),
        format!("\"{:016x}\"", fnv1a(&fs::read(file)?)),
        include(file),
        compressed(file, "br"),
        compressed(file, "gz"),
    )?;
    Ok(())
}

fn include(file: &Path) -> String {
    format!("include_bytes!({:?})", file.to_string_lossy())
}

fn compressed(file: &Path, encoding: &str) -> String {
    let copy = PathBuf::from(format!("{}.{encoding}", file.display()));
    if copy.is_file() { format!("Some({})", include(&copy)) } else { "None".to_owned() }
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or("")
}

fn content_type(file: &Path) -> &'static str {
    match extension(file) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

/// Tells contents apart for `ETag` headers; no secret depends on it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
