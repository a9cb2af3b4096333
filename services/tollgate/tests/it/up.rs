//! `tollgate up` from outside: what it prints, keeps and refuses.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use testkit::{Process, wait_until};

use crate::installation::{Admin, Installation, TOLLGATE, agent, call};

/// Every key that scripts may rely on.
const KEYS: [&str; 24] = [
    "/version",
    "/pid",
    "/gateway",
    "/console",
    "/portal",
    "/graphql",
    "/aws",
    "/invoke_url",
    "/region",
    "/account_id",
    "/tenant",
    "/user/email",
    "/user/password",
    "/portal_user/email",
    "/portal_user/password",
    "/token",
    "/aws_access_key_id",
    "/aws_secret_access_key",
    "/mail_inbox",
    "/sample/api_id",
    "/sample/stage",
    "/sample/url",
    "/sample/api_key",
    "/sample/curl",
];

#[test]
fn the_line_has_every_key_and_its_curl_works_as_pasted() {
    let up = Installation::up(&[]).unwrap();
    for key in KEYS {
        let value = up.line.pointer(key);
        assert!(
            value.is_some_and(|value| !value.is_null() && value != ""),
            "{key} is missing in {:#}",
            up.line
        );
    }
    let output =
        Command::new("sh").args(["-c", &format!("{} -sSf", up.text("/sample/curl"))]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pasted = String::from_utf8(output.stdout).unwrap();
    assert!(pasted.contains("high_celsius"), "{pasted}");
}

#[test]
fn the_sample_backend_cannot_be_reached_around_the_gateway() {
    let up = Installation::up(&[]).unwrap();
    let admin = Admin::new(up.text("/graphql"), up.text("/token"));
    let api = admin
        .data("query($id: ID!) { api(id: $id) { document } }", json!({ "id": up.text("/sample/api_id") }));
    let backend = api["api"]["document"]["upstream"]["url"].as_str().unwrap();
    assert_eq!(call(&agent(), &format!("{backend}/stations"), None).status, 403);
}

#[test]
fn a_second_start_finds_everything_as_it_was() {
    let first = Installation::up(&[]).unwrap();
    let sample = format!("{}/stations", first.text("/sample/url"));
    let key = first.text("/sample/api_key").to_owned();
    for _ in 0..5 {
        assert_eq!(call(&agent(), &sample, Some(&key)).status, 200);
    }
    let before = first.line.clone();
    let directory = first.stop().unwrap();

    let second = Installation::up_in(directory, &[]).unwrap();
    for same in
        ["/account_id", "/tenant", "/user", "/portal_user", "/token", "/aws_access_key_id", "/sample/api_key"]
    {
        assert_eq!(second.line.pointer(same), before.pointer(same), "{same}");
    }
    assert_eq!(second.text("/sample/api_id"), before["sample"]["api_id"]);
    let sample = format!("{}/stations", second.text("/sample/url"));
    assert_eq!(call(&agent(), &sample, Some(&key)).status, 200);
    let all_counted = wait_until(Duration::from_secs(2), || requests(&second) == 6);
    assert!(all_counted, "{} of 6 calls are counted", requests(&second));
}

#[test]
fn a_call_is_in_usage_answers_within_two_seconds() {
    let up = Installation::up(&[]).unwrap();
    let sample = format!("{}/stations", up.text("/sample/url"));
    assert_eq!(call(&agent(), &sample, Some(up.text("/sample/api_key"))).status, 200);
    assert!(wait_until(Duration::from_secs(2), || requests(&up) == 1));
}

#[test]
fn a_manual_clock_moves_quota_periods() {
    let up = Installation::up(&["--clock", "manual"]).unwrap();
    let set = |now: &str| {
        let answer = agent()
            .post(format!("{}/_test/clock", up.text("/console")))
            .send_json(json!({ "now": now }))
            .unwrap();
        assert_eq!(answer.status(), 200);
    };
    set("2027-03-10T12:00:00Z");
    let admin = Admin::new(up.text("/graphql"), up.text("/token"));
    let plan = json!({
        "name": "daily",
        "quotas": [{ "limit": 2, "period": "DAY" }],
        "stages": [{ "apiId": up.text("/sample/api_id"), "stage": up.text("/sample/stage") }],
    });
    let plan = admin.mutate("usagePlanCreate", plan, "usagePlan { id }")["usagePlan"]["id"].clone();
    let key = json!({ "name": "daily", "usagePlanIds": [plan] });
    let value = admin.mutate("apiKeyCreate", key, "value")["value"].as_str().unwrap().to_owned();
    let sample = format!("{}/stations", up.text("/sample/url"));
    let statuses = |count: usize| -> Vec<u16> {
        (0..count).map(|_| call(&agent(), &sample, Some(&value)).status).collect()
    };
    assert_eq!(statuses(3), [200, 200, 429]);
    set("2027-03-10T23:59:59Z");
    assert_eq!(statuses(1), [429]);
    set("2027-03-11T00:00:00Z");
    assert_eq!(statuses(3), [200, 200, 429]);
}

#[test]
fn a_taken_port_is_one_clear_line_and_harms_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let refused = refused(&["--gateway-port", &port, "--data-dir", data.to_str().unwrap()]);
    assert!(refused.contains(&port) && refused.contains("--gateway-port"), "{refused}");
    assert!(!data.exists(), "nothing is made before the ports are held");
}

