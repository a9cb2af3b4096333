use super::*;
use crate::input::Variables;

fn rendered(template: &str, body: &str) -> String {
    bounded(template, body, 1_000).unwrap()
}

fn bounded(template: &str, body: &str, limit: usize) -> Result<String, RenderedTooLarge> {
    let variables = Variables::from_iter([("env".to_owned(), "beta".to_owned())]);
    let request = RequestInput {
        path_param: &|name| (name == "id").then_some("a%20b"),
        query: "q=one&q=two&id=query",
        header: &|name| if name.eq_ignore_ascii_case("x-h") { vec!["h1", "h2"] } else { vec![] },
        context: &|name| match name {
            "requestId" => Some("r-1".into()),
            "identity.sourceIp" => Some("192.0.2.1".into()),
            _ => None,
        },
        stage_variables: &variables,
    };
    Template::parse(template).unwrap().render(&TemplateInput { body, request }, limit)
}

#[test]
fn references_are_replaced() {
    for (template, expected) in [
        ("plain { } text", "plain { } text"),
        ("$input.body", "{\"a\":1}"),
        ("${input.body}!", "{\"a\":1}!"),
        ("$input.json('$')", "{\"a\":1}"),
        ("[$input.json(\"$\")]", "[{\"a\":1}]"),
        ("$input.params('id')", "a b"),
        ("$input.params('q')-$input.params('X-H')", "two-h2"),
        ("<$input.params('none')>", "<>"),
        ("$context.requestId", "r-1"),
        ("$context.requestId.", "r-1."),
        ("${context.identity.sourceIp}x", "192.0.2.1x"),
        ("$context.unknown|", "|"),
        (
            "$stageVariables.env ${stageVariables.env}s $stageVariables['env'] ${stageVariables['env']}",
            "beta betas beta beta",
        ),
        ("cost: $5, 10$ and $", "cost: $5, 10$ and $"),
        ("#fff #1 a#b", "#fff #1 a#b"),
        ("a## comment\nb#* more\n *#c", "abc"),
    ] {
        assert_eq!(rendered(template, "{\"a\":1}"), expected, "{template}");
    }
}

#[test]
fn a_body_that_is_no_json_becomes_a_json_text() {
    assert_eq!(rendered("$input.json('$')", ""), "{}");
    assert_eq!(rendered("$input.json('$')", "say \"x\""), r#""say \"x\"""#);
}

#[test]
fn references_do_not_multiply_a_body_beyond_the_limit() {
    let body = format!("\"{}\"", "x".repeat(98));
    for reference in ["$input.body", "$input.json('$')"] {
        assert_eq!(bounded(&reference.repeat(10), &body, 1_000).map(|text| text.len()), Ok(1_000));
        assert_eq!(bounded(&reference.repeat(11), &body, 1_000), Err(RenderedTooLarge));
    }
    assert_eq!(check(&"$input.body ".repeat(MAX_REFERENCES)), Ok(()));
    assert_eq!(check(&"$input.body ".repeat(MAX_REFERENCES + 1)), Err(TemplateError::TooManyReferences));
}

#[test]
fn what_is_not_supported_is_refused_with_its_line() {
    for directive in ["#set($x = 1)", "#if($a)b#end", "#foreach($x in $y)", "#{if}", "#end", "#myMacro(1)"] {
        let error = check(&format!("first\n{directive}")).unwrap_err();
        assert!(matches!(error, TemplateError::Directive { line: 2, .. }), "{directive}: {error}");
    }
    for reference in [
        "$x",
        "$!x",
        "${x}",
        "$input",
        "$input.path('$.a')",
        "$input.json('$.a')",
        "$input.params()",
        "$input.params('x",
        "$input.body.length()",
        "$input.bodyx",
        "$util.escapeJavaScript('x')",
        "$context.requestId.substring(1)",
        "$context",
        "${context.requestId",
        "$stageVariables",
        "$stageVariables[env]",
        "$stageVariables.env.x",
    ] {
        let error = check(reference).unwrap_err();
        assert!(matches!(error, TemplateError::Reference { line: 1, .. }), "{reference}: {error}");
    }
    assert_eq!(check(&" ".repeat(MAX_LEN + 1)), Err(TemplateError::TooLong));
}

proptest::proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_without_panic(text in "\\PC{0,40}", tail in "[$#{}()'a-z.\\[\\]]{0,30}") {
        let _ = check(&text);
        let _ = check(&tail);
        let _ = check(&format!("$input.{tail}"));
    }
}
