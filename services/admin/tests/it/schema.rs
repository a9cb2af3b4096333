//! The committed schema is the one that is served.

#[test]
fn the_committed_schema_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == admin::sdl(),
        "schema.graphql differs from the code: run `make schema` and commit it"
    );
}