#[test]
fn an_unwritable_directory_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    // A directory below a file cannot be made by anybody, root included.
    let refused = refused(&["--data-dir", file.join("data").to_str().unwrap()]);
    assert!(refused.contains("data directory"), "{refused}");
}

#[test]
fn a_directory_of_a_newer_version_is_one_clear_line_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    let secrets = json!({ "format": 1000, "vault_keys": [], "service_token": "" }).to_string();
    fs::write(data.join("secrets.json"), &secrets).unwrap();
    let refused = refused(&["--data-dir", data.to_str().unwrap()]);
    assert!(refused.contains("newer version"), "{refused}");
    assert_eq!(fs::read_to_string(data.join("secrets.json")).unwrap(), secrets);
}

#[test]
fn a_directory_in_use_is_one_clear_line() {
    let up = Installation::up(&[]).unwrap();
    let refused = refused(&["--data-dir", up.data_dir().to_str().unwrap()]);
    assert!(refused.contains("in use"), "{refused}");
}

#[test]
fn secrets_are_readable_by_their_owner_alone() {
    let up = Installation::up(&[]).unwrap();
    for name in ["secrets.json", "demo.json"] {
        let mode = fs::metadata(up.data_dir().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}

/// Calls to the sample API that usage answers count.
fn requests(installation: &Installation) -> u64 {
    let admin = Admin::new(installation.text("/graphql"), installation.text("/token"));
    let now = common::Clock::System.now();
    let range =
        json!({ "from": now - chrono::TimeDelta::hours(1), "to": now + chrono::TimeDelta::minutes(1) });
    let query =
        "query($from: DateTime!, $to: DateTime!) { usage(from: $from, to: $to) { rows { requests } } }";
    let usage = admin.data(query, range);
    usage["usage"]["rows"].as_array().unwrap().iter().filter_map(|row| row["requests"].as_u64()).sum()
}

/// Standard error of an `up` that must end with exit code 1 and one line.
fn refused(options: &[&str]) -> String {
    let ports = ["--gateway-port", "0", "--console-port", "0", "--portal-port", "0"];
    let ports = ports.chunks(2).filter(|pair| !options.contains(&pair[0])).flatten();
    let output = Command::new(TOLLGATE).arg("up").args(ports).args(options).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert_eq!(words.trim_end().lines().count(), 1, "{words}");
    words
}

#[test]
fn health_and_metrics_of_all_roles_are_at_the_console() {
    let up = Installation::up(&[]).unwrap();
    let console = up.text("/console");
    assert_eq!(call(&agent(), &format!("{console}/livez"), None).status, 200);
    let ready = call(&agent(), &format!("{console}/readyz"), None);
    assert_eq!(ready.status, 200, "{}", ready.body);
    let metrics = call(&agent(), &format!("{console}/metrics"), None).body;
    for name in [
        "tollgate_gateway_stages",
        "tollgate_requests_total{role=\"admin\"",
        "role=\"portal\"",
        "tollgate_calls_total{role=\"tenants\"",
        "role=\"metering\"",
    ] {
        assert!(metrics.contains(name), "{name} is missing in {metrics}");
    }
}

#[test]
fn mails_link_to_the_portal_of_their_organization_and_are_read_on_this_machine_alone() {
    let up = Installation::up(&[]).unwrap();
    let (console, portal) = (up.text("/console"), up.text("/portal"));
    let port = portal.rsplit_once(':').unwrap().1;
    let body = json!({ "organization": "Acme", "email": "o@acme.example", "password": "correct horse" });
    let signed_up = agent().post(format!("{console}/api/signup")).send_json(body).unwrap();
    let cookie = signed_up.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let query =
        "mutation { developerCreate(input: { email: \"d@app.example\", name: \"D\" }) { userErrors } }";
    let made = agent()
        .post(up.text("/graphql"))
        .header("cookie", &cookie)
        .header("x-tollgate-csrf", "1")
        .send_json(json!({ "query": query }))
        .unwrap();
    assert_eq!(made.status(), 200);
    let inbox = |host: &str| {
        let request = agent().get(format!("{console}/_inbox")).header("host", host);
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    let link = format!("http://acme.localhost:{port}/set-password");
    assert!(wait_until(Duration::from_secs(5), || {
        let (status, mails) = inbox("localhost");
        status == 200 && mails.replace("=\r\n", "").contains(&link)
    }));
    assert_eq!(inbox("rebound.example").0, 403);
}

/// Stops `up`, keeps the sample backend's port busy, and starts again: the backend has to move.
fn start_with_the_backend_moved(up: Installation) -> (Installation, TcpListener) {
    let demo = fs::read_to_string(up.data_dir().join("demo.json")).unwrap();
    let demo: serde_json::Value = serde_json::from_str(&demo).unwrap();
    let address = demo["backend_url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let directory = up.stop().unwrap();
    let taken = TcpListener::bind(address).unwrap();
    (Installation::up_in(directory, &[]).unwrap(), taken)
}

#[test]
fn a_start_survives_the_loss_of_the_sample_api_and_of_its_backends_port() {
    let up = Installation::up(&[]).unwrap();
    let admin = Admin::new(up.text("/graphql"), up.text("/token"));
    // Plans name the API's stage; it may go all the same.
    let delete = "mutation($id: ID!) { apiDelete(id: $id) { deletedId userErrors } }";
    let deleted = admin.data(delete, json!({ "id": up.text("/sample/api_id") }));
    assert!(deleted["apiDelete"]["deletedId"].is_string(), "{deleted}");
    start_with_the_backend_moved(up);
}

#[test]
fn a_moved_backend_leaves_the_users_own_edits_alone() {
    const QUERY: &str = "query($id: ID!) { api(id: $id) { document stages { undeployedChanges } } }";
    const EDIT: &str = "mutation($input: ApiEditInput!) { apiEdit(input: $input) { userErrors } }";
    let up = Installation::up(&[]).unwrap();
    let id = json!({ "id": up.text("/sample/api_id") });
    let admin = Admin::new(up.text("/graphql"), up.text("/token"));
    let mine = json!({ "edit": "putResource", "path": "/mine" });
    let input = json!({ "input": { "apiId": id["id"], "edits": [mine] } });
    assert_eq!(admin.data(EDIT, input)["apiEdit"]["userErrors"], json!([]));
    let (up, _taken) = start_with_the_backend_moved(up);
    let admin = Admin::new(up.text("/graphql"), up.text("/token"));
    let kept = admin.data(QUERY, id.clone());
    assert!(kept["api"]["document"]["resources"]["/mine"].is_object(), "{kept}");
    assert_eq!(kept["api"]["stages"][0]["undeployedChanges"], true);

    let upstream = json!({ "edit": "setUpstream", "upstream": { "url": "https://mine.example" } });
    let input = json!({ "input": { "apiId": id["id"], "edits": [upstream] } });
    assert_eq!(admin.data(EDIT, input)["apiEdit"]["userErrors"], json!([]));
    let (up, _taken) = start_with_the_backend_moved(up);
    let kept = Admin::new(up.text("/graphql"), up.text("/token")).data(QUERY, id);
    assert_eq!(kept["api"]["document"]["upstream"]["url"], "https://mine.example");
}

#[test]
fn the_printed_import_works_as_pasted_wherever_the_executable_is() {
    let directory = tempfile::tempdir().unwrap();
    let executable = directory.path().join("a place/tollgate");
    fs::create_dir(executable.parent().unwrap()).unwrap();
    fs::copy(TOLLGATE, &executable).unwrap();
    let document = testkit::repository().join("services/apidef/tests/fixtures/redocly-museum.yaml");
    fs::copy(document, directory.path().join("openapi.yaml")).unwrap();
    let mut command = Command::new(&executable);
    command.arg("up").args(["--gateway-port", "0", "--console-port", "0", "--portal-port", "0"]);
    command.arg("--data-dir").arg(directory.path().join("data"));
    let mut up = Process::spawn("tollgate-up-text", &command).unwrap();
    up.wait_ready(|process| process.stdout().contains("Stop with ctrl-c")).unwrap();
    let words = up.stdout();
    let line = words.lines().find(|line| line.contains("api import")).unwrap();
    let pasted = Command::new("sh").args(["-c", line]).current_dir(directory.path()).output().unwrap();
    assert!(pasted.status.success(), "{line}: {}", String::from_utf8_lossy(&pasted.stderr));
}

#[test]
fn nobody_else_can_look_into_the_data_directory() {
    let mode = |path: std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let up = Installation::up(&[]).unwrap();
    assert_eq!(mode(up.data_dir()), 0o700);

    // One that was made by other means is used as it is, with what is ours in it made private.
    let directory = up.stop().unwrap();
    let data = directory.path().join("data");
    for name in ["", "tenants.db", "secrets.json", "mail", "gateway"] {
        let path = data.join(name);
        let open = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
    }
    let up = Installation::up_in(directory, &[]).unwrap();
    assert_eq!(mode(up.data_dir()), 0o755);
    for entry in fs::read_dir(up.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(path.clone()) & 0o077, 0, "{}", path.display());
    }
}
