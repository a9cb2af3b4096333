use proptest::prelude::*;

use super::*;
use crate::path::{PathTemplate, Segment};

fn found(matcher: &Matcher, verb: Verb, path: &str) -> Option<(u32, Vec<(String, String)>)> {
    let path = RequestPath::parse(path).unwrap();
    match matcher.find(&path, verb) {
        Lookup::Found(found) => {
            let params = found.params().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            Some((found.method.0, params))
        }
        Lookup::WrongVerb(_) | Lookup::NoPath => None,
    }
}

fn index(matcher: &Matcher, verb: Verb, path: &str) -> Option<u32> {
    found(matcher, verb, path).map(|(index, _)| index)
}

/// The table of the developer guide for route evaluation.
#[test]
fn routes_are_chosen_as_the_guide_says() {
    let matcher = Matcher::build([
        ("/pets/dog/1", Verb::Get),
        ("/pets/dog/{id}", Verb::Get),
        ("/pets/{proxy+}", Verb::Get),
        ("/{proxy+}", Verb::Any),
        ("$default", Verb::Any),
    ])
    .unwrap();
    for (verb, path, expected) in [
        (Verb::Get, "/pets/dog/1", 0),
        (Verb::Get, "/pets/dog/2", 1),
        (Verb::Get, "/pets/cat/1", 2),
        (Verb::Get, "/pets/dog/1/x", 2),
        (Verb::Post, "/test/5", 3),
        (Verb::Post, "/pets/dog/1", 3),
        (Verb::Get, "/", 4),
        (Verb::Get, "/pets", 3),
    ] {
        assert_eq!(index(&matcher, verb, path), Some(expected), "{verb} {path}");
    }
}

#[test]
fn a_dead_end_is_walked_back() {
    let matcher =
        Matcher::build([("/a/{x}/c", Verb::Get), ("/a/b/{y}", Verb::Get), ("/a/b/d/e", Verb::Get)]).unwrap();
    assert_eq!(found(&matcher, Verb::Get, "/a/b/c").unwrap(), (1, vec![("y".into(), "c".into())]));
    assert_eq!(found(&matcher, Verb::Get, "/a/z/c").unwrap(), (0, vec![("x".into(), "z".into())]));
    assert_eq!(index(&matcher, Verb::Get, "/a/b/d"), Some(1));
    assert_eq!(index(&matcher, Verb::Get, "/a/b/d/e"), Some(2));
    assert_eq!(index(&matcher, Verb::Get, "/a/z/d"), None);
}

#[test]
fn a_full_match_comes_before_a_greedy_one_wherever_they_part() {
    let matcher = Matcher::build([("/x/{proxy+}", Verb::Get), ("/{a}/{b}", Verb::Get)]).unwrap();
    assert_eq!(index(&matcher, Verb::Get, "/x/y"), Some(1));
    assert_eq!(index(&matcher, Verb::Get, "/x/y/z"), Some(0));
}

#[test]
fn a_literal_comes_before_a_partial_before_a_whole_parameter() {
    let matcher = Matcher::build([
        ("/{id}", Verb::Get),
        ("/{id}.json", Verb::Get),
        ("/{id}.min.json", Verb::Get),
        ("/a.json", Verb::Get),
        ("/v1/{name}:cancel", Verb::Get),
    ])
    .unwrap();
    for (path, expected) in [("/b", 0), ("/b.json", 1), ("/b.min.json", 2), ("/a.json", 3), ("/.json", 0)] {
        assert_eq!(index(&matcher, Verb::Get, path), Some(expected), "{path}");
    }
    assert_eq!(
        found(&matcher, Verb::Get, "/v1/op:cancel").unwrap().1,
        [("name".to_owned(), "op".to_owned())]
    );
    assert_eq!(found(&matcher, Verb::Get, "/b%2Ejson").unwrap().0, 1, "an escaped dot is a dot");
}

#[test]
fn a_literal_never_takes_half_an_escape() {
    let matcher = Matcher::build([("/{x}F", Verb::Get), ("/{y}", Verb::Post)]).unwrap();
    assert_eq!(index(&matcher, Verb::Get, "/a%2F"), None);
    assert_eq!(index(&matcher, Verb::Get, "/a%2FF"), Some(0));
}

