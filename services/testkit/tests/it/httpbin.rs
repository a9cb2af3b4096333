use testkit::{HttpBin, Wire};

#[test]
fn httpbin_answers_several_clients_at_once() {
    let address = HttpBin::shared().unwrap().url().trim_start_matches("http://").to_owned();
    let mut slow = Wire::connect(&address).unwrap();
    slow.send("GET /delay/1 HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();

    let mut quick = Wire::connect(&address).unwrap();
    quick
        .send("POST /post HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .unwrap();
    let head = quick.read_head().unwrap();
    let body = String::from_utf8(quick.read_body(&head).unwrap()).unwrap();

    assert_eq!(head.status(), Some(200));
    assert!(body.contains("\"data\": \"hello\""), "{body}");
    assert_eq!(slow.read_head().unwrap().status(), Some(200));
}
