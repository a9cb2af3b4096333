use std::path::PathBuf;
use std::process::Command;

use testkit::{PATIENCE, Process, scratch_dir, wait_until};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn exists(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

#[test]
fn a_dropped_process_is_gone() {
    let process = Process::spawn("sleeper", &shell("exec sleep 600")).unwrap();
    let pid = process.pid();
    assert!(exists(pid));

    drop(process);

    assert!(!exists(pid));
}

#[test]
fn a_process_outlives_the_thread_that_asked_for_it() {
    let mut process =
        std::thread::spawn(|| Process::spawn("sleeper", &shell("exec sleep 600")).unwrap()).join().unwrap();

    assert!(!wait_until(std::time::Duration::from_millis(100), || !process.is_running()));
}

#[test]
fn a_process_dies_with_the_one_that_started_it() {
    let file = scratch_dir("pid").unwrap().join("pid");
    // The parent is this test binary once more, running only the test below.
    let mut parent = Command::new(std::env::current_exe().unwrap());
    parent.args(["--exact", "process::start_a_child_and_wait", "--ignored"]).env("PID_FILE", &file);
    let parent = Process::spawn("parent", &parent).unwrap();
    let mut pid = 0;
    assert!(wait_until(PATIENCE, || {
        pid = std::fs::read_to_string(&file).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        pid != 0
    }));
    assert!(exists(pid));

    parent.kill_9().unwrap();

    assert!(wait_until(PATIENCE, || !exists(pid)));
}

#[test]
#[ignore = "the other half of a_process_dies_with_the_one_that_started_it"]
fn start_a_child_and_wait() {
    let file = PathBuf::from(std::env::var("PID_FILE").unwrap());
    let mut child = Process::spawn("sleeper", &shell("exec sleep 600")).unwrap();
    let written = file.with_extension("new");
    std::fs::write(&written, child.pid().to_string()).unwrap();
    std::fs::rename(written, file).unwrap();
    wait_until(PATIENCE, || !child.is_running());
}

#[test]
fn an_early_end_shows_the_last_words() {
    let mut process = Process::spawn("broken", &shell("echo no room >&2; exit 3")).unwrap();

    let error = process.wait_ready(|_| false).unwrap_err().to_string();

    assert!(error.contains("broken ended while starting") && error.contains("no room"), "{error}");
}

#[test]
fn a_process_can_end_in_its_own_way() {
    let script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut process = Process::spawn("polite", &shell(script)).unwrap();
    process.wait_ready(|process| process.stdout().contains("ready")).unwrap();

    let status = process.terminate(PATIENCE).unwrap();

    assert_eq!(status.code(), Some(7));
}