#[test]
fn the_exact_verb_comes_before_any() {
    let matcher = Matcher::build([("/a", Verb::Any), ("/a", Verb::Get)]).unwrap();
    assert_eq!(index(&matcher, Verb::Get, "/a"), Some(1));
    assert_eq!(index(&matcher, Verb::Delete, "/a"), Some(0));
}

#[test]
fn a_known_path_without_the_verb_is_told_from_an_unknown_path() {
    let matcher =
        Matcher::build([("/pets/{id}", Verb::Get), ("/pets/{id}", Verb::Delete), ("/pets/mine", Verb::Put)])
            .unwrap();
    let lookup = |path: &str| match matcher.find(&RequestPath::parse(path).unwrap(), Verb::Options) {
        Lookup::WrongVerb(verbs) => verbs.iter().collect(),
        Lookup::NoPath => vec![],
        Lookup::Found(found) => panic!("{found:?}"),
    };
    assert_eq!(lookup("/pets/mine"), [Verb::Get, Verb::Put, Verb::Delete]);
    assert_eq!(lookup("/pets/1"), [Verb::Get, Verb::Delete]);
    assert!(lookup("/pets").is_empty());
}

#[test]
fn slashes_at_the_end_and_in_a_row() {
    let matcher = Matcher::build([
        ("/", Verb::Get),
        ("/pets/", Verb::Get),
        ("/pets/{id}", Verb::Get),
        ("/files/{path+}", Verb::Get),
    ])
    .unwrap();
    assert_eq!(index(&matcher, Verb::Get, "/"), Some(0));
    assert_eq!(index(&matcher, Verb::Get, "/pets"), Some(1));
    assert_eq!(index(&matcher, Verb::Get, "/pets/"), Some(1));
    assert_eq!(index(&matcher, Verb::Get, "/pets/1/"), Some(2));
    assert_eq!(index(&matcher, Verb::Get, "/pets//"), None);
    assert_eq!(index(&matcher, Verb::Get, "//pets"), None);
    assert_eq!(index(&matcher, Verb::Get, "//"), None);
    assert_eq!(index(&matcher, Verb::Get, "/files/"), None);
    assert_eq!(
        found(&matcher, Verb::Get, "/files/a//b/").unwrap().1,
        [("path".to_owned(), "a//b/".to_owned())]
    );
}

#[test]
fn a_value_stays_escaped_and_an_escaped_slash_does_not_part_segments() {
    let matcher = Matcher::build([("/a/{x}", Verb::Get), ("/caf\u{e9}", Verb::Get)]).unwrap();
    assert_eq!(found(&matcher, Verb::Get, "/a/1%2f2").unwrap().1, [("x".to_owned(), "1%2F2".to_owned())]);
    assert_eq!(index(&matcher, Verb::Get, "/%61/1"), Some(0));
    assert_eq!(index(&matcher, Verb::Get, "/caf%c3%a9"), Some(1));
}

#[test]
fn routes_for_the_same_requests_are_refused() {
    let error = Matcher::build([("/a/{x}", Verb::Get), ("/a/{y}/", Verb::Get)]).unwrap_err();
    assert_eq!(error.fault, RouteFault::Duplicate);
    assert_eq!(error.path, "/a/{y}/");
    assert!(Matcher::build([("a", Verb::Get)]).is_err());
    assert!(Matcher::build([]).unwrap().is_empty());
}

#[test]
fn ten_thousand_routes_stay_small() {
    let paths: Vec<String> =
        (0..10_000).map(|at| format!("/tenants/{{tenant}}/things{at}/{{thing}}/parts/{{part}}")).collect();
    let matcher = Matcher::build(paths.iter().map(|path| (path.as_str(), Verb::Get))).unwrap();
    assert_eq!(index(&matcher, Verb::Get, "/tenants/1/things9999/2/parts/3"), Some(9_999));
    let per_route = matcher.heap_bytes() / matcher.len();
    assert!(per_route < 1_024, "{per_route} bytes per route");
}

/// Lower is better, segment by segment.
type Rank = Vec<(u8, i64)>;

