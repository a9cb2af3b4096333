use lettre::{Message, SmtpTransport, Transport};
use testkit::TestSmtp;

#[test]
fn sent_mail_can_be_read() {
    let smtp = TestSmtp::start().unwrap();
    let message = Message::builder()
        .from("Tollgate <no-reply@tollgate.test>".parse().unwrap())
        .to("ada@example.com".parse().unwrap())
        .subject("Welcome")
        .body("Hello Ada\nYour key is ready.".to_owned())
        .unwrap();

    SmtpTransport::from_url(&smtp.url()).unwrap().build().send(&message).unwrap();

    let mails = smtp.wait_for(1).unwrap();
    assert_eq!(mails[0].header("subject").as_deref(), Some("Welcome"));
    assert_eq!(mails[0].header("X-RcptTo").as_deref(), Some("ada@example.com"));
    assert!(mails[0].body().contains("Your key is ready."));
}