/// Every route tried one by one; the best by the stated order wins.
fn reference(routes: &[(String, Verb)], path: &str, verb: Verb) -> Option<(u32, Vec<String>)> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = trimmed.split('/').skip(1).collect();
    let mut best: Option<(Rank, u32, Vec<String>)> = None;
    for (at, (route, route_verb)) in routes.iter().enumerate() {
        if *route_verb != verb && *route_verb != Verb::Any {
            continue;
        }
        let template = PathTemplate::parse(route).unwrap();
        let Some((mut rank, values)) = try_route(&template, &segments, path.len() != trimmed.len()) else {
            continue;
        };
        rank.push((u8::from(*route_verb == Verb::Any), 0));
        let greedy = matches!(template.segments().last(), Some(Segment::Greedy(_)));
        rank.insert(0, (u8::from(greedy), 0));
        if best.as_ref().is_none_or(|(other, ..)| rank < *other) {
            best = Some((rank, u32::try_from(at).unwrap(), values));
        }
    }
    best.map(|(_, at, values)| (at, values))
}

fn try_route(template: &PathTemplate, segments: &[&str], slash: bool) -> Option<(Rank, Vec<String>)> {
    let mut rank = Vec::new();
    let mut values = Vec::new();
    for (at, segment) in template.segments().iter().enumerate() {
        let given = *segments.get(at)?;
        match segment {
            Segment::Static(text) if text == given => rank.push((0, 0)),
            Segment::Static(_) => return None,
            Segment::Param { prefix, suffix, .. } => {
                let value = given.strip_prefix(prefix.as_str())?.strip_suffix(suffix.as_str())?;
                if value.is_empty() {
                    return None;
                }
                let literal = i64::try_from(prefix.len() + suffix.len()).unwrap();
                rank.push(if literal == 0 { (2, 0) } else { (1, -literal) });
                values.push(value.to_owned());
            }
            Segment::Greedy(_) => {
                rank.push((3, 0));
                values.push(segments[at..].join("/") + if slash { "/" } else { "" });
                return Some((rank, values));
            }
        }
    }
    (template.segments().len() == segments.len()).then_some((rank, values))
}

fn template_segment() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 3 => Just("b"), 1 => Just("ab"), 3 => Just("{}"), 1 => Just("a{}"), 1 => Just("{}bb")]
}

fn route() -> impl Strategy<Value = (String, Verb)> {
    let verb = prop_oneof![Just(Verb::Get), Just(Verb::Post), Just(Verb::Any)];
    (prop::collection::vec(template_segment(), 1..5), any::<bool>(), verb).prop_map(
        |(segments, greedy, verb)| {
            let mut path = String::new();
            for (at, segment) in segments.iter().enumerate() {
                let name = format!("{{p{at}}}");
                path.push('/');
                path.push_str(&segment.replace("{}", &name));
            }
            if greedy {
                path.push_str("/{rest+}");
            }
            (path, verb)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_tree_finds_what_trying_every_route_finds(
        routes in prop::collection::vec(route(), 1..12),
        paths in prop::collection::vec((prop::collection::vec("[ab]{1,3}|", 1..6), any::<bool>()), 1..12),
    ) {
        let mut seen = std::collections::HashSet::new();
        let mut routes = routes;
        routes.retain(|(path, verb)| seen.insert((PathTemplate::parse(path).unwrap().shape(), *verb)));
        let matcher = Matcher::build(routes.iter().map(|(path, verb)| (path.as_str(), *verb))).unwrap();
        for (segments, slash) in paths {
            let path = format!("/{}{}", segments.join("/"), if slash { "/" } else { "" });
            for verb in [Verb::Get, Verb::Post] {
                let expected = reference(&routes, &path, verb);
                let actual = found(&matcher, verb, &path)
                    .map(|(at, params)| (at, params.into_iter().map(|(_, value)| value).collect::<Vec<_>>()));
                prop_assert_eq!(actual, expected, "{} {}", verb, path);
            }
        }
    }

    #[test]
    fn any_request_path_is_looked_up_without_panic(path in "/\\PC{0,30}") {
        let matcher = Matcher::build([("/{a}x/{b+}", Verb::Get), ("/{c}", Verb::Get)]).unwrap();
        if let Ok(path) = RequestPath::parse(&path)
            && let Lookup::Found(found) = matcher.find(&path, Verb::Get)
        {
            prop_assert!(found.params().all(|(_, value)| !value.is_empty()));
        }
    }
}
